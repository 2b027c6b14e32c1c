"""How a job waits for many responses: shards of them are child rows, and the last to end queues it again."""

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.db.jobs import Job, JobEvent
from core.db.resources import ResponsesShard
from core.errors import ChildFailedError
from core.jobs import interruptions, needs, transitions
from core.jobs.states import FINISHED, RETRYABLE
from core.jobs.transitions import Claim
from core.specs.kinds import parse_spec
from core.specs.responses import ResponsesSpec

BATCH = 256  # images that embedders take at once: shards begin where batches of the whole would
MOST_SHARDS = 200  # of one dataset, so that no transaction writes thousands; they are larger instead
STAGE = "embedding"


def cut(dataset_id: str, embedder_id: str, *, first: int, stop: int, size: int) -> list[ResponsesSpec]:
    """Shards of the items from one on: of `size`, a multiple of BATCH, larger where that makes too many."""
    least = -(-(stop - first) // MOST_SHARDS)
    size = max(size, -(-least // BATCH) * BATCH)
    return [
        ResponsesSpec(dataset_id=dataset_id, embedder=embedder_id, first=start, count=min(size, stop - start))
        for start in range(first, stop, size)
    ]


def made(session: Session, shards: Sequence[ResponsesSpec]) -> dict[ResponsesSpec, str]:
    """The artifacts of those of the shards that are there, whichever job asked for them."""
    rows = session.scalars(
        select(ResponsesShard).where(
            ResponsesShard.dataset_id.in_({shard.dataset_id for shard in shards}),
            ResponsesShard.embedder_id.in_({shard.embedder for shard in shards}),
        )
    )
    there = {
        ResponsesSpec(
            dataset_id=row.dataset_id, embedder=row.embedder_id, first=row.first, count=row.count
        ): row.artifact
        for row in rows
    }
    return {shard: there[shard] for shard in shards if shard in there}


def ask(session: Session, held: Claim, shards: Sequence[ResponsesSpec]) -> None:
    """Have children make the shards that are not there, and give the worker back until they have.

    Raises:
        LeaseLostError: the attempt no longer holds the job.
        InvalidRequestError: the dataset or the embedder was deleted.
    """
    if interruptions.wait(session, held) in FINISHED:
        return
    parent = transitions.lock(session, held.job_id)
    needs.take(session, parent.id, {shard.embedder for shard in shards})
    there, children = made(session, shards), _children(session, parent)
    asked = {parse_spec(child.kind, child.spec): child for child in children}
    for number, shard in enumerate((each for each in shards if each not in there), len(children) + 1):
        child = asked.get(shard)
        if child is None or child.state == "succeeded":
            transitions.submit(session, "responses", shard, parent=parent, role=f"responses-{number}")
        elif child.state in RETRYABLE:
            transitions.requeue_finished(session, child)
        else:
            child.cancel_requested = False  # its worker may be stopping it still, and then queues it again
    done, total = (sum(shard.count for shard in some) for some in (there, shards))
    transitions.enter_stage(session, parent, STAGE, done=done, total=total, unit="images")


def ended(session: Session, parent: Job, child: Job) -> None:
    """After a shard is over: end the parent with it, or, once nothing is under way, queue it again."""
    if child.state not in FINISHED or parent.owner is not None or parent.state != "running":
        return  # where the parent does not wait, it looks for itself at what is there
    if child.state in RETRYABLE:
        _stop(session, parent, child)
    elif all(each.state in FINISHED for each in _children(session, parent)):
        transitions.requeue(session, parent, reason="its shards are there")
    else:
        done = parent.progress_done + parse_spec(child.kind, child.spec).count
        total = parent.progress_total or done
        transitions.enter_stage(session, parent, STAGE, done=min(done, total), total=total, unit="images")


def seconds_waited(session: Session, job_id: str) -> float:
    """How long a job has waited for shards, all times together."""
    until = func.lead(JobEvent.created_at).over(order_by=JobEvent.seq)
    times = (
        select(JobEvent.data, (until - JobEvent.created_at).label("time"))
        .where(JobEvent.job_id == job_id, JobEvent.type == "state")
        .subquery()
    )
    seconds = select(func.sum(func.extract("epoch", times.c.time))).where(times.c.data.has_key("waiting"))
    return float(session.scalar(seconds) or 0.0)


def _children(session: Session, parent: Job) -> Sequence[Job]:
    statement = select(Job).where(Job.parent_id == parent.id).order_by(Job.id)
    return session.scalars(statement.execution_options(populate_existing=True)).all()


def _stop(session: Session, parent: Job, child: Job) -> None:
    if child.state == "cancelled":
        transitions.end(session, parent, "cancelled")
    else:
        detail = (child.error or {}).get("detail", "no reason given")
        error = ChildFailedError(f"A shard of its responses ({child.id}) failed: {detail}")
        transitions.end(session, parent, "failed", error=transitions.problem_of(error))
    for each in _children(session, parent):
        if each.state not in FINISHED:
            transitions.request_cancel(session, each.id)
