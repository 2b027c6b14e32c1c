"""`g2l anchors`."""

from typing import Annotated

import typer

from g2l.cli.anchor_words import AnchorWord
from g2l.cli.follow import finish
from g2l.cli.groups import resource_group
from g2l.cli.options import Embedders, FitOn, Metric, Name, Seed, chosen, given
from g2l.cli.session import Session, UsageError, Wait, command

group = resource_group(
    "Named points in one embedding, between which labels are made.",
    lambda client: client.anchor_sets,
    columns=("id", "name", "metric", "k", "created_at"),
)


@command(group, "create")
def create(
    session: Session,
    anchor: Annotated[
        list[str] | None, typer.Option(metavar="NAME=ds_…[:CLASS]", help="A given anchor; repeat it.")
    ] = None,
    discover: Annotated[str | None, typer.Option(metavar="ds_…", help="Find them in this dataset.")] = None,
    k: Annotated[int | None, typer.Option(help="How many to find.")] = None,
    labelled: Annotated[
        str | None, typer.Option(metavar="ds_…", help="Take the classes of this dataset, by labelled images.")
    ] = None,
    label_budget: Annotated[int | None, typer.Option(help="Labelled images a class; all by default.")] = None,
    embedder: Embedders = None,
    metric: Metric = None,
    fit_on: FitOn = None,
    name: Name = None,
    seed: Seed = None,
    wait: Wait = True,
) -> None:
    """Make an anchor set: of given anchors, of discovered ones, or of a labelled dataset's classes.

    The labelled images are those that a transfer of that label budget and seed learns from.
    """
    if [bool(anchor), bool(discover), bool(labelled)].count(True) != 1:
        raise UsageError("give one of --anchor (once for each), --discover and --labelled with a dataset")
    if label_budget is not None and not labelled:
        raise UsageError("--label-budget is of --labelled; leave it out")
    fields = given(name=name, embedder=chosen(embedder), metric=metric, fit_on=fit_on or None, seed=seed)
    if discover:
        fields["discover"] = given(dataset_id=discover, k=k)
    elif labelled:
        fields["labelled"] = given(dataset_id=labelled, label_budget=label_budget, seed=seed)
    else:
        fields["anchors"] = [_request(word) for word in anchor or []]
    finish(session, session.client.anchor_sets.create(**fields), wait_for_it=wait)


def _request(word: str) -> dict[str, str]:
    parsed = AnchorWord.parse(word)
    if parsed.dataset_id is None:
        raise UsageError(f"--anchor {parsed.name}: upload {parsed.path} with `g2l datasets create` first")
    return parsed.request(parsed.dataset_id)
