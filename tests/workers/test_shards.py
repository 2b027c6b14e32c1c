"""Responses of many images are computed by all workers, and are those that one would have computed."""

import os
from collections.abc import Iterator

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core.db.jobs import Job
from core.db.resources import AnchorSet, Artifact, Dataset, Embedder, Labeling, Responses, ResponsesShard
from core.db.session import transaction
from core.jobs import outbox, plans
from core.queue import send
from core.specs.anchor_sets import AnchorSetSpec
from core.specs.datasets import DatasetSpec
from core.specs.labelings import GeometryLabelingSpec
from tests.fixtures.environment import environment
from tests.workers.archives import folders, submit_dataset, upload, zipped
from tests.workers.service import Service, WorkerProcess

IMAGES, SHARD = 700, 256


@pytest.fixture(scope="module")
def pool(service: Service) -> str:
    worker = service.worker()
    members = {path.replace("/", "-"): data for path, data in folders(7, IMAGES // 7).items()}
    made = service.succeeded(submit_dataset(service, members))
    worker.stop()
    return made


@pytest.fixture(scope="module")
def alone(service: Service, pool: str) -> tuple[str, ...]:
    """What one worker makes of the pool in one piece; forgotten then."""
    worker = service.worker()
    made = digests(service, service.succeeded(discover(service, pool)))
    worker.stop()
    forget()
    return made


@pytest.fixture
def in_shards() -> Iterator[None]:
    with environment(G2L_SHARD_IMAGES=str(SHARD)):
        yield


def discover(service: Service, pool: str) -> str:
    return service.submit(
        "anchor-set", AnchorSetSpec.model_validate({"discover": {"dataset_id": pool, "k": 5}})
    )


def digests(service: Service, anchor_set_id: str) -> tuple[str, ...]:
    """The digests of the files of embedder, responses, anchors, and of the labels that they give the pool."""
    anchors = service.row(AnchorSet, anchor_set_id)
    pool = anchors.spec["discover"]["dataset_id"]
    spec = GeometryLabelingSpec(dataset_id=pool, anchor_set_id=anchor_set_id, length=2)
    labeling = service.row(Labeling, service.succeeded(service.submit("labeling", spec)))
    with transaction() as session:
        responses = session.get_one(Responses, (pool, anchors.embedder_id))
    embedder = service.row(Embedder, anchors.embedder_id)
    return tuple(row.artifact for row in (embedder, responses, anchors, labeling))


def forget() -> None:
    """As if nothing had been embedded: the next job fits and embeds anew."""
    with transaction() as session:
        session.execute(delete(Responses))
        session.execute(update(Embedder).values(spec={}))


def shards_of(job_id: str) -> list[Job]:
    with transaction() as session:
        return list(session.scalars(select(Job).where(Job.parent_id == job_id).order_by(Job.id)))


def waits(job: Job) -> bool:
    return job.state == "running" and job.owner is None


@pytest.mark.usefixtures("in_shards")
def test_two_workers_one_of_which_is_killed_make_the_same_bytes(
    service: Service, pool: str, alone: tuple[str, ...]
) -> None:
    first = service.worker()
    job_id = discover(service, pool)
    service.wait(job_id, waits)
    service.wait(shards_of(job_id)[0].id, lambda job: job.state == "running")
    first.kill()
    service.worker()
    second = service.worker()
    assert digests(service, service.succeeded(job_id)) == alone
    shards = shards_of(job_id)
    assert [shard.spec["count"] for shard in shards] == [256, 256, 188]
    assert {shard.state for shard in shards} == {"succeeded"}
    assert service.count(ResponsesShard) == 0  # they are put together
    assert service.count(Embedder) == 2  # that of `alone`, and one of this job's two attempts
