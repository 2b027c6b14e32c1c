"""What was promised is sent, at least once, and never before its transaction is over."""

import pytest
from kombu.exceptions import OperationalError
from sqlalchemy import select

from core.db.jobs import Outbox
from core.db.session import transaction
from core.jobs import outbox, plans, transitions
from core.specs.datasets import DatasetSpec

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def _empty() -> None:
    outbox.flush(lambda queue, job_id: None)


def submitted() -> str:
    with transaction() as session:
        return transitions.submit(session, "dataset", DatasetSpec(name="pool", uri="file:///pool")).id


def waiting() -> list[str]:
    with transaction() as session:
        return list(session.scalars(select(Outbox.job_id).order_by(Outbox.id)))


def test_each_promise_is_sent_once_and_in_order() -> None:
    jobs = [submitted() for _ in range(3)]
    sent: list[tuple[str, str]] = []
    assert outbox.flush(lambda queue, job_id: sent.append((queue, job_id))) == 3
    assert sent == [("cpu", job_id) for job_id in jobs]
    assert outbox.flush(lambda queue, job_id: sent.append((queue, job_id))) == 0
    assert len(sent) == 3


def test_a_broker_that_is_away_loses_nothing() -> None:
    jobs = [submitted() for _ in range(3)]
    sent: list[str] = []

    def send(_: str, job_id: str) -> None:
        if len(sent) == 1:
            raise OperationalError("down")
        sent.append(job_id)

    with pytest.raises(OperationalError):
        outbox.flush(send)
    assert waiting() == jobs
    assert outbox.flush(lambda queue, job_id: sent.append(job_id)) == 3
    assert sent == [jobs[0], *jobs]  # twice rather than never


def test_a_job_that_is_over_is_not_announced() -> None:
    job_id = submitted()
    with transaction() as session:
        plans.cancel(session, job_id)
    assert waiting() == []


def test_ending_a_job_does_not_wait_for_a_sender() -> None:
    job_id = submitted()

    def send(_: str, __: str) -> None:
        with transaction() as session:  # the sender holds the outbox row meanwhile
            plans.cancel(session, job_id)

    assert outbox.flush(send) == 1
    assert waiting() == []
