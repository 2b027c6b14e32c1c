"""A job's life in any order: two workers, a reconciler and users against a model of what must hold.

The long run takes 100,000 steps; a failure prints the shortest sequence that shows it, and its seed.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.db.jobs import Job, JobEvent, Outbox
from core.db.session import transaction
from core.errors import JobFinishedError, LeaseLostError
from core.jobs import interruptions, outbox, plans, transitions
from core.jobs.states import FINISHED, RETRYABLE
from core.jobs.transitions import Claim, Progress
from core.specs.datasets import DatasetSpec
from tests.chaos.conftest import Tell
from tests.fixtures.environment import environment
from tests.fixtures.lengths import by_length

LEASE, STALL, MAX_CRASHES, MAX_JOBS = 30.0, 120.0, 3, 2
STEPS = 50
EXAMPLES = by_length(1_000, 100_000) // STEPS
# All that an attempt may write of its job.
WRITES: list[Callable[[Session, Claim], object]] = [
    lambda session, held: transitions.beat(session, held, LEASE, STALL),
    lambda session, held: transitions.report(session, held, Progress("training", 1, 9)),
    lambda session, held: transitions.note(session, held, {"loss": 0.5}),
    lambda session, held: transitions.succeed(session, held, {"kind": "dataset", "id": "ds_x", "href": "/"}),
    lambda session, held: transitions.fail(session, held, {"code": "no-images"}),
    interruptions.stop,
    lambda session, held: interruptions.crash(session, held, "it died", MAX_CRASHES),
]


@dataclass
class Known:
    """What must be true of a job."""

    state: str = "queued"
    attempt: int = 0
    crashes: int = 0
    cancelling: bool = False
    lease: float = 0.0  # seconds left
    quiet: float = 0.0  # seconds since it showed progress
    events: list[str] = field(default_factory=lambda: ["queued"])

    def holds(self, claim: Claim) -> bool:
        return self.state == "running" and self.attempt == claim.attempt

    def become(self, state: str) -> None:
        self.state = state
        self.events.append(state)


class JobLife(RuleBasedStateMachine):
    """Every transition, by whoever may try it, whenever."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, Known] = {}
        self.claims: list[Claim] = []
        self.sent: list[str] = []

    @precondition(lambda self: len(self.known) < MAX_JOBS)
    @rule()
    def submit(self) -> None:
        with transaction() as session:
            job = transitions.submit(session, "dataset", DatasetSpec(name="pool", uri="file:///pool"))
        self.known[job.id] = Known()

    @precondition(lambda self: self.known)
    @rule(data=st.data(), worker=st.sampled_from(["one", "two"]))
    def claim(self, data: st.DataObject, worker: str) -> None:
        job_id, known = self._job(data)
        with transaction() as session:
            held = transitions.claim(session, job_id, worker, LEASE)
        assert (held is not None) == (known.state == "queued")
        if held is not None:
            self._claimed(known, held)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def beat(self, data: st.DataObject) -> None:
        held, known = self._claim(data)
        lost = not known.holds(held) or known.quiet >= STALL
        with _expecting(LeaseLostError if lost else None), transaction() as session:
            assert transitions.beat(session, held, LEASE, STALL) == known.cancelling
            known.lease = LEASE

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), done=st.integers(0, 9))
    def report(self, data: st.DataObject, done: int) -> None:
        held, known = self._claim(data)
        with _expecting(None if known.holds(held) else LeaseLostError), transaction() as session:
            transitions.report(session, held, Progress("training", done, 9))
            known.quiet = 0.0

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), ending=st.sampled_from(["succeeded", "failed"]))
    def finish(self, data: st.DataObject, ending: str) -> None:
        held, known = self._claim(data)
        with _expecting(None if known.holds(held) else LeaseLostError), transaction() as session:
            if ending == "succeeded":
                transitions.succeed(session, held, {"kind": "dataset", "id": "ds_x", "href": "/"})
            else:
                transitions.fail(session, held, {"code": "no-images"})
            known.become(ending)

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        held, known = self._claim(data)
        with _expecting(None if known.holds(held) else LeaseLostError), transaction() as session:
            state = interruptions.stop(session, held)
            known.become("cancelled" if known.cancelling else "queued")
            assert state == known.state

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def crash(self, data: st.DataObject) -> None:
        held, known = self._claim(data)
        with _expecting(None if known.holds(held) else LeaseLostError), transaction() as session:
            state = interruptions.crash(session, held, "it died", MAX_CRASHES)
            self._crashed(known)
            assert state == known.state

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def expire(self, data: st.DataObject) -> None:
        job_id, known = self._job(data)
        with transaction() as session:
            state = interruptions.expire(session, job_id, MAX_CRASHES)
        if known.state == "running" and known.lease < 0:
            self._crashed(known)
        assert state == known.state

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        job_id, known = self._job(data)
        with _expecting(JobFinishedError if known.state in FINISHED else None), transaction() as session:
            plans.cancel(session, job_id)
            if known.state == "queued":
                known.become("cancelled")
            else:
                known.cancelling = True
                known.events.append("running")

    @precondition(lambda self: self.known)
    @rule(data=st.data())
    def retry(self, data: st.DataObject) -> None:
        job_id, known = self._job(data)
        with _expecting(None if known.state in RETRYABLE else JobFinishedError), transaction() as session:
            plans.retry(session, job_id)
            known.crashes, known.cancelling = 0, False
            known.become("queued")

    @precondition(lambda self: self.known)
    @rule(seconds=st.sampled_from([-3600.0, -20.0, 1.0, 20.0, 60.0, 3600.0]))
    def clock_jumps(self, seconds: float) -> None:
        """All that was written lies further back; only the database's clock counts."""
        with transaction() as session:
            session.execute(
                update(Job)
                .where(Job.id.in_(self.known))
                .values(
                    lease_expires_at=Job.lease_expires_at - timedelta(seconds=seconds),
                    progressed_at=Job.progressed_at - timedelta(seconds=seconds),
                )
            )
        for known in self.known.values():
            known.lease -= seconds
            known.quiet += seconds

    @precondition(lambda self: any(known.state == "running" for known in self.known.values()))
    @rule()
    def freeze_and_take_over(self) -> None:
        """The worker is silent past its lease, another takes the job: the first one's claim is stale."""
        job_id, known = next((id_, known) for id_, known in self.known.items() if known.state == "running")
        self.clock_jumps(LEASE + max(known.lease, 0.0))
        with transaction() as session:
            interruptions.expire(session, job_id, MAX_CRASHES)
            self._crashed(known)
        if known.state == "queued":
            with transaction() as session:
                held = transitions.claim(session, job_id, "two", LEASE)
            assert held is not None
            self._claimed(known, held)
        for stale in (claim for claim in self.claims if claim.job_id == job_id and not known.holds(claim)):
            for write in WRITES:
                with pytest.raises(LeaseLostError), transaction() as session:
                    write(session, stale)

    @rule()
    def send(self) -> None:
        outbox.flush(lambda _, job_id: self.sent.append(job_id))

    @invariant()
    def rows_are_as_the_model_says(self) -> None:
        with transaction() as session:
            jobs = {job.id: job for job in session.scalars(select(Job).where(Job.id.in_(self.known)))}
            promised = set(session.scalars(select(Outbox.job_id)))
            events = session.execute(
                select(JobEvent.job_id, JobEvent.seq, JobEvent.data["state"].astext)
                .where(JobEvent.job_id.in_(self.known), JobEvent.type == "state")
                .order_by(JobEvent.job_id, JobEvent.seq)
            ).all()
            numbers = session.execute(
                select(JobEvent.job_id, func.count(), func.max(JobEvent.seq))
                .where(JobEvent.job_id.in_(self.known))
                .group_by(JobEvent.job_id)
            ).all()
        assert len(jobs) == len(self.known)
        assert all(count == last for _, count, last in numbers)  # no gap, no number twice
        for job_id, known in self.known.items():
            job = jobs[job_id]
            assert (job.state, job.attempt, job.crashes) == (known.state, known.attempt, known.crashes)
            assert job.cancel_requested == known.cancelling
            assert (job.owner is not None) == (job.lease_expires_at is not None) == (job.state == "running")
            assert (job.finished_at is not None) == (job.state in FINISHED)
            assert (job.result is not None) == (job.state == "succeeded")
            assert (job.error is not None) == (job.state == "failed")
            assert job_id not in promised or job.state not in FINISHED
            assert job.state != "queued" or job_id in promised or job_id in self.sent
            assert [state for id_, _, state in events if id_ == job_id] == known.events

    def _claimed(self, known: Known, held: Claim) -> None:
        known.attempt, known.lease, known.quiet = known.attempt + 1, LEASE, 0.0
        known.become("running")
        assert held.attempt == known.attempt
        self.claims.append(held)

    def _crashed(self, known: Known) -> None:
        if known.cancelling:
            known.become("cancelled")
        elif known.crashes + 1 >= MAX_CRASHES:
            known.become("failed")
        else:
            known.crashes += 1
            known.become("queued")

    def _job(self, data: st.DataObject) -> tuple[str, Known]:
        job_id = data.draw(st.sampled_from(sorted(self.known)))
        return job_id, self.known[job_id]

    def _claim(self, data: st.DataObject) -> tuple[Claim, Known]:
        held = data.draw(st.sampled_from(self.claims))
        return held, self.known[held.job_id]


def _expecting(error: type[Exception] | None) -> AbstractContextManager[Any]:
    return nullcontext() if error is None else pytest.raises(error)


@pytest.fixture(scope="module", autouse=True)
def database(database_url: str) -> Iterator[None]:
    with environment(G2L_DATABASE_URL=database_url):
        yield


@pytest.mark.chaos
@pytest.mark.timeout(3600)
def test_no_order_of_events_leads_to_an_illegal_state(tell: Tell) -> None:
    run_state_machine_as_test(
        JobLife,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    tell("any order of events, clock steps among them", f"{EXAMPLES * STEPS:,} steps; no illegal state")
