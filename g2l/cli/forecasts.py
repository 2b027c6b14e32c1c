"""`g2l forecast`."""

from typing import Annotated, Any

import typer

from g2l.cli.follow import finish
from g2l.cli.groups import resource_group
from g2l.cli.options import LabelBudget, Name, given
from g2l.cli.output import print_fields, print_line, print_rows
from g2l.cli.session import Session, Wait, command

group = resource_group(
    "How well sources will do on a target, before any transfer.",
    lambda client: client.forecasts,
    columns=("id", "dataset_id", "calibrated", "n_past_targets", "created_at"),
    own_show=True,
)
SHOWN_OF_A_SOURCE = (
    "rank",
    "model_id",
    "expected_accuracy",
    "scratch_accuracy",
    "outcome",
    "reaches_target",
    "needed_label_budget",
    "scores",
    "divergences",
)
SCORES = ("calibrated", "version", "n_outcomes", "n_targets", "mean_absolute_error", "coverage")


@command(group, "show")
def show(session: Session, id_: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show one, its best source first."""
    body = session.client.forecasts.get(id_).body
    session.show(body, lambda: _print(body))


@command(group, "outcomes")
def outcomes(session: Session) -> None:
    """How forecasts fared whose transfers were run, in all and by calibration."""
    body = session.client.forecasts.outcomes().body
    session.show(body, lambda: print_rows(SCORES, body["items"]))


@command(group, "create")
def create(
    session: Session,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The target, ds_….")],
    models: Annotated[list[str], typer.Argument(metavar="MODEL…", help="The candidates, mdl_….")],
    label_budget: LabelBudget = None,
    target_accuracy: Annotated[float | None, typer.Option(help="What is hoped for, between 0 and 1.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Pixels that the transfers will run at.")] = None,
    name: Name = None,
    wait: Wait = True,
) -> None:
    """Rank sources for a target."""
    fields = given(
        name=name, label_budget=label_budget, image_size=image_size, target_accuracy=target_accuracy
    )
    job = session.client.forecasts.create(dataset_id=dataset, model_ids=models, **fields)
    finish(session, job, wait_for_it=wait)


def _print(body: dict[str, Any]) -> None:
    print_fields({name: value for name, value in body.items() if name != "sources"})
    for source in sorted(body["sources"], key=lambda source: source["rank"]):
        print_line("")
        shown = {name: source[name] for name in SHOWN_OF_A_SOURCE if source.get(name) is not None}
        label = source.get("target_label")
        print_fields(shown | ({"target_label": label["label"]} if label else {}))
