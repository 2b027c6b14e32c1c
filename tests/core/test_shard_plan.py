"""A job waits for shards without a worker, goes on when the last is there, and ends with one that fails."""

import pytest
from sqlalchemy import func, select

from core.db.jobs import Job, Outbox
from core.db.resources import Embedder, ResponsesShard
from core.db.session import transaction
from core.errors import LeaseLostError
from core.ids import new_id
from core.jobs import interruptions, plans, shard_plan, transitions
from core.jobs.transitions import Claim
from core.specs.pipelines import PipelineSpec
from core.specs.responses import ResponsesSpec
from tests.fixtures.rows import ARTIFACT, add, add_dataset

pytestmark = pytest.mark.usefixtures("database")
IMAGES = 600


class Waiting:
    """A stage of a pipeline that has asked for the shards of a pool."""

    def __init__(self) -> None:
        with transaction() as session:
            self.pool = add_dataset(session, n_items=IMAGES)
            row = Embedder(id=new_id("emb"), job_id="job_x", spec={}, kind="patch-kmeans", dim=4, channels=3)
            row.artifact = ARTIFACT
            self.embedder = add(session, row)
            pipeline = transitions.submit(session, "pipeline", PipelineSpec(dataset_id=self.pool))
            plans.begin(session, pipeline)
            self.pipeline_id = pipeline.id
            self.id = session.scalars(select(Job.id).where(Job.parent_id == pipeline.id)).one()
        self.held = claim(self.id)
        self.ask()

    @property
    def shards(self) -> list[ResponsesSpec]:
        return shard_plan.cut(self.pool, self.embedder, first=0, stop=IMAGES, size=256)

    def ask(self) -> None:
        with transaction() as session:
            shard_plan.ask(session, self.held, self.shards)

    def children(self) -> list[Job]:
        with transaction() as session:
            return list(session.scalars(select(Job).where(Job.parent_id == self.id).order_by(Job.id)))

    def states(self) -> list[str]:
        return [child.state for child in self.children()]


def row(job_id: str) -> Job:
    with transaction() as session:
        return session.get_one(Job, job_id)


def claim(job_id: str) -> Claim:
    with transaction() as session:
        held = transitions.claim(session, job_id, "worker", 30)
    assert held is not None
    return held


def succeed(child: Job) -> None:
    held, spec = claim(child.id), ResponsesSpec.model_validate(child.spec)
    with transaction() as session:
        transitions.succeed(session, held, None)
        session.add(
            ResponsesShard(
                dataset_id=spec.dataset_id,
                embedder_id=spec.embedder,
                first=spec.first,
                count=spec.count,
                artifact=ARTIFACT,
                job_id=child.parent_id,
            )
        )
        session.flush()
        plans.advance(session, child.id)


def fail(child: Job) -> None:
    held = claim(child.id)
    with transaction() as session:
        transitions.fail(session, held, {"code": "storage-full", "title": "t", "detail": "no room"})
        plans.advance(session, child.id)


def test_shards_begin_where_batches_of_the_whole_begin() -> None:
    cut = shard_plan.cut("ds_1", "emb_1", first=100, stop=700, size=256)
    assert [(shard.first, shard.count) for shard in cut] == [(100, 256), (356, 256), (612, 88)]
    many = shard_plan.cut("ds_1", "emb_1", first=0, stop=10_000_000, size=256)
    assert len(many) <= shard_plan.MOST_SHARDS
    assert {shard.first % shard_plan.BATCH for shard in many} == {0}
    assert sum(shard.count for shard in many) == 10_000_000


def test_a_job_that_waits_has_no_worker_and_the_last_shard_queues_it() -> None:
    waiting = Waiting()
    job = row(waiting.id)
    assert (job.state, job.owner, job.stage, job.progress_done, job.progress_total) == (
        "running",
        None,
        "embedding",
        0,
        IMAGES,
    )
    with pytest.raises(LeaseLostError), transaction() as session:
        interruptions.crash(session, waiting.held, "its process has ended", 3)
    for number, child in enumerate(waiting.children(), 1):
        assert row(waiting.id).state == "running"
        succeed(child)
        assert row(waiting.id).progress_done == min(number * 256, 512)
    with transaction() as session:
        assert session.scalar(select(func.count()).where(Outbox.job_id == waiting.id))
    assert row(waiting.id).state == "queued"
    assert row(waiting.pipeline_id).state == "running"
    assert claim(waiting.id).attempt == 2
    with transaction() as session:
        assert 0 < shard_plan.seconds_waited(session, waiting.id) < 60


def test_a_shard_that_fails_ends_all_and_a_retry_makes_what_is_missing() -> None:
    waiting = Waiting()
    first, second, third = waiting.children()
    succeed(first)
    fail(second)
    assert waiting.states() == ["succeeded", "failed", "cancelled"]
    job = row(waiting.id)
    assert (job.state, (job.error or {})["code"]) == ("failed", "stage-failed")
    assert "no room" in str((job.error or {})["detail"])
    assert row(waiting.pipeline_id).state == "failed"
    with transaction() as session:
        plans.retry(session, waiting.pipeline_id)
    waiting.held = claim(waiting.id)
    waiting.ask()
    assert waiting.states() == ["succeeded", "queued", "queued"]
    assert row(waiting.id).progress_done == 256
    for child in (second, third):
        succeed(row(child.id))
    assert row(waiting.id).state == "queued"


def test_a_shard_that_is_retried_brings_back_all_that_wait_for_it() -> None:
    waiting = Waiting()
    fail(waiting.children()[0])
    with transaction() as session:
        plans.retry(session, waiting.children()[0].id)
    assert (row(waiting.id).state, row(waiting.pipeline_id).state) == ("queued", "running")


def test_cancelling_ends_a_job_that_waits_at_once_and_its_shards() -> None:
    waiting = Waiting()
    running = claim(waiting.children()[0].id)
    with transaction() as session:
        plans.cancel(session, waiting.pipeline_id)
    assert (row(waiting.pipeline_id).state, row(waiting.id).state) == ("cancelled", "cancelled")
    assert waiting.states() == ["running", "cancelled", "cancelled"]  # the first when its worker hears of it
    with transaction() as session:
        assert interruptions.stop(session, running) == "cancelled"
        plans.advance(session, running.job_id)
    assert waiting.states() == ["cancelled"] * 3


def test_a_job_that_is_cancelled_as_it_asks_does_not_wait() -> None:
    waiting = Waiting()
    for child in waiting.children():
        succeed(child)
    waiting.held = claim(waiting.id)
    with transaction() as session:
        plans.cancel(session, waiting.id)
        shard_plan.ask(session, waiting.held, waiting.shards)
        plans.advance(session, waiting.id)
    assert (row(waiting.id).state, row(waiting.pipeline_id).state) == ("cancelled", "cancelled")
