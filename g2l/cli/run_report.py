"""What `g2l run` leaves behind: a folder, and a table."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from g2l.cli.models import how_to_load
from g2l.cli.output import interval, print_fields, print_line
from g2l.cli.session import UsageError
from g2l.client.progress import Reporter, Status, duration
from g2l.client.values import JsonObject

if TYPE_CHECKING:
    from g2l.client.answers import Pipeline
    from g2l.client.sync.client import Client
    from g2l.client.sync.jobs import Job

RUN_FILE = "run.json"


def check_folder(folder: Path) -> None:
    """Refuse to write among what is not an earlier run's.

    Raises:
        UsageError: the folder holds other things.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir()) and not (folder / RUN_FILE).exists()):
        raise UsageError(f"{folder} exists and holds no earlier run; give another --out")


def fetch(client: "Client", job: "Job[Pipeline]", folder: Path, reporter: Reporter) -> JsonObject:
    """Download what a pipeline made, and write `run.json` last; its content."""
    made = job.resource().body
    labels_id, model_id = made["labeling_id"], made["model_id"]

    def on_progress(file: str, here: int, total: int) -> None:
        reporter.update(Status("download", "model", here, total, "bytes"))

    client.models.pull(model_id, folder, on_progress=on_progress)
    reporter.update(Status("download", "labels"))
    for format_ in ("parquet", "csv"):
        client.labelings.labels(labels_id).save(folder / f"labels.{format_}")
    reporter.update(Status("download", ended="done"))
    summary = {
        "folder": str(folder.resolve()),
        "seconds": job.seconds,
        "pipeline": made,
        "request": job.spec,
        "label_accuracy": client.anchor_sets.get(made["anchor_set_id"]).label_accuracy,
        "labeling": client.labelings.get(labels_id).body,
        "model": client.models.get(model_id).body,
        "forecast": client.forecasts.get(made["forecast_id"]).body if made.get("forecast_id") else None,
        "transfer": client.transfers.get(made["transfer_id"]).body if made.get("transfer_id") else None,
    }
    part = folder / f".{RUN_FILE}.part"
    part.write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
    part.replace(folder / RUN_FILE)
    return summary


def show(summary: JsonObject) -> None:
    """The table, and how to load the weights."""
    print_fields(rows(summary))
    print_line("")
    for line in how_to_load(Path(summary["folder"])):
        print_line(line)


def rows(summary: JsonObject) -> dict[str, str]:
    """The run in a few figures."""
    labeling, model = summary["labeling"], summary["model"]
    metrics = model["metrics"]
    largest = sorted(labeling["classes"], key=lambda c: -c["count"])[:3]
    shown = {
        "labels made": f"{labeling['n_items']} images, {labeling['n_classes']} classes",
        "largest classes": ", ".join(f"{c['name']} ({c['count']})" for c in largest),
        "degenerate share": f"{labeling['degenerate_share']:.1%}",
        "source accuracy": f"{metrics['source_accuracy']:.1%} of pseudo-labels held out",
    }
    if summary["label_accuracy"] is not None:
        shown["label accuracy"] = f"{interval(summary['label_accuracy'])} of labelled images left out"
    if earlier := summary["pipeline"]["rounds"]:
        shown["earlier rounds"] = ", ".join(made["model_id"] for made in earlier)
    if summary["forecast"] is not None:
        shown["forecast"] = _forecast(summary["forecast"], model["id"])
    if summary["transfer"] is not None:
        shown["target accuracy"] = interval(summary["transfer"]["accuracy"])
        shown["from scratch"] = interval(summary["transfer"]["scratch_accuracy"])
        shown["fine-tuned model"] = f"{summary['transfer']['base_model_id']} (`g2l models pull` fetches it)"
    if summary["seconds"] is not None:
        shown["time"] = duration(summary["seconds"])
    shown["training speed"] = f"{metrics['images_per_second']:.0f} images/s"
    return shown


def _forecast(forecast: JsonObject, model_id: str) -> str:
    source = next(s for s in forecast["sources"] if s["model_id"] == model_id)
    words = interval(source["expected_accuracy"])
    past = f"{forecast['n_past_targets']} past targets"
    return words if forecast["calibrated"] else f"{words}, not calibrated: {past}"
