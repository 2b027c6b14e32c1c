"""Sending and waiting, with the progress shown."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from g2l.cli.output import print_fields
from g2l.cli.session import Session, goes_on
from g2l.client.forms import OnProgress
from g2l.client.job_answers import JobAnswer
from g2l.client.progress import Reporter, Status, reporting
from g2l.client.values import Answer, JsonObject

if TYPE_CHECKING:
    from g2l.client.answers import Dataset
    from g2l.client.sync.client import Client
    from g2l.client.sync.jobs import Job

T = TypeVar("T")
A = TypeVar("A", bound=Answer)


def upload(
    client: "Client",
    paths: Sequence[str],
    name: str | None,
    reporter: Reporter,
    *,
    label: str,
    **options: str | None,
) -> "Job[Dataset]":
    """Send images, with a bar; a URI is only named to the service. `options` are as of `Datasets.upload`."""
    if len(paths) == 1 and "://" in paths[0]:
        uri = paths[0]
        return client.datasets.take_in(uri, name or uri.rstrip("/").rsplit("/", 1)[-1], **options)
    shown = f"upload {label}"

    job = client.datasets.upload(paths, name, **options, on_progress=sending(reporter, shown))
    reporter.update(Status(shown, ended="done"))
    return job


def sending(reporter: Reporter, shown: str) -> OnProgress:
    """Shows how much is sent; in front of it from where this goes on, if an earlier command was cut off."""
    stage: str | None = None

    def on_progress(sent: int, total: int) -> None:
        nonlocal stage
        if stage is None:
            stage = f"going on at {sent * 100 // max(total, 1)} %" if sent else ""
        reporter.update(Status(shown, stage, done=sent, total=total, unit="bytes"))

    return on_progress


def wait(job: "Job[T]", reporter: Reporter, *, label: str | None = None) -> "Job[T]":
    """Wait for one job with a bar, under a label or its kind's name."""
    try:
        return job.wait(on_update=lambda now: reporter.update(Status.of_job(now, label)))
    except KeyboardInterrupt:
        goes_on(job)
        raise


def wait_stages(job: "Job[T]", reporter: Reporter, *, timeout: float | None = None) -> "Job[T]":
    """Wait for a job; a pipeline gets a bar a stage."""
    try:
        return job.wait(timeout, progress=reporter)
    except KeyboardInterrupt:
        goes_on(job)
        raise


def finish(
    session: Session, job: "Job[A]", *, wait_for_it: bool, show: Callable[[JsonObject], None] = print_fields
) -> None:
    """After a request: wait and print what was made (as `show` prints it), or print the job."""
    if not wait_for_it:
        print_job(session, job)
        return
    with reporting() as reporter:
        made = wait_stages(job, reporter).resource().body
    session.show(made, lambda: show(made))


def print_job(session: Session, job: JobAnswer) -> None:
    """A job, for whoever asks about it."""
    session.show(job.body, lambda: print_fields(_readable(job)))


def _readable(job: JobAnswer) -> JsonObject:
    fields = {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "stage": job.stage,
        "progress": Status.of_job(job).amount(),
        "result": job.result and job.result.id,
        "children": " ".join(job.children),
        "error": job.error and str(job.error),
    }
    return {name: value for name, value in fields.items() if value}
