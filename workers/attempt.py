"""One attempt at a job: a process in a group of its own, watched to its end."""

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import structlog
from sqlalchemy.exc import SQLAlchemyError

from core.artifacts import Store, open_store
from core.db.jobs import Job, JobLog
from core.db.session import transaction
from core.errors import LeaseLostError
from core.jobs import interruptions, plans
from core.jobs.states import FINISHED, State
from core.jobs.transitions import Claim
from core.settings import Settings
from workers.beats import Beats
from workers.nursery import Born, bear
from workers.output import Output

STOP_SECONDS = 3.0  # from SIGTERM to SIGKILL
LAST_WRITE_SECONDS = 30.0  # how long the last write is tried again while the database is away
_POLL_SECONDS = 0.1

_log = structlog.get_logger()


def attend(held: Claim, settings: Settings, leaving: Callable[[], bool]) -> None:
    """Run an attempt and see it to its end: done, crashed, cancelled, or handed back as we leave."""
    process = bear(held.job_id, held.attempt, held.traceparent)
    output = Output(process.output)
    beats = Beats(held, output, settings)
    try:
        ending = _watch(process, beats, leaving)
    finally:
        status = _end_group(process)
        beats.stop()
    output.finish(STOP_SECONDS)
    if ending != "lost" and not beats.lost:
        _write_end(held, settings, ending, status, output)
    with suppress(SQLAlchemyError):  # what it printed last: the beat finds no lease once the job is over
        _write_log(held, output)
    _tidy(held, open_store(settings))


def _tidy(held: Claim, store: Store) -> None:
    """Remove what this attempt left half made, and of a job that succeeded all that it no longer needs."""
    # Here and not in the child, which may be told to leave as soon as it has committed.
    store.discard_staged(held.job_id, held.attempt)
    try:
        with transaction() as session:
            job = session.get_one(Job, held.job_id)
        if job.state == "succeeded":
            store.discard_all_of(job.id, job.spec)
    except Exception as error:  # the database or the bucket is away; what stays is for `g2l gc`
        _log.warning("not tidied", job_id=held.job_id, error=str(error))


def _watch(process: Born, beats: Beats, leaving: Callable[[], bool]) -> Literal["ended", "stopped", "lost"]:
    while process.status is None:
        if beats.lost:
            return "lost"
        if beats.cancel_requested or leaving():
            process.signal_group(signal.SIGTERM)
            process.wait(STOP_SECONDS)
            return "stopped"
        process.wait(_POLL_SECONDS)
    return "ended"


def _end_group(process: Born) -> int:
    """Whatever is left of the group, the child or what it started, ends now; the child's exit status."""
    process.signal_group(signal.SIGKILL)
    process.wait()
    process.leash.close()
    return process.status or 0


def _write_end(held: Claim, settings: Settings, ending: str, code: int, output: Output) -> None:
    deadline = time.monotonic() + LAST_WRITE_SECONDS
    while True:
        try:
            _write_log(held, output)
            with transaction() as session:
                if ending == "stopped":
                    state: State = interruptions.stop(session, held)
                else:
                    state = interruptions.crash(session, held, _how(code), settings.max_crashes)
                if state in FINISHED:
                    plans.advance(session, held.job_id)
        except LeaseLostError:  # the child has ended the job itself, as it should
            return
        except SQLAlchemyError as error:
            _log.warning("last write failed", job_id=held.job_id, error=str(error))
            if time.monotonic() > deadline:
                return  # the lease runs out, and the reconciler does the rest
            time.sleep(1.0)
        else:
            _log.info("attempt stopped", job_id=held.job_id, attempt=held.attempt, state=state)
            return


def _write_log(held: Claim, output: Output) -> None:
    while piece := output.piece():
        with transaction() as session:
            session.add(JobLog(job_id=held.job_id, attempt=held.attempt, text=piece))
        output.written(piece)


def _how(code: int) -> str:
    if code == -signal.SIGKILL:
        return "its process was killed (SIGKILL), as happens where memory runs out"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with status {code} and no result"
