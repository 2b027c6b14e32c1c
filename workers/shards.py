"""Shards of responses: asked for by a job that needs all, kept one by one until it has put them together."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import artifacts
from core.artifacts import Published
from core.db.jobs import Job
from core.db.resources import Dataset, Responses, ResponsesShard
from core.jobs import plans, shard_plan, transitions
from core.specs.responses import ResponsesSpec
from workers.active import ActiveJob
from workers.patience import patiently
from workers.products import Made, save


class WaitsForShards(Exception):  # noqa: N818 (no error: the job goes on when they are there)
    """The job is to be left as it is; its worker does other work, its shards among it."""


def wait_for(
    job: ActiveJob[Any],
    shards: Sequence[ResponsesSpec],
    *,
    unsaved: Iterable[Made],
    also: Iterable[Callable[[Session], None]],
) -> NoReturn:
    """Ask for shards, and keep what the job has made so far, which its next attempt then finds.

    Raises:
        WaitsForShards: always.
        LeaseLostError, InvalidRequestError: as `shard_plan.ask` does.
    """

    def write(session: Session) -> None:
        transitions.lock_held(session, job.held)
        save(session, unsaved)
        for each in also:
            each(session)
        shard_plan.ask(session, job.held, shards)
        plans.advance(session, job.held.job_id)  # where it was to be cancelled, it is over

    patiently(write)
    raise WaitsForShards(f"waits for {len(shards)} shards of responses")


def is_there(session: Session, shard: ResponsesSpec) -> bool:
    """Whether another job has made a shard, or all of which it is one."""
    whole = session.get(Responses, (shard.dataset_id, shard.embedder))
    return whole is not None or bool(shard_plan.made(session, [shard]))


def keep(session: Session, job: ActiveJob[ResponsesSpec], published: Published) -> None:
    """Write that a shard is there, unless all are by now."""
    shard = job.spec
    _alone(session, shard.dataset_id)
    if session.get(Responses, (shard.dataset_id, shard.embedder)) is None:
        artifacts.record(session, published)
        row = insert(ResponsesShard).values(
            dataset_id=shard.dataset_id,
            embedder_id=shard.embedder,
            first=shard.first,
            count=shard.count,
            artifact=published.digest,
            job_id=session.get_one(Job, job.held.job_id).parent_id,
            created_at=func.now(),
        )
        session.execute(row.on_conflict_do_nothing())


def keep_whole(session: Session, dataset_id: str, embedder_id: str, published: Published) -> None:
    """Write that all responses are there; their shards go, and `g2l gc` removes the files."""
    _alone(session, dataset_id)
    artifacts.record(session, published)
    row = insert(Responses).values(
        dataset_id=dataset_id, embedder_id=embedder_id, artifact=published.digest, created_at=func.now()
    )
    session.execute(row.on_conflict_do_nothing())
    of_it = (ResponsesShard.dataset_id == dataset_id) & (ResponsesShard.embedder_id == embedder_id)
    session.execute(delete(ResponsesShard).where(of_it))


def _alone(session: Session, dataset_id: str) -> None:
    """Hold back others that write responses of a dataset, until this transaction is over."""
    session.execute(select(Dataset.id).where(Dataset.id == dataset_id).with_for_update(key_share=True))
