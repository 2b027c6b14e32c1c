"""`g2l forecast`."""

from typing import Annotated

import typer

from g2l.cli.follow import finish
from g2l.cli.groups import resource_group
from g2l.cli.options import LabelBudget, Name, given
from g2l.cli.session import Session, Wait, command

group = resource_group(
    "How well sources will do on a target, before any transfer.",
    lambda client: client.forecasts,
    columns=("id", "dataset_id", "calibrated", "sources", "created_at"),
)


@command(group, "create")
def create(
    session: Session,
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The target, ds_….")],
    models: Annotated[list[str], typer.Argument(metavar="MODEL…", help="The candidates, mdl_….")],
    label_budget: LabelBudget = None,
    target_accuracy: Annotated[float | None, typer.Option(help="What is hoped for, between 0 and 1.")] = None,
    name: Name = None,
    wait: Wait = True,
) -> None:
    """Rank sources for a target."""
    fields = given(name=name, label_budget=label_budget, target_accuracy=target_accuracy)
    job = session.client.forecasts.create(dataset_id=dataset, model_ids=models, **fields)
    finish(session, job, wait_for_it=wait)
