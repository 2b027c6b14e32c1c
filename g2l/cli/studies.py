"""`g2l study`."""

import json
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from g2l.cli.follow import finish
from g2l.cli.groups import resource_group
from g2l.cli.labelings import FORMATS
from g2l.cli.output import print_fields, print_line, print_rows
from g2l.cli.session import Session, UsageError, Wait, command
from g2l.client.values import JsonObject

if TYPE_CHECKING:
    from g2l.client.answers import Study
    from g2l.client.sync.client import Client

group = resource_group(
    "Sources compared over targets and seeds.",
    lambda client: client.studies,
    columns=("id", "name", "baseline", "n_transfers", "complete", "created_at"),
    own_show=True,
)
EMBEDDER_IDS = ("mdl_", "emb_")
StudyId = Annotated[str, typer.Argument(metavar="STUDY", help="std_…, or the job of a study, job_….")]


@command(group, "submit")
def submit(
    session: Session,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The request, as JSON or TOML (docs/studies.md).")
    ],
    wait: Wait = True,
) -> None:
    """Compare the sources of a file; datasets and models stand there by id or by name."""
    body = _with_ids(session.client, _read(file))
    job = session.client.studies.create(**body)
    finish(session, job, wait_for_it=wait, show=lambda study: _show(session.client, study))


@command(group, "show")
def show(session: Session, study: StudyId) -> None:
    """Show how the sources did: accuracy, and points ahead of the baseline."""
    found = _find(session.client, study)
    session.show(found.body, lambda: _show(session.client, found.body))


@command(group, "report")
def report(
    session: Session,
    study: StudyId,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")] = Path("study.html"),
) -> None:
    """Fetch a study's page: tables, plots, and what the labels look like."""
    session.client.studies.report(_find(session.client, study).id, out)
    session.show({"file": str(out)}, lambda: print_line(f"wrote {out}"))


@command(group, "transfers")
def transfers(
    session: Session,
    study: StudyId,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="A .jsonl, .csv or .parquet file; stdout, as JSON lines, without."),
    ] = None,
) -> None:
    """Print a study's transfers, or write them to a file."""
    rows = session.client.studies.transfers(_find(session.client, study).id)
    if out is None:
        for row in rows:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
        return
    format_ = FORMATS.get(out.suffix.lower())
    if format_ is None:
        raise UsageError(f"--out names a .jsonl, .csv or .parquet file; got {out}")
    rows.save(out, format_)
    session.show({"file": str(out)}, lambda: print_line(f"wrote {out}"))


def _read(file: Path) -> JsonObject:
    """The request in a file.

    Raises:
        UsageError: it is none.
    """
    text = file.read_text(encoding="utf-8")
    try:
        body = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except ValueError as error:  # of both readers
        raise UsageError(f"{file} cannot be read: {error}") from None
    if not isinstance(body, dict):
        raise UsageError(f"{file} holds no object; docs/studies.md shows one")
    return body


def _with_ids(client: "Client", body: JsonObject) -> JsonObject:
    """The request with the newest of each name; what is no name stays for the service to judge."""

    def dataset(word: Any) -> Any:
        return _id_of(client, "datasets", word, "ds_")

    body = dict(body)
    for field in ("targets", "target_pools"):
        if isinstance(body.get(field), list):
            body[field] = [dataset(word) for word in body[field]]
    if "pool" in body:
        body["pool"] = dataset(body["pool"])
    if isinstance(body.get("sources"), list):
        body["sources"] = [_source(client, source) for source in body["sources"]]
    return body


def _source(client: "Client", source: Any) -> Any:
    if not isinstance(source, dict):
        return source
    found = dict(source)
    if "pool" in found:
        found["pool"] = _id_of(client, "datasets", found["pool"], "ds_")
    if "model_id" in found:
        found["model_id"] = _id_of(client, "models", found["model_id"], "mdl_")
    for part in ("anchors", "labeling", "model"):
        if isinstance(found.get(part), dict) and "embedder" in found[part]:
            found[part] = {**found[part], "embedder": _embedder(client, found[part]["embedder"])}
    if isinstance(found.get("labelings"), list):
        found["labelings"] = [_source(client, labels) for labels in found["labelings"]]
    return found


def _embedder(client: "Client", word: Any) -> Any:
    """The ids of embedders that stand there as models' names; a built-in's name stays."""
    if isinstance(word, list):
        return [_embedder(client, each) for each in word]
    if not isinstance(word, str) or word.startswith((*EMBEDDER_IDS, "source:")):
        return word
    newest = next(iter(client.models.list(name=word, limit=1)), None)
    return word if newest is None else newest.id


def _id_of(client: "Client", kind: str, word: Any, prefix: str) -> Any:
    if not isinstance(word, str) or word.startswith(prefix):
        return word
    newest = next(iter(getattr(client, kind).list(name=word, limit=1)), None)
    if newest is None:
        raise UsageError(f"the service has none of its {kind} called {word!r}; give a name or an id")
    return newest.id


def _find(client: "Client", word: str) -> "Study":
    """A study by its id or its job's.

    Raises:
        UsageError: the job has no report yet.
    """
    if not word.startswith("job_"):
        return client.studies.get(word)
    found = next(iter(client.studies.list(job_id=word, limit=1)), None)
    if found is None:
        job = client.jobs.get(word)
        progress = f", {job.progress.done} of {job.progress.total} transfers" if job.progress else ""
        raise UsageError(f"{word} is {job.state}{progress}, and has no report yet")
    return found


def _show(client: "Client", study: JsonObject) -> None:
    """A row a source, budget by budget: its mean accuracy, and how far it is ahead of the baseline."""
    names = {id_: client.datasets.get(id_).name for id_ in study["spec"]["targets"]}
    print_fields(
        {
            "id": study["id"],
            "name": study["name"],
            "transfers": study["n_transfers"],
            "missing": len(study["missing"]),
            "targets": ", ".join(names.values()),
            "baseline": study["baseline"],
        }
    )
    ahead = {
        (row["source"], row["label_budget"]): row for row in study["differences"] if row["target"] is None
    }
    rows = []
    for mean in study["table"]:
        if mean["target"] is None:
            other = ahead.get((mean["source"], mean["label_budget"]))
            rows.append(
                {
                    "source": mean["source"],
                    "labels a class": mean["label_budget"] or "all",
                    "accuracy": _points(mean["accuracy"]),
                    "points ahead": other and _points(other["difference"], signed=True),
                    "ahead on": other and f"{other['wins']} of {other['n_targets']}",
                }
            )
    print_line("")
    print_rows(("source", "labels a class", "accuracy", "points ahead", "ahead on"), rows)


def _points(interval: JsonObject, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    words = f"{100 * interval['value']:{sign}.1f}"
    if interval["low"] is None:
        return words
    return f"{words} ({100 * interval['low']:{sign}.1f} to {100 * interval['high']:{sign}.1f})"
