"""Sending and waiting, with the progress shown."""

from pathlib import Path
from typing import TYPE_CHECKING

from g2l.cli.output import print_fields
from g2l.cli.progress import Reporter, Status, reporting
from g2l.cli.session import Session, goes_on
from g2l.client.values import Job, JsonObject

if TYPE_CHECKING:
    from g2l.client.sync import Client

_TITLES = {"anchor-set": "anchors", "model": "pretraining"}


def title(job: Job) -> str:
    """What a job is called in front of its bar."""
    if job.kind == "transfer" and job.spec.get("model_id") is None:
        return "from scratch"
    return _TITLES.get(job.kind, job.kind)


def status(job: Job, name: str) -> Status:
    """A job as a line of progress."""
    progress = job.progress
    return Status(
        title=name,
        stage=job.stage or job.state,
        done=progress.done if progress else 0,
        total=progress.total if progress else None,
        unit=(progress.unit if progress else None) or "",
        eta=job.eta_seconds,
        ended=("done" if job.state == "succeeded" else job.state) if job.finished else None,
    )


def upload(client: "Client", path: str, name: str | None, reporter: Reporter, *, label: str) -> Job:
    """Send images, with a bar; a URI is only named to the service."""
    if "://" in path:
        return client.datasets.take_in(path, name or path.rstrip("/").rsplit("/", 1)[-1])
    shown = f"upload {label}"

    def on_progress(sent: int, total: int) -> None:
        reporter.update(Status(shown, done=sent, total=total, unit="bytes"))

    job = client.datasets.upload(Path(path), name, on_progress=on_progress)
    reporter.update(Status(shown, ended="done"))
    return job


def wait(client: "Client", job: Job, reporter: Reporter, *, label: str, timeout: float | None = None) -> Job:
    """Wait for one job, with a bar."""
    try:
        return client.jobs.wait(job, timeout, lambda now: reporter.update(status(now, label)))
    except KeyboardInterrupt:
        goes_on(job)
        raise


def wait_pipeline(client: "Client", job: Job, reporter: Reporter, *, timeout: float | None = None) -> Job:
    """Wait for a pipeline, with a bar a stage."""
    ended: set[str] = set()

    def on_update(now: Job) -> None:
        for id_ in now.children:
            if id_ not in ended:
                child = client.jobs.get(id_)
                reporter.update(status(child, title(child)))
                if child.finished:
                    ended.add(id_)

    try:
        return client.jobs.wait(job, timeout, on_update)
    except KeyboardInterrupt:
        goes_on(job)
        raise


def finish(session: Session, job: Job, *, wait_for_it: bool) -> None:
    """After a request: wait and print what was made, or print the job."""
    if wait_for_it:
        with reporting() as reporter:
            job = wait(session.client, job, reporter, label=title(job))
        made = session.client.jobs.result(job)
        session.show(made, lambda: print_fields(made))
    else:
        print_job(session, job)


def print_job(session: Session, job: Job) -> None:
    """A job, for whoever asks about it."""
    session.show(job.body, lambda: print_fields(_readable(job)))


def _readable(job: Job) -> JsonObject:
    fields = {
        "id": job.id,
        "kind": job.kind,
        "state": job.state,
        "stage": job.stage,
        "progress": status(job, "").amount(),
        "result": job.result and job.result.id,
        "children": " ".join(job.children),
        "error": job.error and str(job.error),
    }
    return {name: value for name, value in fields.items() if value}
