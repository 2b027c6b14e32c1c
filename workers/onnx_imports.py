"""The import of a user's ONNX network: looked through, tried, and kept as an embedder."""

import json
from typing import TYPE_CHECKING

from core.db.resources import Model
from core.ids import new_id
from core.specs.imports import OnnxPreprocessing as Asked
from core.specs.models import ImportModelSpec
from workers import cards, provenance
from workers.active import ActiveJob
from workers.products import Made, Product

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
    with job.staging() as folder:
        made.save(folder / "model")
        (folder / "model" / "README.md").write_text(cards.of_onnx(job, made, origin), encoding="utf-8")
        (folder / "model" / "provenance.json").write_text(
            json.dumps(origin, indent=2, sort_keys=True) + "\n", encoding="utf-8"
        )
        published = job.store.publish(folder / "model")
    row = Model(
        id=new_id("mdl"),
        name=job.spec.name,
        job_id=job.held.job_id,
        spec=job.stored_spec,
        role="embedder",
        arch="onnx",
        image_size=max(made.preprocessing.size),
        channels=made.channels,
        dim=made.dim,
        n_outputs=0,
        parameters=made.parameters,
        third_party_weights=True,
        metrics={},
        artifact=published.digest,
    )
    return Product(Made(row, [published]))


def _preprocessing(asked: Asked) -> "OnnxPreprocessing":
    from g2l.nn.onnx_embedder import OnnxPreprocessing

    return OnnxPreprocessing(
        image_size=asked.image_size,
        image_mean=None if asked.image_mean is None else tuple(asked.image_mean),
        image_std=None if asked.image_std is None else tuple(asked.image_std),
        rescale_factor=asked.rescale_factor,
    )
