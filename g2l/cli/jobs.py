"""`g2l jobs`."""

import json
import sys
from itertools import islice
from typing import Annotated

import typer

from g2l.cli import follow
from g2l.cli.groups import LARGEST_PAGE, SHOWN, Limit
from g2l.cli.options import given
from g2l.cli.output import print_json, print_line, print_rows
from g2l.cli.session import Session, command
from g2l.client.progress import reporting

group = typer.Typer(help="The work of the service.", no_args_is_help=True)
Id = Annotated[str, typer.Argument(metavar="JOB", help="job_…")]


@command(group, "list")
def list_(
    session: Session,
    state: Annotated[
        str | None, typer.Option(help="queued, running, succeeded, failed or cancelled.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="dataset, anchor-set, labeling, model, …")] = None,
    parent: Annotated[str | None, typer.Option(help="The stages or shards of this job.")] = None,
    limit: Limit = SHOWN,
) -> None:
    """List jobs, newest first."""
    filters = {name: str(value) for name, value in given(state=state, kind=kind, parent_id=parent).items()}
    found = session.client.jobs.list(**filters, limit=min(limit, LARGEST_PAGE))
    rows = [job.body for job in islice(found, limit)]
    if session.as_json:
        print_json({"items": rows})
    else:
        print_rows(("id", "kind", "state", "stage", "attempt", "created_at"), rows)


@command(group, "show")
def show(session: Session, job: Id) -> None:
    """Show a job as it is now."""
    follow.print_job(session, session.client.jobs.get(job))


@command(group, "wait")
def wait(
    session: Session,
    job: Id,
    timeout: Annotated[float | None, typer.Option(help="Give up waiting after so many seconds.")] = None,
) -> None:
    """Wait until a job is over; exit code 1 if it failed or was cancelled."""
    now = session.client.jobs.get(job)
    with reporting() as reporter:
        now = follow.wait_stages(now, reporter, timeout=timeout)
    follow.print_job(session, now)


@command(group, "cancel")
def cancel(session: Session, job: Id) -> None:
    """Stop a job; what is half made goes."""
    follow.print_job(session, session.client.jobs.cancel(job))


@command(group, "retry")
def retry(session: Session, job: Id) -> None:
    """Have a failed or cancelled job go on from its last checkpoint."""
    follow.print_job(session, session.client.jobs.retry(job))


@command(group, "logs")
def logs(
    session: Session,
    job: Id,
    *,
    until_over: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job is over.")] = False,
) -> None:
    """Print what a job's processes printed; of a pipeline, those of its stages."""
    if until_over:
        for line in session.client.jobs.log_lines(job):
            # One object a line, since a program reads them as they come.
            print_line(json.dumps({"line": line}, ensure_ascii=False) if session.as_json else line)
            sys.stdout.flush()
        return
    text = session.client.jobs.logs(job)
    session.show({"job_id": job, "log": text}, lambda: print_line(text.rstrip("\n")))


@command(group, "events")
def events(
    session: Session,
    job: Id,
    after: Annotated[str | None, typer.Option(help="Begin after the event of this number.")] = None,
) -> None:
    """Print what happens to a job, as it happens, until it is over."""
    for event in session.client.jobs.events(job, after):
        body = {"id": event.id, "type": event.type, "data": event.data}
        if session.as_json:  # one object a line, since a program reads them as they come
            sys.stdout.write(json.dumps(body, ensure_ascii=False) + "\n")
        else:
            print_line(f"{event.id}\t{event.type}\t{json.dumps(event.data, ensure_ascii=False)}")
        sys.stdout.flush()
