"""What a study does next: all that can be done is a child row, and whoever finishes one asks for more.

A child that fails takes along only what stands on it: the rest goes on, is reported, and the study then ends
as failed, with its report.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from pydantic import ValidationError
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from core.db.jobs import Job
from core.errors import ChildFailedError, InvalidRequestError, ServiceError
from core.jobs import transitions
from core.jobs.states import FINISHED, RETRYABLE
from core.jobs.study_grid import Grid
from core.jobs.study_parts import keep, loss_of, parts, recorded
from core.specs.kinds import parse_spec
from core.specs.studies import ReportSpec, StudySpec

WINDOW = 200  # children that are unfinished at once, so that no transaction writes thousands
_REPORT = "report"
_SHOWN = 5  # failed children that an error names


def grid_of(session: Session, job: Job) -> Grid:
    """The study of a job, as far as it is known by now."""
    spec: StudySpec = parse_spec(job.kind, job.spec)
    return Grid(spec, parts(session, job.id), partial(loss_of, session))


def go_on(session: Session, parent: Job) -> None:
    """Ask for what can be done by now; report when there is nothing left. The caller holds the row's lock."""
    try:
        with session.begin_nested():
            grid = _ask(session, parent)
    except (ServiceError, ValidationError) as error:  # what it stands on was deleted, or makes no sense
        cause = error if isinstance(error, ServiceError) else InvalidRequestError(error.errors()[0]["msg"])
        _give_up(session, parent, cause)
        return
    waiting = [child for child in _unfinished(session, parent) if child.kind != "report"]
    measured = sum(cell.role in grid.made for cell in grid.cells)
    if not waiting and not measured:
        _end_failed(session, parent, grid, result=None)
        return
    stage = "transfers" if all(child.kind == "transfer" for child in waiting) else "sources"
    if not waiting:
        _report(session, parent)
        stage = _REPORT
    total = grid.spec.n_transfers
    transitions.enter_stage(session, parent, stage, done=measured, total=total, unit="transfers")


def ended(session: Session, parent: Job, child: Job) -> None:
    """After a child is over: note what it made, and go on; after the report, end."""
    if child.kind != "report":
        if child.state == "succeeded":
            _note(session, parent, child)
        go_on(session, parent)
    elif _is_outdated(session, parent, child):
        return
    elif child.state == "succeeded":
        grid = grid_of(session, parent)
        if _failed(session, parent):
            _end_failed(session, parent, grid, result=child.result)
        else:
            transitions.end(session, parent, "succeeded", result=child.result)
    else:
        detail = (child.error or {}).get("detail", "it was cancelled")
        _give_up(session, parent, ChildFailedError(f"The report ({child.id}) was not made: {detail}"))


def keep_parts(session: Session, parent: Job) -> None:
    """Nobody keeps what a study has made once it is over; one that goes on needs it again.

    Raises:
        InvalidRequestError: some of it is gone.
    """
    keep(session, parent.id, parts(session, parent.id))


def resume(session: Session, parent: Job) -> None:
    """Put what failed or was cancelled back to work; raises as `keep_parts`."""
    for child in _children(session, parent):
        child = transitions.lock(session, child.id)
        if child.kind == "report":
            continue  # a new one comes at the end
        if child.state in RETRYABLE:
            transitions.requeue_finished(session, child)
        elif child.state == "running":
            child.cancel_requested = False  # its worker may be stopping it still, and then queues it again
        elif child.state == "succeeded":
            _note(session, parent, child)
    keep_parts(session, parent)
    session.flush()
    go_on(session, parent)


def _ask(session: Session, parent: Job) -> Grid:
    """Write the children that can be written; what was made before by an equal request is taken as it is."""
    asked = set(session.scalars(select(Job.role).where(Job.parent_id == parent.id)))
    room = WINDOW - len(_unfinished(session, parent))
    while True:
        grid = grid_of(session, parent)
        missing = [p for role, p in grid.parts.items() if role not in grid.made and role not in asked]
        found: dict[str, str] = {}
        for part in missing[: max(0, room)]:
            if (id_ := recorded(session, part)) is not None:
                found[part.role] = id_
            else:
                transitions.submit(session, part.kind, part.request(), parent=parent, role=part.role)
                asked.add(part.role)
                room -= 1
        if not found:
            return grid
        keep(session, parent.id, found)


def _report(session: Session, parent: Job) -> None:
    """Ask for a report, in place of one that something was retried under."""
    for outdated in _unfinished(session, parent):
        transitions.request_cancel(session, outdated.id)
    number = len(_children(session, parent, Job.kind == "report")) + 1
    spec = ReportSpec(study_job_id=parent.id)
    transitions.submit(session, "report", spec, parent=parent, role=f"{_REPORT}-{number}")


def _children(session: Session, parent: Job, *where: ColumnElement[bool]) -> Sequence[Job]:
    """Those that are so; there may be thousands, so ask for no more than it takes."""
    statement = select(Job).where(Job.parent_id == parent.id, *where).order_by(Job.id)
    return session.scalars(statement.execution_options(populate_existing=True)).all()


def _unfinished(session: Session, parent: Job) -> Sequence[Job]:
    return _children(session, parent, Job.state.not_in(FINISHED))


def _note(session: Session, parent: Job, child: Job) -> None:
    if child.role is not None and child.result is not None:
        keep(session, parent.id, {child.role: str(child.result["id"])})


def _is_outdated(session: Session, parent: Job, report: Job) -> bool:
    """Whether something was retried since a report was begun, so that another comes or is there."""
    newest = _children(session, parent, Job.kind == "report")[-1]
    at_work = any(child.kind != "report" for child in _unfinished(session, parent))
    return at_work or newest.id != report.id


def _failed(session: Session, parent: Job) -> list[Job]:
    """What is missing; a report that was not made is made anew."""
    return list(_children(session, parent, Job.state.in_(RETRYABLE), Job.kind != "report"))


def _end_failed(session: Session, parent: Job, grid: Grid, *, result: Any) -> None:
    """End with the list of what failed; the report of the rest stays the job's result."""
    failed = _failed(session, parent)
    words = []
    for child in failed[:_SHOWN]:
        part = grid.parts.get(child.role or "")
        whose = f" of {', '.join(part.sources)}" if part is not None else ""
        why = (child.error or {}).get("detail", "it was cancelled")
        words.append(f"{child.kind}{whose} ({child.id}): {why}")
    if len(failed) > _SHOWN:
        words.append(f"and {len(failed) - _SHOWN} more")
    reported = "All else is in the report. " if result is not None else ""
    error = ChildFailedError(f"Of the study's jobs, {len(failed)} failed. {reported}{'; '.join(words)}")
    transitions.end(session, parent, "failed", error=transitions.problem_of(error), result=result)


def _give_up(session: Session, parent: Job, error: ServiceError) -> None:
    transitions.end(session, parent, "failed", error=transitions.problem_of(error))
    for child in _unfinished(session, parent):
        transitions.request_cancel(session, child.id)
