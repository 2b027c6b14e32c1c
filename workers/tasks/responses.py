"""The job of a shard: some images and an embedder in, their responses out."""

from functools import partial

import numpy as np

from core.db.resources import Dataset
from core.jobs.shard_plan import STAGE
from core.specs.responses import ResponsesSpec
from g2l.data.mapped import create_npy
from workers import shards
from workers.active import ActiveJob, load
from workers.embedders import embedding_of
from workers.patience import patiently
from workers.products import Product
from workers.responses import EMBEDDED_AT_ONCE, FILE, Responder


def run(job: ActiveJob[ResponsesSpec]) -> Product:
    """Embed the images of the shard, unless another job has."""
    spec = job.spec
    if patiently(partial(shards.is_there, shard=spec)):
        return Product(None)
    dataset, responder = load(Dataset, spec.dataset_id), Responder(job, embedding_of(job, spec.embedder))
    items, on_progress = np.arange(spec.first, spec.first + spec.count), job.counting(STAGE, "images")
    with job.staging() as folder:
        (folder / "responses").mkdir()
        shape = (spec.count, responder.embedding.network.dim)
        matrix = create_npy(folder / "responses" / FILE, np.float32, shape)
        for start in range(0, spec.count, EMBEDDED_AT_ONCE):
            rows = slice(start, start + EMBEDDED_AT_ONCE)
            matrix[rows] = responder.at(dataset, items[rows])
            on_progress(min(rows.stop, spec.count), spec.count)
        matrix.flush()
        published = job.store.publish(folder / "responses")
    return Product(None, also=[partial(shards.keep, job=job, published=published)])
