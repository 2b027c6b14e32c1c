"""A job's life in any order: two workers, a reconciler and users against a model of what must hold.

The short run takes the same steps each time, the long one 100,000 at random; a failure prints the shortest
sequence that shows it, and how to repeat it.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from core.db.jobs import Job, JobEvent, Outbox
from core.db.session import transaction
from core.errors import JobFinishedError, LeaseLostError
from core.jobs import interruptions, outbox, plans, transitions
from core.jobs.states import FINISHED, RETRYABLE, TRANSITIONS
from core.jobs.transitions import Claim, Progress
from core.specs.datasets import DatasetSpec
from tests.chaos.conftest import Tell
from tests.fixtures.environment import environment
from tests.fixtures.lengths import LONG, by_length

HOUR = 3600.0  # clocks move by hours, so that the seconds that a life takes decide nothing
LEASE, STALL, MAX_LIVING = 30 * HOUR, 120 * HOUR, 2
MAX_CRASHES = by_length(2, 3)  # a short run meets three of one job too seldom
RECENT = 4  # jobs and claims that are heard of again: of more, nearly all would be over
STEPS = 50
EXAMPLES = by_length(1_000, 100_000) // STEPS
RESULT = {"kind": "dataset", "id": "ds_x", "href": "/v1/datasets/ds_x"}
# All that an attempt may write of its job.
WRITES: list[Callable[[Session, Claim], object]] = [
    lambda session, held: transitions.beat(session, held, LEASE, STALL),
    lambda session, held: transitions.report(session, held, Progress("training", 1, 9)),
    lambda session, held: transitions.note(session, held, {"loss": 0.5}),
    lambda session, held: transitions.succeed(session, held, RESULT),
    lambda session, held: transitions.fail(session, held, {"code": "no-images"}),
    interruptions.stop,
    interruptions.wait,
    lambda session, held: interruptions.crash(session, held, "it died", MAX_CRASHES),
]


@dataclass
class Known:
    """What must be true of a job."""

    state: str = "queued"
    attempt: int = 0
    crashes: int = 0
    cancelling: bool = False
    waiting: bool = False  # for others, without a worker
    lease: float = 0.0  # seconds left, of which some pass
    quiet: float = 0.0  # seconds since it showed progress
    told: bool = False  # a message has left since it was queued last
    states: list[str] = field(default_factory=lambda: ["queued"])
    taken: list[str] = field(default_factory=list)  # transitions

    def holds(self, claim: Claim) -> bool:
        return self.worked_on and self.attempt == claim.attempt

    @property
    def worked_on(self) -> bool:
        return self.state == "running" and not self.waiting

    def goes(self, transition: str) -> None:
        sources, self.state = TRANSITIONS[transition]
        assert self.states[-1] in sources
        self.states.append(self.state)
        self.taken.append(transition)
        self.waiting = transition == "wait"
        self.told = self.told and self.state != "queued"


class JobLife(RuleBasedStateMachine):
    """Every transition, by whoever may try it, whenever."""

    steps: ClassVar[int] = 0  # of all lives together
    taken: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[str, Known] = {}
        self.claims: list[Claim] = []

    def teardown(self) -> None:
        for known in self.known.values():
            JobLife.taken.update(known.taken)

    @rule(data=st.data())
    def something_happens(self, data: st.DataObject) -> None:
        """One rule for all: of many, hypothesis leaves most out of a life, and few jobs were ever claimed."""
        possible = [name for name, (times, may) in EVENTS.items() for _ in range(times) if may(self)]
        getattr(self, data.draw(st.sampled_from(possible)))(data)

    def submit(self, data: st.DataObject) -> None:
        with transaction() as session:
            job = transitions.submit(session, "dataset", DatasetSpec(name="pool", uri="file:///pool"))
        self.known[job.id] = Known()

    def claim(self, data: st.DataObject) -> None:
        worker = data.draw(st.sampled_from(["one", "two"]))
        job_id, known = self._job(data)
        with transaction() as session:
            held = transitions.claim(session, job_id, worker, LEASE)
        assert (held is not None) == (known.state == "queued")
        if held is not None:
            self._claimed(known, held)

    def beat(self, data: st.DataObject) -> None:
        held, known = self._claim(data)
        lost = not known.holds(held) or known.quiet >= STALL
        with _expecting(LeaseLostError if lost else None), transaction() as session:
            assert transitions.beat(session, held, LEASE, STALL) == known.cancelling
            known.lease = LEASE

    def report(self, data: st.DataObject) -> None:
        held, known = self._claim(data)
        with _expecting(None if known.holds(held) else LeaseLostError), transaction() as session:
            transitions.report(session, held, Progress("training", data.draw(st.integers(0, 9)), 9))
            known.quiet = 0.0

    def end(self, data: st.DataObject) -> None:
        ending = data.draw(st.sampled_from(["succeed", "fail", "stop", "wait", "crash"]))
        held, known = self._claim(data)
        with _expecting(None if known.holds(held) else LeaseLostError), transaction() as session:
            if ending == "succeed":
                transitions.succeed(session, held, RESULT)
                known.goes("succeed")
            elif ending == "fail":
                transitions.fail(session, held, {"code": "no-images"})
                known.goes("fail")
            elif ending == "stop":
                state = interruptions.stop(session, held)
                known.goes("cancel" if known.cancelling else "hand-back")
                assert state == known.state
            elif ending == "wait":
                state = interruptions.wait(session, held)
                known.goes("cancel" if known.cancelling else "wait")
                assert state == known.state
            else:
                state = interruptions.crash(session, held, "it died", MAX_CRASHES)
                self._crashed(known)
                assert state == known.state

    def wake(self, data: st.DataObject) -> None:
        job_id = data.draw(st.sampled_from([id_ for id_, known in self.known.items() if known.waiting]))
        with transaction() as session:
            transitions.requeue(session, transitions.lock(session, job_id), reason="its shards are there")
        self.known[job_id].goes("wake")

    def expire(self, data: st.DataObject) -> None:
        job_id, known = self._job(data)
        with transaction() as session:
            state = interruptions.expire(session, job_id, MAX_CRASHES)
        if known.worked_on and known.lease <= 0:
            self._crashed(known)
        assert state == known.state

    def cancel(self, data: st.DataObject) -> None:
        job_id, known = self._job(data)
        with _expecting(JobFinishedError if known.state in FINISHED else None), transaction() as session:
            plans.cancel(session, job_id)
            if not known.worked_on:
                known.goes("cancel")
            else:
                known.cancelling = True
                known.states.append("running")

    def retry(self, data: st.DataObject) -> None:
        job_id, known = self._job(data)
        with _expecting(None if known.state in RETRYABLE else JobFinishedError), transaction() as session:
            plans.retry(session, job_id)
            known.crashes, known.cancelling = 0, False
            known.goes("retry")

    def clock_jumps(self, data: st.DataObject) -> None:
        self._jump(HOUR * data.draw(st.sampled_from([-3600, -20, 1, 20, 60, 3600])))

    def _jump(self, seconds: float) -> None:
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

    def freeze_and_take_over(self, data: st.DataObject) -> None:
        """The worker is silent past its lease, another takes the job: the first one's claim is stale."""
        running = [id_ for id_, known in self.known.items() if known.worked_on]
        job_id = data.draw(st.sampled_from(running))
        known = self.known[job_id]
        self._jump(LEASE + max(known.lease, 0.0))
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

    def send(self, data: st.DataObject) -> None:
        told: set[str] = set()
        outbox.flush(lambda _, job_id: told.add(job_id))
        for job_id in told.intersection(self.known):
            self.known[job_id].told = True

    @invariant()
    def rows_are_as_the_model_says(self) -> None:
        with transaction() as session:
            jobs = {job.id: job for job in session.scalars(select(Job).where(Job.id.in_(self.known)))}
            promised = set(session.scalars(select(Outbox.job_id).where(Outbox.job_id.in_(self.known))))
            events = session.execute(
                select(JobEvent.job_id, JobEvent.seq, JobEvent.data["state"].astext)
                .where(JobEvent.job_id.in_(self.known), JobEvent.type == "state")
                .order_by(JobEvent.job_id, JobEvent.seq)
            ).all()
            numbers = session.execute(
                select(JobEvent.job_id, func.array_agg(aggregate_order_by(JobEvent.seq, JobEvent.seq)))
                .where(JobEvent.job_id.in_(self.known))
                .group_by(JobEvent.job_id)
            ).all()
        JobLife.steps += 1
        assert len(jobs) == len(numbers) == len(self.known)
        for job_id, seqs in numbers:
            assert seqs == list(range(1, jobs[job_id].event_seq + 1))
        for job_id, known in self.known.items():
            job = jobs[job_id]
            assert (job.state, job.attempt, job.crashes) == (known.state, known.attempt, known.crashes)
            assert job.cancel_requested == known.cancelling
            assert (job.owner is not None) == (job.lease_expires_at is not None) == known.worked_on
            assert (job.finished_at is not None) == (job.state in FINISHED)
            assert (job.result is not None) == (job.state == "succeeded")
            assert (job.error is not None) == (job.state == "failed")
            assert job_id not in promised or job.state not in FINISHED
            assert job.state != "queued" or job_id in promised or known.told
            assert [state for id_, _, state in events if id_ == job_id] == known.states

    def living(self) -> int:
        """How many jobs are not over."""
        return sum(known.state not in FINISHED for known in self.known.values())

    def _claimed(self, known: Known, held: Claim) -> None:
        known.attempt, known.lease, known.quiet = known.attempt + 1, LEASE, 0.0
        known.goes("claim")
        assert held.attempt == known.attempt
        self.claims.append(held)

    def _crashed(self, known: Known) -> None:
        if known.cancelling:
            known.goes("cancel")
        elif known.crashes + 1 >= MAX_CRASHES:
            known.goes("crash-too-often")
        else:
            known.crashes += 1
            known.goes("crash")

    def _job(self, data: st.DataObject) -> tuple[str, Known]:
        job_id = data.draw(st.sampled_from(list(self.known)[-RECENT:]))
        return job_id, self.known[job_id]

    def _claim(self, data: st.DataObject) -> tuple[Claim, Known]:
        held = data.draw(st.sampled_from(self.claims[-RECENT:]))
        return held, self.known[held.job_id]


# What may happen: how often beside the others, and when.
EVENTS: dict[str, tuple[int, Callable[[JobLife], object]]] = {
    "submit": (2, lambda life: life.living() < MAX_LIVING),
    "claim": (3, lambda life: life.known),
    "beat": (2, lambda life: life.claims),
    "report": (1, lambda life: life.claims),
    "end": (3, lambda life: life.claims),
    "wake": (1, lambda life: any(known.waiting for known in life.known.values())),
    "expire": (1, lambda life: life.known),
    "cancel": (1, lambda life: life.known),
    "retry": (1, lambda life: life.known),
    "clock_jumps": (1, lambda life: life.known),
    "freeze_and_take_over": (1, lambda life: any(known.worked_on for known in life.known.values())),
    "send": (1, lambda life: True),
}


def _expecting(error: type[Exception] | None) -> AbstractContextManager[Any]:
    return nullcontext() if error is None else pytest.raises(error)


@pytest.fixture(scope="module", autouse=True)
def database(database_url: str) -> Iterator[None]:
    with environment(G2L_DATABASE_URL=database_url):
        yield


@pytest.mark.chaos
@pytest.mark.timeout(4 * 3600)
def test_no_order_of_events_leads_to_an_illegal_state(tell: Tell) -> None:
    run_state_machine_as_test(
        JobLife,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=not LONG,  # so that what is taken below is no matter of luck
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert JobLife.taken.keys() == TRANSITIONS.keys()  # each was taken, and none led elsewhere
    tell(
        "any order of events, clock steps among them",
        f"{JobLife.steps:,} steps, {JobLife.taken.total():,} transitions; no illegal state",
    )
