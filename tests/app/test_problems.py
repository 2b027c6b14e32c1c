"""One shape for every refusal, and a page for every code."""

import importlib
import pkgutil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import core
import g2l
import workers
from app import pointers, problems
from core.errors import ServiceError
from g2l.errors import G2LError
from tests.app.conftest import Api
from tests.app.made import Maker


def _subclasses(root: type[Any]) -> set[type[Any]]:
    return {root} | {found for child in root.__subclasses__() for found in _subclasses(child)}


def _raised() -> list[type[Any]]:
    """Every error that can reach a user: the service's, and those of all modules of the method."""
    for package in (g2l, core, workers):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.startswith(("g2l.cli", "g2l.client")):
                importlib.import_module(module.name)
    ours = {error for error in _subclasses(ServiceError) if not error.__module__.startswith("app.commands")}
    return sorted(ours - {ServiceError} | _subclasses(G2LError), key=lambda error: error.__name__)


def test_every_error_is_in_the_table(api: Api) -> None:
    assert {error.code for error in _raised()} <= problems.TABLE.keys()
    ours = {error.code: error.title for error in _raised() if issubclass(error, ServiceError)}
    assert {code: problems.TABLE[code].title for code in ours} == ours


def test_every_code_has_a_page(api: Api) -> None:
    for code, entry in problems.TABLE.items():
        page = api.client.get(f"/problems/{code}")
        assert page.status_code == 200
        assert page.headers["content-type"].startswith("text/html")
        assert str(entry.status) in page.text
    assert api.problem("GET", "/problems/none-such")["status"] == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v1", 404),
        ("GET", "/v1/datasets/", 404),
        ("GET", "/v1/datasets/ds_none", 404),
        ("GET", "/v1/datasets/%00", 404),
        ("GET", "/v1/datasets/ds_%C3%A4", 404),
        ("GET", "/v1/jobs/job_none", 404),
        ("GET", "/v1/jobs/job_none/events", 404),
        ("GET", "/v1/jobs/job_none/logs", 404),
        ("POST", "/v1/jobs/job_none/cancel", 404),
        ("POST", "/v1/jobs/job_none/retry", 404),
        ("GET", "/v1/pipelines/job_none", 404),
        ("DELETE", "/v1/models/mdl_none", 404),
        ("GET", "/v1/models/mdl_none/weights", 404),
        ("GET", "/v1/labelings/lab_none/labels", 404),
        ("PUT", "/v1/datasets", 405),
        ("PATCH", "/v1/jobs", 405),
        ("GET", "/v1/datasets?limit=0", 422),
        ("GET", "/v1/datasets?limit=201", 422),
        ("GET", "/v1/datasets?limit=ten", 422),
        ("GET", "/v1/datasets?cursor=nonsense", 422),
        ("GET", "/v1/datasets?cursor=WyJ4IiwgInkiXQ", 422),
        ("GET", "/v1/datasets?nmae=x", 422),
        ("GET", "/v1/datasets?name=%00", 422),
        ("GET", "/v1/jobs?state=lost", 422),
        ("GET", "/v1/jobs/job_none?wait=61", 422),
    ],
)
def test_refusals(api: Api, method: str, path: str, status: int) -> None:
    problem = api.problem(method, path)
    assert problem["status"] == status
    assert problem["instance"] == path.partition("?")[0].replace("%00", "\0").replace("%C3%A4", "ä")


def test_a_query_is_pointed_at(api: Api) -> None:
    (error,) = api.problem("GET", "/v1/datasets?limit=0")["errors"]
    assert error["pointer"] == "#/query/limit"
    assert "0" in error["detail"]


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        (b"{", ["#"]),
        (b"", ["#"]),
        (b"[]", ["#"]),
        (b'"x"', ["#"]),
        (b"null", ["#"]),
        (b"\xff\xfe", ["#"]),
        (b'{"name": "\xff"}', ["#"]),
        (b"[" * 100_000, ["#"]),
        (b'{"dataset_id": NaN}', ["#/dataset_id"]),
        (b'{"dataset_id": "ds_x", "name": "a\\u0000b"}', ["#/name"]),
        (b'{"dataset_id": "ds_\\u0000"}', ["#/dataset_id"]),
        (b'{"dataset_id": "ds_\\ud800"}', ["#/dataset_id"]),
        (b'{"dataset_id": "mdl_x"}', ["#/dataset_id"]),
        (b'{"dataset_id": "ds_x", "a/b~c": 1}', ["#/a~1b~0c"]),
        (b'{"dataset_id": "ds_x", "model": {"epochs": 1e400}}', ["#/model/epochs"]),
        (b'{"dataset_id": "ds_x", "model": {"seed": 4294967296}}', ["#/model/seed"]),
        (b'{"dataset_id": "ds_x", "model": {"learning_rate": 0}}', ["#/model/learning_rate"]),
        (
            b'{"dataset_id": "ds_x", "transfer": {"dataset_id": "ds_x", "label_budget": 0}}',
            ["#/transfer/label_budget"],
        ),
        (b'{"dataset_id": "ds_x", "transfer": {}}', ["#/transfer/dataset_id"]),
        (b'{"dataset_id": "ds_x", "anchors": {"discover": {"k": 1}}}', ["#/anchors/discover/k"]),
        (
            b'{"dataset_id": "ds_x", "anchors": {"discover": {"k": 2, "names": ["a"]}}}',
            ["#/anchors/discover"],
        ),
        (
            b'{"dataset_id": "ds_x", "labeling": {"length": 17}, "model": {"epochs": 0}}',
            ["#/labeling/length", "#/model/epochs"],
        ),
    ],
)
def test_bodies_are_pointed_at(api: Api, body: bytes, pointers: list[str]) -> None:
    refused = api.problem("POST", "/v1/pipelines", content=body, headers={"content-type": "application/json"})
    assert refused["status"] == 422
    assert [error["pointer"] for error in refused["errors"]] == pointers


def test_unions_are_pointed_at_without_their_tags(api: Api) -> None:
    assert api.pointers("/v1/labelings", {"method": "none"}) == ["#/method"]
    assert api.pointers("/v1/labelings", {"method": "k-means", "dataset_id": "ds_x"}) == ["#/n_classes"]
    assert api.pointers("/v1/labelings", {"method": "k-means", "n_classes": 1}) == [
        "#/dataset_id",
        "#/n_classes",
    ]
    assert api.pointers("/v1/models", {"objective": "none", "dataset_id": "ds_x"}) == ["#/objective"]
    assert api.pointers("/v1/models", {"labeling_id": "lab_x", "epochs": 0}) == ["#/epochs"]
    assert api.pointers("/v1/models", {"labeling_id": "lab_x", "dataset_id": "ds_x"}) == ["#/dataset_id"]


def test_other_media_types(api: Api) -> None:
    headers = {"content-type": "text/plain"}
    assert api.problem("POST", "/v1/pipelines", content=b"x", headers=headers)["status"] == 422
    assert api.problem("POST", "/v1/datasets", content=b"x", headers=headers)["status"] == 415
    assert api.problem("POST", "/v1/models", content=b"x", headers=headers)["status"] == 415


def test_a_body_without_end_is_cut(api: Api) -> None:
    problem = api.problem(
        "POST",
        "/v1/pipelines",
        content=(b" " * 65_536 for _ in range(300)),
        headers={"content-type": "application/json"},
    )
    assert problem["status"] == 413


def test_a_fault_of_ours_shows_no_trace(api: Api, make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = make.dataset()
    with monkeypatch.context() as patch:
        patch.setattr("app.resources.is_id", lambda id_: 1 / 0)
        problem = api.problem("GET", f"/v1/datasets/{dataset}")
    assert problem["status"] == 500
    assert "ZeroDivision" not in str(problem)


@given(
    st.lists(st.text() | st.integers(0, 3), max_size=4),
    st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
)
def test_any_location_is_a_pointer(loc: list[str | int], body: object) -> None:
    (error,) = pointers.field_errors([{"type": "x", "loc": ("body", *loc), "msg": "m", "input": body}], body)
    assert error["pointer"].startswith("#")
    assert error["pointer"].isascii()
