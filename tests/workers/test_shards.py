"""Responses of many images are computed by all workers, and are those that one would have computed."""

from collections.abc import Iterator

import numpy as np
import pytest
from sqlalchemy import delete, select, update

from core.db.jobs import Job
from core.db.resources import AnchorSet, Embedder, Labeling, Responses, ResponsesShard
from core.db.session import transaction
from core.jobs import plans
from core.specs.anchor_sets import AnchorSetSpec
from core.specs.datasets import DatasetSpec
from core.specs.labelings import GeometryLabelingSpec
from tests.fixtures.environment import environment
from tests.workers.archives import folders, submit_dataset, upload, zipped
from tests.workers.service import Service


@pytest.fixture(scope="module")
def whole(service: Service) -> tuple[str, tuple[str, ...]]:
    """A pool, and what one worker makes of it in one piece."""
    worker = service.worker()
    members = {path.replace("/", "-"): data for path, data in folders(7, 100).items()}
    pool = service.succeeded(submit_dataset(service, members))
    made = digests(service, service.succeeded(discover(service, pool)))
    worker.stop()
    return pool, made


@pytest.fixture(scope="module")
def pool(whole: tuple[str, tuple[str, ...]]) -> str:
    return whole[0]


@pytest.fixture(scope="module")
def alone(whole: tuple[str, tuple[str, ...]]) -> tuple[str, ...]:
    return whole[1]


@pytest.fixture(autouse=True)
def _small_shards(alone: tuple[str, ...]) -> Iterator[None]:
    """Workers that start now embed as if nothing had been, and in shards."""
    with transaction() as session:
        session.execute(delete(Responses))
        session.execute(update(Embedder).values(spec={}))
    with environment(G2L_SHARD_IMAGES="256"):
        yield


def discover(service: Service, pool: str) -> str:
    spec = {"discover": {"dataset_id": pool, "k": 5}}
    return service.submit("anchor-set", AnchorSetSpec.model_validate(spec))


def label(service: Service, dataset_id: str, anchor_set_id: str) -> str:
    spec = GeometryLabelingSpec(dataset_id=dataset_id, anchor_set_id=anchor_set_id, length=2)
    return service.submit("labeling", spec)


def digests(service: Service, anchor_set_id: str) -> tuple[str, ...]:
    """Of the files of embedder, responses and anchors, and of the labels that they give the pool."""
    anchors = service.row(AnchorSet, anchor_set_id)
    pool = anchors.spec["discover"]["dataset_id"]
    labeling = service.row(Labeling, service.succeeded(label(service, pool, anchor_set_id)))
    responses = service.row(Responses, (pool, anchors.embedder_id))
    embedder = service.row(Embedder, anchors.embedder_id)
    return tuple(row.artifact for row in (embedder, responses, anchors, labeling))


def shards_of(job_id: str) -> list[Job]:
    with transaction() as session:
        return list(session.scalars(select(Job).where(Job.parent_id == job_id).order_by(Job.id)))


def waits(job: Job) -> bool:
    return job.state == "running" and job.owner is None


def test_two_workers_of_which_one_is_killed_make_the_same_bytes(
    service: Service, pool: str, alone: tuple[str, ...]
) -> None:
    killed = service.worker()
    job_id = discover(service, pool)
    service.wait(job_id, waits)
    service.wait(shards_of(job_id)[0].id, lambda job: job.state == "running")
    killed.kill()
    for _ in range(2):
        service.worker()
    assert digests(service, service.succeeded(job_id)) == alone
    shards = shards_of(job_id)
    assert [shard.spec["count"] for shard in shards] == [256, 256, 188]
    assert {shard.state for shard in shards} == {"succeeded"}
    assert service.count(ResponsesShard) == 0  # they are put together


def test_of_two_jobs_that_need_the_same_one_is_cancelled_and_later_goes_on(
    service: Service, pool: str, alone: tuple[str, ...]
) -> None:
    first, second = discover(service, pool), discover(service, pool)
    service.wait(first, waits)
    with transaction() as session:
        plans.cancel(session, first)
    assert service.job(first).state == "cancelled"
    assert digests(service, service.succeeded(second)) == alone
    for shard in shards_of(first):
        assert service.wait(shard.id).state in {"cancelled", "succeeded"}
    with transaction() as session:
        plans.retry(session, first)
    assert digests(service, service.succeeded(first)) == alone
    service.until(lambda: service.half_made() == [])


def test_of_a_later_version_only_the_new_images_are_embedded(service: Service, pool: str) -> None:
    anchor_set_id = service.succeeded(discover(service, pool))
    new = {path.replace("/", "-"): data for path, data in folders(3, 100, first=5000).items()}
    spec = DatasetSpec(name="grown", uploads=[upload(service, zipped(new))], extends=pool)
    grown = service.succeeded(service.submit("dataset", spec))
    job_id = label(service, grown, anchor_set_id)
    service.succeeded(job_id)
    assert [(job.spec["first"], job.spec["count"]) for job in shards_of(job_id)] == [(700, 256), (956, 44)]
    embedder_id = service.row(AnchorSet, anchor_set_id).embedder_id
    before, after = (
        np.load(service.store.path(service.row(Responses, (id_, embedder_id)).artifact) / "responses.npy")
        for id_ in (pool, grown)
    )
    np.testing.assert_array_equal(after[:700], before)
    assert after[700:].any(axis=1).all()
