"""What of the client is written by scripts is what they would write now."""

import inspect
from typing import Any, get_type_hints

import pytest

from app.main import create_app
from g2l.client import AsyncClient, Client, requests
from scripts import client_types, sync_client

SERVICE = create_app().openapi()["components"]["schemas"]


def test_the_sync_client_is_what_the_async_one_says() -> None:
    assert sync_client.stale() == [], "run `make generate`"


@pytest.mark.parametrize("path", [client_types.REQUESTS, client_types.ANSWERS], ids=lambda path: path.name)
def test_the_types_are_those_of_the_service(path: Any) -> None:
    assert path.read_text() == client_types.written()[path], "run `make generate`"


@pytest.mark.parametrize(
    ("spec", "schemas"),
    [
        ("AnchorSetSpec", ["AnchorSetSpec"]),
        ("GeometryLabelingSpec", ["GeometryLabelingSpec"]),
        ("PipelineSpec", ["PipelineSpec"]),
        ("TrainModelSpec", ["PseudoLabelModelSpec", "HumanLabelModelSpec"]),
        ("TransferSpec", ["TransferSpec"]),
    ],
)
def test_every_field_of_a_request_can_be_given(spec: str, schemas: list[str]) -> None:
    wanted = {name for schema in schemas for name in SERVICE[schema]["properties"]}
    assert wanted - {"method"} <= set(get_type_hints(getattr(requests, spec)))


def test_both_clients_have_the_same_methods() -> None:
    plain, other = Client(), AsyncClient()
    try:
        for name in vars(plain):
            if not name.startswith("_"):
                assert _methods(getattr(plain, name)) == _methods(getattr(other, name))
    finally:
        plain.close()


def _methods(thing: object) -> dict[str, list[str]]:
    methods = inspect.getmembers(thing, inspect.ismethod)
    return {name: list(inspect.signature(method).parameters) for name, method in methods if name[0] != "_"}
