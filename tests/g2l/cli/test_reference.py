"""Every command explains itself, and every field of a request can be given on the command line."""

import inspect
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from g2l.cli import anchors, examples, forecasts, labelings, pretraining, run, transfers
from g2l.cli.main import build
from g2l.client import requests
from scripts import cli_reference


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


ALL = dict(commands(typer.main.get_command(build())))


def test_the_page_is_what_the_commands_say() -> None:
    assert cli_reference.PAGE.read_text() == cli_reference.written(), "run `make generate`"


@pytest.mark.parametrize("name", ALL)
def test_every_command_has_an_example(name: str) -> None:
    words = examples.EXAMPLES[name].split(" ")
    assert words[: len(name.split()) + 1] == ["g2l", *name.split()]
    assert examples.EXAMPLES[name] in ALL[name].epilog


@pytest.mark.parametrize("name", ALL)
def test_every_example_is_understood(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its options exist and their values are of their kinds, its arguments are as many as are wanted."""
    monkeypatch.chdir(tmp_path)
    words = shlex.split(examples.EXAMPLES[name].partition(" > ")[0])[1 + len(name.split()) :]
    with ALL[name].make_context(name, words) as context:
        assert context.params


@pytest.mark.parametrize("name", ALL)
def test_every_option_explains_itself(name: str) -> None:
    unexplained = [param.opts for param in ALL[name].params if not param.help]
    assert [opts for opts in unexplained if opts not in (["id_"], ["ids"])] == []


# What the command line calls otherwise, or takes in a form of its own.
RENAMED = {
    "anchor_set_id": "anchors",
    "anchors": "anchor",
    "dataset_id": "dataset",
    "init_model_id": "init",
    "labeling_id": "labeling",
    "model_id": "model",
    "model_ids": "models",
    "n_classes": "classes",
}
SOURCES = {
    "labeling_id": "sources",
    "labeling_ids": "sources",
    "dataset_id": "sources",
    "embedder": "embedders",
}
IN_RUN = {
    "anchor_set_id": "anchor_set",
    "discover": "anchors",
    "labelled": "target_anchors",
    "labeling": "length",
    "model": "arch",
}
TRANSFER_IN_RUN = {
    "dataset_id": "target",
    "epochs": "transfer_epochs",
    "learning_rate": "transfer_learning_rate",
    "method": "transfer_method",
}


@pytest.mark.parametrize(
    ("command", "spec", "renamed"),
    [
        (anchors.create, requests.AnchorSetSpec, {}),
        (labelings.create, requests.GeometryLabelingSpec, {}),
        (labelings.k_means, requests.KMeansLabelingSpec, {}),
        (labelings.shuffle, requests.ShuffledLabelingSpec, {}),
        (pretraining.create, requests.TrainModelSpec, SOURCES),
        (transfers.create, requests.TransferSpec, {}),
        (forecasts.create, requests.ForecastSpec, {}),
        (run.run, requests.PipelineAnchors, IN_RUN),
        (run.run, requests.GeometryOptions, {}),
        (run.run, requests.PseudoLabelOptions, {}),
        (run.run, requests.TransferOptions, TRANSFER_IN_RUN),
        (run.run, requests.PipelineSpec, {"dataset_id": "images", **IN_RUN, "transfer": "target"}),
    ],
)
def test_every_field_of_a_request_has_its_option(
    command: Callable[..., None], spec: type, renamed: dict[str, str]
) -> None:
    fields = {renamed.get(name, RENAMED.get(name, name)) for name in inspect.get_annotations(spec)}
    assert fields
    assert fields - set(inspect.signature(command).parameters) == set()
