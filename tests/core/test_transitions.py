"""Each change of a job's state, and what an attempt may no longer write."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from core.db.jobs import Job, JobEvent, Outbox
from core.db.resources import Use
from core.db.session import transaction
from core.errors import InvalidRequestError, JobFinishedError, LeaseLostError, NotFoundError
from core.jobs import interruptions, plans, transitions
from core.jobs.transitions import Claim, Progress
from core.specs.datasets import DatasetSpec
from core.specs.forecasts import ForecastSpec
from core.specs.transfers import TransferSpec
from tests.fixtures.rows import add_dataset

pytestmark = pytest.mark.usefixtures("database")
LEASE = 30.0


def submitted() -> str:
    with transaction() as session:
        return transitions.submit(session, "dataset", DatasetSpec(name="pool", uri="file:///pool")).id


def claimed(job_id: str | None = None) -> Claim:
    with transaction() as session:
        held = transitions.claim(session, job_id or submitted(), "worker", LEASE)
    assert held is not None
    return held


def row(job_id: str) -> Job:
    with transaction() as session:
        return session.get_one(Job, job_id)


def rows(statement: Any) -> list[Any]:
    with transaction() as session:
        return list(session.scalars(statement))


def set_values(job_id: str, **values: Any) -> None:
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job_id).values(**values))


def lapse(job_id: str) -> None:
    set_values(job_id, lease_expires_at=text("now() - interval '1 second'"))


def promised(job_id: str) -> int:
    return len(rows(select(Outbox.id).where(Outbox.job_id == job_id)))


def test_a_submitted_job_waits_and_its_message_is_promised() -> None:
    job = row(submitted())
    assert (job.state, job.queue, job.attempt, job.version) == ("queued", "cpu", 0, 1)
    assert promised(job.id) == 1


def test_a_submission_that_fails_leaves_no_trace() -> None:
    def interrupted() -> None:
        with transaction() as session:
            transitions.submit(session, "dataset", DatasetSpec(name="pool", uri="file:///never"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        interrupted()
    assert rows(select(Job.id).where(Job.spec["uri"].astext == "file:///never")) == []


def test_of_many_workers_one_gets_the_job() -> None:
    job_id = submitted()

    def claim(owner: str) -> Claim | None:
        with transaction() as session:
            return transitions.claim(session, job_id, owner, LEASE)

    with ThreadPoolExecutor(8) as pool:
        claims = [held for held in pool.map(claim, "abcdefgh") if held is not None]
    assert claims == [Claim(job_id, "dataset", 1)]
    assert row(job_id).attempt == 1


def test_what_is_over_or_unknown_cannot_be_claimed() -> None:
    held = claimed()
    with transaction() as session:
        transitions.fail(session, held, {"code": "x"})
    with transaction() as session:
        assert transitions.claim(session, held.job_id, "worker", LEASE) is None
        assert transitions.claim(session, "job_unknown", "worker", LEASE) is None


def test_a_beat_renews_the_lease_and_brings_the_wish_to_stop() -> None:
    held = claimed()
    before = row(held.job_id).lease_expires_at
    with transaction() as session:
        assert transitions.beat(session, held, LEASE, 60) is False
    after = row(held.job_id).lease_expires_at
    assert before is not None
    assert after is not None
    assert after > before
    with transaction() as session:
        transitions.request_cancel(session, held.job_id)
    with transaction() as session:
        assert transitions.beat(session, held, LEASE, 60) is True


def test_a_job_without_progress_loses_its_lease() -> None:
    held = claimed()
    set_values(held.job_id, progressed_at=text("now() - interval '1 hour'"))
    with pytest.raises(LeaseLostError), transaction() as session:
        transitions.beat(session, held, LEASE, 60)
    with transaction() as session:
        transitions.report(session, held, Progress("reading", 1, 2, "bytes"))
        transitions.beat(session, held, LEASE, 60)


def test_a_stage_is_an_event_and_progress_within_it_is_not() -> None:
    held = claimed()
    version = row(held.job_id).version
    for done in (0, 1, 2):
        with transaction() as session:
            transitions.report(session, held, Progress("reading", done, 2, "bytes"))
    job = row(held.job_id)
    assert (job.stage, job.progress_done, job.progress_total, job.progress_unit) == ("reading", 2, 2, "bytes")
    assert job.version == version + 1
    events = rows(select(JobEvent).where(JobEvent.job_id == job.id).order_by(JobEvent.seq))
    assert [(e.seq, e.type) for e in events] == [(1, "state"), (2, "state"), (3, "stage")]


WRITES: dict[str, Callable[[Session, Claim], object]] = {
    "beat": lambda session, held: transitions.beat(session, held, LEASE, 60),
    "report": lambda session, held: transitions.report(session, held, Progress("late")),
    "note": lambda session, held: transitions.note(session, held, {"loss": 1.0}),
    "succeed": lambda session, held: transitions.succeed(session, held, {"kind": "dataset"}),
    "fail": lambda session, held: transitions.fail(session, held, {"code": "late"}),
    "stop": interruptions.stop,
    "wait": interruptions.wait,
    "crash": lambda session, held: interruptions.crash(session, held, "late", 3),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
def test_an_attempt_that_lost_its_lease_writes_nothing(write: Callable[[Session, Claim], object]) -> None:
    first = claimed()
    lapse(first.job_id)
    with transaction() as session:
        interruptions.expire(session, first.job_id, 3)
    second = claimed(first.job_id)
    assert second.attempt == 2
    before = row(first.job_id)
    with pytest.raises(LeaseLostError), transaction() as session:
        write(session, first)
    after = row(first.job_id)
    assert (after.version, after.event_seq, after.state, after.attempt) == (
        before.version,
        before.event_seq,
        "running",
        2,
    )


@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
def test_an_attempt_writes_nothing_once_its_job_waits(write: Callable[[Session, Claim], object]) -> None:
    held = claimed()
    with transaction() as session:
        assert interruptions.wait(session, held) == "running"
    with pytest.raises(LeaseLostError), transaction() as session:
        write(session, held)


@pytest.mark.parametrize("write", WRITES.values(), ids=list(WRITES))
def test_an_attempt_writes_nothing_once_its_job_is_over(write: Callable[[Session, Claim], object]) -> None:
    held = claimed()
    with transaction() as session:
        transitions.succeed(session, held, {"kind": "dataset", "id": "ds_1", "href": "/v1/datasets/ds_1"})
    with pytest.raises(LeaseLostError), transaction() as session:
        write(session, held)
    assert row(held.job_id).result == {"kind": "dataset", "id": "ds_1", "href": "/v1/datasets/ds_1"}


def test_only_lapsed_leases_expire() -> None:
    held = claimed()
    with transaction() as session:
        assert held.job_id not in interruptions.lapsed(session)
        assert interruptions.expire(session, held.job_id, 3) == "running"
    lapse(held.job_id)
    with transaction() as session:
        assert held.job_id in interruptions.lapsed(session)
        assert interruptions.expire(session, held.job_id, 3) == "queued"
    assert row(held.job_id).crashes == 1
    assert promised(held.job_id) == 2  # the first was never sent in this test


def test_a_job_that_kills_its_worker_fails_at_the_bound() -> None:
    job_id = submitted()
    states = []
    for _ in range(3):
        held = claimed(job_id)
        with transaction() as session:
            states.append(interruptions.crash(session, held, "its process was killed", 3))
    assert states == ["queued", "queued", "failed"]
    job = row(job_id)
    assert job.error is not None
    assert job.error["code"] == "worker-lost"
    assert "3 times" in str(job.error["detail"])
    assert "its process was killed" in str(job.error["detail"])


def test_a_worker_that_leaves_costs_the_job_nothing() -> None:
    held = claimed()
    with transaction() as session:
        assert interruptions.stop(session, held) == "queued"
    job = row(held.job_id)
    assert (job.state, job.crashes, job.owner, job.lease_expires_at) == ("queued", 0, None, None)


def test_cancel_of_a_queued_job_is_at_once() -> None:
    job_id = submitted()
    with transaction() as session:
        assert plans.cancel(session, job_id).state == "cancelled"
    assert promised(job_id) == 0


@pytest.mark.parametrize("ending", ["stop", "crash", "expire"])
def test_cancel_of_a_running_job_is_kept_however_it_ends(ending: str) -> None:
    held = claimed()
    with transaction() as session:
        assert plans.cancel(session, held.job_id).state == "running"
    lapse(held.job_id)
    with transaction() as session:
        if ending == "stop":
            interruptions.stop(session, held)
        elif ending == "crash":
            interruptions.crash(session, held, "it was killed", 3)
        else:
            interruptions.expire(session, held.job_id, 3)
    assert row(held.job_id).state == "cancelled"


def test_cancel_of_a_finished_job_is_refused() -> None:
    job_id = submitted()
    with transaction() as session:
        plans.cancel(session, job_id)
    with pytest.raises(JobFinishedError, match="cancelled already"), transaction() as session:
        plans.cancel(session, job_id)
    with pytest.raises(NotFoundError), transaction() as session:
        plans.cancel(session, "job_unknown")


def test_retry_starts_the_count_of_crashes_anew() -> None:
    held = claimed()
    with transaction() as session:
        interruptions.crash(session, held, "it was killed", 1)
    with transaction() as session:
        plans.retry(session, held.job_id)
    job = row(held.job_id)
    assert (job.state, job.crashes, job.error, job.finished_at) == ("queued", 0, None, None)
    assert claimed(job.id).attempt == 2  # the token only ever grows


def test_retry_is_for_what_failed_or_was_cancelled() -> None:
    with pytest.raises(JobFinishedError), transaction() as session:
        plans.retry(session, submitted())
    held = claimed()
    with transaction() as session:
        transitions.succeed(session, held, {"kind": "dataset", "id": "ds_1", "href": "x"})
    with pytest.raises(JobFinishedError, match="succeeded"), transaction() as session:
        plans.retry(session, held.job_id)


def test_an_unfinished_job_keeps_what_it_needs() -> None:
    with transaction() as session:
        dataset = add_dataset(session)
        job_id = transitions.submit(session, "transfer", TransferSpec(dataset_id=dataset)).id
    held = claimed(job_id)
    assert rows(select(Use.used_id).where(Use.user_id == job_id)) == [dataset]
    with transaction() as session:
        transitions.fail(session, held, {"code": "x"})
    assert rows(select(Use.used_id).where(Use.user_id == job_id)) == []
    with transaction() as session:
        plans.retry(session, job_id)
    assert rows(select(Use.used_id).where(Use.user_id == job_id)) == [dataset]


def test_a_job_whose_input_is_gone_is_neither_submitted_nor_retried() -> None:
    with pytest.raises(InvalidRequestError, match="ds_gone"), transaction() as session:
        transitions.submit(session, "forecast", ForecastSpec(dataset_id="ds_gone", model_ids=["mdl_gone"]))
    with transaction() as session:
        dataset = add_dataset(session)
        job_id = transitions.submit(session, "transfer", TransferSpec(dataset_id=dataset)).id
        plans.cancel(session, job_id)
        session.execute(text("DELETE FROM datasets WHERE id = :id"), {"id": dataset})
    with pytest.raises(InvalidRequestError, match=dataset), transaction() as session:
        plans.retry(session, job_id)
    assert row(job_id).state == "cancelled"


def test_events_of_concurrent_writers_have_no_gap() -> None:
    held = claimed()

    def write(loss: float) -> None:
        with transaction() as session:
            transitions.note(session, held, {"loss": loss})

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(write, range(30)))
    numbers = rows(select(JobEvent.seq).where(JobEvent.job_id == held.job_id).order_by(JobEvent.seq))
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) == 32
