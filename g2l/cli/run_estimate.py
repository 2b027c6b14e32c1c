"""`g2l run --dry-run`: what the run would take."""

from g2l.cli.output import note, print_line, print_rows
from g2l.cli.run_request import Request, send
from g2l.cli.session import Session, UsageError
from g2l.client.answers import PipelineEstimate, Seconds
from g2l.client.progress import duration, reporting

COLUMNS = ("stage", "images", "epochs", "images/s", "time", "basis")


def estimate_run(session: Session, request: Request) -> None:
    """Send the images, ask what the rest would take, and show it.

    Raises:
        UsageError: the run was asked for already.
    """
    if request.is_attached:
        raise UsageError(f"{request.images} was asked for already; --dry-run is for what is not")
    with reporting() as reporter:
        ids = send(session.client, request, reporter)
    estimate = session.client.pipelines.estimate(**request.body(ids))
    session.show(estimate.body, lambda: show(estimate))
    for where, id_ in ids.items():
        note(f"{where} is in the service now; {id_} in its place saves sending it again")


def show(estimate: PipelineEstimate) -> None:
    """A line a stage, and the sum."""
    print_rows(COLUMNS, rows(estimate))
    print_line("")
    print_line(f"all together: {span(estimate.expected_seconds)}")


def rows(estimate: PipelineEstimate) -> list[dict[str, str]]:
    """The stages in words."""
    return [
        {
            "stage": stage.role,
            "images": str(stage.images),
            "epochs": str(stage.epochs or "-"),
            "images/s": "-" if stage.images_per_second is None else f"{stage.images_per_second:.0f}",
            "time": span(stage.expected_seconds),
            "basis": stage.basis,
        }
        for stage in estimate.stages
    ]


def span(seconds: Seconds | None) -> str:
    """An expected time with its range."""
    if seconds is None:
        return "unknown"
    return f"{duration(seconds.value)} ({duration(seconds.low)} to {duration(seconds.high)})"
