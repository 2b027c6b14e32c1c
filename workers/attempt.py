"""One attempt at a job: a fresh process in a group of its own, watched to its end."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
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
from workers.output import Output

ROOT = Path(__file__).resolve().parent.parent
STOP_SECONDS = 3.0  # from SIGTERM to SIGKILL
LAST_WRITE_SECONDS = 30.0  # how long the last write is tried again while the database is away
_POLL_SECONDS = 0.1

_log = structlog.get_logger()


def attend(held: Claim, settings: Settings, leaving: Callable[[], bool]) -> None:
    """Run an attempt and see it to its end: done, crashed, cancelled, or handed back as we leave."""
    process = _spawn(held)
    if process.stdout is None:
        raise RuntimeError("the child has no pipe")
    output = Output(process.stdout)
    beats = Beats(held, output, settings)
    try:
        ending = _watch(process, beats, leaving)
    finally:
        _end_group(process)
        beats.stop()
    output.finish(STOP_SECONDS)
    if ending != "lost" and not beats.lost:
        _write_end(held, settings, ending, process.returncode, output)
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


def _spawn(held: Claim) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "workers.run", held.job_id, str(held.attempt)],
        stdin=subprocess.PIPE,  # nothing is written: it ends when we do, and the child watches it
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )


def _watch(
    process: subprocess.Popen[bytes], beats: Beats, leaving: Callable[[], bool]
) -> Literal["ended", "stopped", "lost"]:
    while process.poll() is None:
        if beats.lost:
            return "lost"
        if beats.cancel_requested or leaving():
            _ask_to_stop(process)
            return "stopped"
        with suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
    return "ended"


def _ask_to_stop(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """Whatever is left of the group, the child or what it started, ends now."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()


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
