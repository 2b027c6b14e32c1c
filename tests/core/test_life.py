"""Any order of events leads only where `states.TRANSITIONS` says."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import select, text, update

from core.db.jobs import Job, JobEvent, Outbox
from core.db.session import transaction
from core.errors import JobFinishedError, LeaseLostError
from core.jobs import interruptions, plans, transitions
from core.jobs.states import FINISHED, TRANSITIONS
from core.jobs.transitions import Claim
from core.specs.datasets import DatasetSpec

pytestmark = pytest.mark.usefixtures("database")
MAX_CRASHES = 3
RESULT = {"kind": "dataset", "id": "ds_1", "href": "/v1/datasets/ds_1"}


class Life(RuleBasedStateMachine):
    """One job, its claims so far, and a model of what it must be."""

    @initialize()
    def submit(self) -> None:
        with transaction() as session:
            spec = DatasetSpec(name="pool", uri="file:///pool")
            self.job_id = transitions.submit(session, "dataset", spec).id
        self.state, self.attempt, self.crashes, self.cancel_requested = "queued", 0, 0, False

    def goes(self, event: str) -> None:
        sources, target = TRANSITIONS[event]
        assert self.state in sources
        self.state = target
        if self.state in FINISHED:
            self.cancel_requested = False

    @rule()
    def claim(self) -> None:
        with transaction() as session:
            held = transitions.claim(session, self.job_id, "worker", 30)
        assert (held is not None) == (self.state == "queued")
        if held is not None:
            self.goes("claim")
            self.attempt += 1
            assert held.attempt == self.attempt

    @rule(behind=st.integers(0, 1), ending=st.sampled_from(["succeed", "fail", "stop", "crash"]))
    def end(self, behind: int, ending: str) -> None:
        """The current attempt, or one before it, says how it has ended."""
        held = Claim(self.job_id, "dataset", self.attempt - behind)
        holds = behind == 0 and self.state == "running"
        try:
            with transaction() as session:
                if ending == "succeed":
                    transitions.succeed(session, held, RESULT)
                elif ending == "fail":
                    transitions.fail(session, held, {"code": "x"})
                elif ending == "stop":
                    interruptions.stop(session, held)
                else:
                    interruptions.crash(session, held, "it was killed", MAX_CRASHES)
        except LeaseLostError:
            assert not holds
            return
        assert holds
        self.ended(ending)

    def ended(self, ending: str) -> None:
        if ending in ("succeed", "fail"):
            self.goes(ending)
        elif self.cancel_requested:
            self.goes("cancel")
        elif ending == "stop":
            self.goes("hand-back")
        else:
            self.crashes += 1
            self.goes("crash-too-often" if self.crashes >= MAX_CRASHES else "crash")

    @rule()
    def expire(self) -> None:
        with transaction() as session:
            session.execute(
                update(Job)
                .where(Job.id == self.job_id, Job.state == "running")
                .values(lease_expires_at=text("now() - interval '1 second'"))
            )
        with transaction() as session:
            interruptions.expire(session, self.job_id, MAX_CRASHES)
        if self.state == "running":
            self.ended("crash")

    @rule()
    def cancel(self) -> None:
        try:
            with transaction() as session:
                plans.cancel(session, self.job_id)
        except JobFinishedError:
            assert self.state in FINISHED
            return
        if self.state == "running":
            self.cancel_requested = True
        else:
            self.goes("cancel")

    @rule()
    def retry(self) -> None:
        try:
            with transaction() as session:
                plans.retry(session, self.job_id)
        except JobFinishedError:
            assert self.state not in TRANSITIONS["retry"][0]
            return
        self.goes("retry")
        self.crashes = 0

    @invariant()
    def the_row_agrees(self) -> None:
        with transaction() as session:
            job = session.get_one(Job, self.job_id)
            numbers = session.scalars(
                select(JobEvent.seq).where(JobEvent.job_id == job.id).order_by(JobEvent.seq)
            ).all()
            promised = session.scalars(select(Outbox.id).where(Outbox.job_id == job.id)).all()
        assert (job.state, job.attempt) == (self.state, self.attempt)
        assert job.crashes == self.crashes - (job.state == "failed" and self.crashes == MAX_CRASHES)
        assert (job.owner is not None) == (job.lease_expires_at is not None) == (job.state == "running")
        assert (job.finished_at is not None) == (job.state in FINISHED)
        assert (job.result is not None) == (job.state == "succeeded")
        assert list(numbers) == list(range(1, job.event_seq + 1))
        assert promised or job.state != "queued"
        assert not promised or job.state not in FINISHED


def test_any_life_is_a_legal_one() -> None:
    checks: Any = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=25,
            stateful_step_count=15,
            deadline=None,
            suppress_health_check=checks,
            database=None,
        ),
    )
