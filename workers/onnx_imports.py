"""The import of a user's ONNX network: looked through, tried, and kept as an embedder."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from core.specs.imports import OnnxPreprocessing as Asked
from core.specs.models import ImportModelSpec
from workers import cards, provenance
from workers.active import ActiveJob
from workers.kept_models import keep_folder
from workers.products import Product

if TYPE_CHECKING:
    from g2l.nn.onnx_embedder import OnnxPreprocessing


def run(job: ActiveJob[ImportModelSpec]) -> Product:
    """Check a network and keep it."""
    from g2l.nn.onnx_embedder import import_onnx

    job.enter("checking")
    made = import_onnx(
        job.store.arrived(job.spec.upload.id, job.spec.upload.sha256),
        _preprocessing(job.spec.preprocessing or Asked()),
    )
    origin = provenance.of_import(job)

    def write(folder: Path) -> None:
        made.save(folder)
        (folder / "README.md").write_text(cards.of_onnx(job, made, origin), encoding="utf-8")
        text = json.dumps(origin, indent=2, sort_keys=True)
        (folder / "provenance.json").write_text(text + "\n", encoding="utf-8")

    kept = keep_folder(
        job,
        write,
        third_party_weights=True,
        role="embedder",
        arch="onnx",
        image_size=max(made.preprocessing.size),
        channels=made.channels,
        dim=made.dim,
        n_outputs=0,
        parameters=made.parameters,
        metrics={},
    )
    return Product(kept)


def _preprocessing(asked: Asked) -> "OnnxPreprocessing":
    from g2l.nn.onnx_embedder import OnnxPreprocessing

    return OnnxPreprocessing(
        image_size=asked.image_size,
        image_mean=None if asked.image_mean is None else tuple(asked.image_mean),
        image_std=None if asked.image_std is None else tuple(asked.image_std),
        rescale_factor=asked.rescale_factor,
    )
