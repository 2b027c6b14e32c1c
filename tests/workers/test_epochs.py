"""Each epoch of a training is an event once and in order, whatever happens to the connection."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from core.artifacts import open_store
from core.db.jobs import JobEvent
from core.db.session import transaction
from core.jobs import transitions
from core.settings import get_settings
from core.specs.datasets import DatasetSpec
from g2l.nn.view_training import SelfSupervisedRecord
from tests.chaos.arena import terminate_all
from tests.fixtures.environment import environment
from workers.active import ActiveJob


@pytest.fixture(scope="module", autouse=True)
def settings(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    home = tmp_path_factory.mktemp("home")
    with environment(G2L_DATABASE_URL=database_url, G2L_HOME=str(home)):
        yield


@pytest.fixture
def job() -> ActiveJob[DatasetSpec]:
    spec = DatasetSpec(name="pool", uri="file:///pool")
    with transaction() as session:
        job_id = transitions.submit(session, "dataset", spec).id
    with transaction() as session:
        held = transitions.claim(session, job_id, "worker", 600)
    assert held is not None
    return ActiveJob(held, spec, {}, get_settings(), open_store(get_settings()))


def record(epoch: int) -> SelfSupervisedRecord:
    return SelfSupervisedRecord(epoch, loss=1 / epoch, matched=0.5, images_per_second=100.0)


def told(job: ActiveJob[DatasetSpec]) -> list[int]:
    of_job = select(JobEvent.data).where(JobEvent.job_id == job.held.job_id, JobEvent.type == "metric")
    with transaction() as session:
        return [data["epoch"] for data in session.scalars(of_job.order_by(JobEvent.seq))]


@pytest.mark.parametrize("cuts", [1, 2, 3])
def test_a_cut_connection_loses_no_epoch(
    job: ActiveJob[DatasetSpec], monkeypatch: pytest.MonkeyPatch, cuts: int
) -> None:
    note, left = transitions.note, [cuts]

    def cut(*words: Any) -> None:
        if left[0] > 0:
            left[0] -= 1
            terminate_all()
        note(*words)

    job.on_epoch(record(1))
    monkeypatch.setattr(transitions, "note", cut)
    for epoch in (2, 3, 4):
        job.on_epoch(record(epoch))
    assert left == [0]
    assert told(job) == ([1, 2, 3, 4] if cuts < 3 else [1])
    with transaction() as session:  # as the job succeeds
        job.note_epochs(session)
    assert told(job) == [1, 2, 3, 4]


def test_what_a_checkpoint_tells_anew_is_not_recorded_twice(job: ActiveJob[DatasetSpec]) -> None:
    for attempt in ([1, 2], [1, 2, 3], [1, 2, 3, 4, 5]):
        again = replace(job)
        for epoch in attempt:
            again.on_epoch(record(epoch))
    assert told(job) == [1, 2, 3, 4, 5]
