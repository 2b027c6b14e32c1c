"""Resources as workers leave them: artifacts in the store, rows in the database."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from core.artifacts import Store, record
from core.db.resources import (
    RESOURCE_TABLES,
    AnchorSet,
    Dataset,
    Embedder,
    Forecast,
    Labeling,
    Model,
    Resource,
    Transfer,
)
from core.db.session import transaction
from core.ids import new_id
from core.jobs import needs
from g2l.data.pack import write_pack
from tests.fixtures.images import picture, saved

ACCURACY = {"value": 0.5, "low": 0.4, "high": 0.6, "level": 0.95}


class Maker:
    """Makes resources in the store and database of the settings."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def dataset(self, classes: dict[str, int] | None = None, **values: Any) -> str:
        """Images of classes, without files; `packed` has some."""
        counts = {"cat": 6, "dog": 6} if classes is None else classes
        n_items = sum(counts.values()) or 12
        row = {
            "name": "pool",
            "kind": "images",
            "n_items": n_items,
            "n_rejected": 0,
            "rejected": [],
            "classes": [{"name": name, "count": count} for name, count in counts.items()],
            "splits": {"train": n_items, "test": 0, "derived": False},
            "image_size": {"min": 24, "max": 32},
            "channels": 3,
            "dtype": "uint8",
            "sha256": "b" * 64,
            "bytes": 1000,
        }
        return self._add(Dataset, row | values)

    def embeddings(self, dim: int = 16, **values: Any) -> str:
        """A dataset of vectors."""
        row = {"kind": "embeddings", "channels": dim, "image_size": None, "dtype": "float32"}
        return self.dataset(None, **(row | values))

    def packed(self, tmp_path: Path, n_items: int = 6) -> str:
        """A dataset of real images, two classes."""
        archive = tmp_path / "pool.zip"
        with ZipFile(archive, "w") as file:
            for seed in range(n_items):
                name = f"{'cat' if seed % 2 else 'dog'}/{seed}.jpg"
                file.writestr(name, saved(picture(seed), "JPEG"))
        with self.store.staging("job_made", 1) as staging:
            summary = write_pack(archive, archive.name, staging / "pack")
            published = self.store.publish(staging / "pack")
        with transaction() as session:
            record(session, published)
        values = {"name": "pool", "sha256": "b" * 64, "bytes": 1000, **summary.to_dict()}
        return self._add(Dataset, values | {"artifact": published.digest})

    def embedder(self, **values: Any) -> str:
        return self._add(Embedder, {"kind": "patch-kmeans", "dim": 64, "channels": 3} | values)

    def anchor_set(self, embedder_id: str, k: int = 4, **values: Any) -> str:
        row = {
            "embedder_id": embedder_id,
            "metric": "euclidean",
            "k": k,
            "names": [f"a{index}" for index in range(k)],
            "squared_distances": [[float(i != j) for j in range(k)] for i in range(k)],
        }
        return self._add(AnchorSet, row | values, uses=[embedder_id], files={"anchors.npz": b"numbers"})

    def labeling(
        self,
        dataset_id: str,
        anchor_set_id: str | None = None,
        *,
        n_items: int = 12,
        soft: bool = True,
        **values: Any,
    ) -> str:
        row: dict[str, Any] = {
            "method": "geometry" if anchor_set_id else "k-means",
            "dataset_id": dataset_id,
            "anchor_set_id": anchor_set_id,
            "embedder_id": "emb_x",
            "n_items": n_items,
            "n_classes": 2,
            "classes": [
                {"name": "a-b", "count": n_items - n_items // 2},
                {"name": "b-c", "count": n_items // 2},
            ],
            "entropy": 1.0,
            "degenerate_share": 0.0,
            "margin_quantiles": {"0.5": 0.2},
            "report": {"warnings": []},
        }
        uses = [dataset_id, *([anchor_set_id] if anchor_set_id else [])]
        return self._add(
            Labeling, row | values, uses=uses, files={"labels.parquet": _labels(n_items, soft=soft)}
        )

    def model(self, weights: bytes | None = None, **values: Any) -> str:
        row = {
            "name": "source",
            "role": "source",
            "revision": 1,
            "arch": "resnet-tiny",
            "image_size": 32,
            "channels": 3,
            "dim": 256,
            "n_outputs": 2,
            "parameters": 10,
            "third_party_weights": False,
            "metrics": {},
        }
        name = new_id("mdl")  # a revision of its own
        files = {
            "config.json": b"{}",
            "model.safetensors": np.random.default_rng(0).bytes(10_000) if weights is None else weights,
            "README.md": b"---\nlicense: apache-2.0\n---\n# A model\n",
            "provenance.json": json.dumps({"name": name}).encode(),
        }
        uses = [
            value for key in ("dataset_id", "labeling_id", "parent_model_id") if (value := values.get(key))
        ]
        return self._add(Model, row | {"name": name} | values, uses=uses, files=files)

    def transfer(self, dataset_id: str, model_id: str | None, **values: Any) -> str:
        base = self.model(role="base", dataset_id=dataset_id, parent_model_id=model_id)
        row = {
            "dataset_id": dataset_id,
            "model_id": model_id,
            "base_model_id": base,
            "arch": "resnet-tiny",
            "label_budget": 10,
            "epochs": 3,
            "seed": 0,
            "accuracy": ACCURACY,
            "balanced_accuracy": 0.5,
            "macro_f1": 0.5,
            "per_class": [],
            "confusion": [[1, 0], [0, 1]],
            "learning_curve": [],
            "seconds": 1.0,
            "images_per_second": 1.0,
            "learning_rate": 0.001,
        }
        return self._add(Transfer, row | values, uses=[dataset_id, base, *([model_id] if model_id else [])])

    def forecast(self, dataset_id: str, model_id: str, **values: Any) -> str:
        expected = {"value": None, "low": 0.0, "high": 1.0, "level": 0.9}
        source = {"model_id": model_id, "divergence": None, "expected_accuracy": expected, "rank": 1}
        row = {
            "dataset_id": dataset_id,
            "sources": [source],
            "n_past_transfers": 0,
            "n_past_targets": 0,
            "calibrated": False,
        }
        return self._add(Forecast, row | values, uses=[dataset_id, model_id])

    def _add(
        self,
        table: type[Resource],
        values: dict[str, Any],
        *,
        uses: Any = (),
        files: dict[str, bytes] | None = None,
    ) -> str:
        prefix: Any = next(prefix for prefix, known in RESOURCE_TABLES.items() if known is table)
        id_ = new_id(prefix)
        common: dict[str, Any] = {"id": id_, "name": "made", "job_id": "job_made", "spec": {}}
        with transaction() as session:
            if "artifact" in table.__mapper__.columns and "artifact" not in values:  # type: ignore[attr-defined]
                values["artifact"] = record(session, self.publish(files or {"nothing": b""}))
            session.add(table(**(common | values)))
            session.flush()
            needs.take(session, id_, uses)
        return id_

    def publish(self, files: dict[str, bytes]) -> Any:
        with self.store.staging("job_made", 1) as staging:
            folder = staging / "artifact"
            for name, content in files.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            return self.store.publish(folder)


def _labels(n_items: int, *, soft: bool) -> bytes:
    index = range(n_items)
    columns: dict[str, Any] = {
        "item_id": pa.array(index, pa.int64()),
        "path": [f'images/{i}, the "{i}th".jpg' for i in index],
        "label": ["b-c" if i % 2 else "a-b" for i in index],
        "class_id": pa.array([i % 2 for i in index], pa.int32()),
        "anchors": [["b", "c"] if i % 2 else ["a", "b"] for i in index],
        "full": [["b", "c", "a"] if i % 2 else ["a", "b", "c"] for i in index],
        "log_content": pa.array([None if i % 3 == 0 else -i / 7 for i in index], pa.float64()),
        "margin": pa.array([i / n_items for i in index], pa.float64()),
    }
    if soft:
        columns["soft"] = pa.array([[0.5, 0.5, 0.5, 0.5]] * n_items, pa.list_(pa.float32()))
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, row_group_size=max(1, n_items // 3))
    return file.getvalue()


def filled(value: Any, ids: Mapping[str, str]) -> Any:
    """A body with ids in place of `$name`."""
    if isinstance(value, str) and value.startswith("$"):
        return ids[value[1:]]
    if isinstance(value, dict):
        return {name: filled(entry, ids) for name, entry in value.items()}
    return [filled(entry, ids) for entry in value] if isinstance(value, list) else value
