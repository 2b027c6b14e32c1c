"""Thirteen bands of 16 bits through the whole main job, by a real worker."""

import io

import numpy as np
import pytest
import tifffile
from safetensors import safe_open

from core.db.resources import Dataset, Model, Transfer
from core.specs.anchor_sets import AnchorSetSpec, DiscoverSpec
from core.specs.datasets import DatasetSpec
from core.specs.labelings import GeometryLabelingSpec
from core.specs.models import PseudoLabelModelSpec
from core.specs.transfers import TransferSpec
from tests.workers.archives import upload, zipped
from tests.workers.service import Service

BANDS = 13


@pytest.fixture(scope="module", autouse=True)
def _worker(service: Service) -> None:
    service.worker()


def tiff(seed: int, kind: int) -> bytes:
    """Stripes in every band; kinds differ in their direction."""
    rng = np.random.default_rng([seed, kind])
    y, x = np.mgrid[0:16, 0:16]
    stripes = np.sin((x if kind else y)[..., None] * (0.5 + 0.05 * np.arange(BANDS)) + rng.uniform(0, 6))
    values = 0.5 + 0.35 * stripes + rng.normal(0, 0.05, stripes.shape)
    file = io.BytesIO()
    pixels = (values.clip(0, 1) * 65_535).astype(np.uint16)
    tifffile.imwrite(file, pixels, photometric="minisblack", planarconfig="contig", compression="zlib")
    return file.getvalue()


def test_thirteen_bands_from_files_to_a_transfer(service: Service) -> None:
    members = {f"kind{kind}/{i}.tif": tiff(i, kind) for kind in range(2) for i in range(12)}
    sent = upload(service, zipped(members))
    dataset_id = service.succeeded(service.submit("dataset", DatasetSpec(name="bands", uploads=[sent])))
    dataset = service.row(Dataset, dataset_id)
    assert (dataset.n_items, dataset.channels, dataset.dtype) == (24, BANDS, "uint16")

    discover = DiscoverSpec(dataset_id=dataset_id, k=3)
    anchor_set_id = service.succeeded(service.submit("anchor-set", AnchorSetSpec(discover=discover)))
    labels = GeometryLabelingSpec(dataset_id=dataset_id, anchor_set_id=anchor_set_id, length=1)
    labeling_id = service.succeeded(service.submit("labeling", labels))
    source = PseudoLabelModelSpec(labeling_id=labeling_id, epochs=1, image_size=16, batch_size=8)
    model_id = service.succeeded(service.submit("model", source))
    spec = TransferSpec(
        dataset_id=dataset_id, model_id=model_id, label_budget=2, epochs=1, learning_rate=0.003
    )
    transfer = service.row(Transfer, service.succeeded(service.submit("transfer", spec)))
    assert transfer.accuracy["value"] is not None
    model = service.row(Model, model_id)
    assert model.channels == BANDS
    with safe_open(service.store.path(model.artifact) / "model.safetensors", "np") as weights:
        assert BANDS in {weights.get_slice(name).get_shape()[1] for name in weights.keys()  # noqa: SIM118
                         if len(weights.get_slice(name).get_shape()) == 4}  # fmt: skip
