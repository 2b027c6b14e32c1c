"""Requests: authenticated, repeated where connections break, refused with the service's words."""

import socket
from itertools import pairwise

import httpx
import pytest

from g2l.client import ApiError, Client, UnreachableError
from g2l.client.retries import Schedule, retry_after
from tests.fixtures.clients import Connect
from tests.g2l.client.scripted import Answer, Cut, Scripted, as_json, problem


def test_the_key_is_shown(client: Client, service: Scripted) -> None:
    service.in_turn(as_json({"id": "ds_1"}))
    assert client.datasets.get("ds_1").id == "ds_1"
    assert service.seen[0].headers["authorization"] == "Bearer g2l_secret"


def test_address_and_key_come_from_the_environment(
    service: Scripted, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("G2L_URL", service.url + "/")
    monkeypatch.setenv("G2L_API_KEY", "g2l_other")
    service.in_turn(as_json({"id": "ds_1"}))
    client = connect()
    client.datasets.get("ds_1")
    assert client.url == service.url
    assert service.seen[0].headers["authorization"] == "Bearer g2l_other"


def test_a_proxy_is_not_asked_for_this_machine(
    service: Scripted, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    service.in_turn(as_json({"id": "ds_1"}))
    assert connect(service.url).datasets.get("ds_1").id == "ds_1"


def test_a_cut_connection_is_tried_again(client: Client, service: Scripted) -> None:
    service.in_turn(
        Cut(), Answer(b'{"id": "ds_', headers={"Content-Length": "99"}, cut_after=5), as_json({"id": "ds_1"})
    )
    assert client.datasets.get("ds_1").id == "ds_1"
    assert len(service.seen) == 3


def test_a_busy_service_is_asked_again_after_the_time_it_says(client: Client, service: Scripted) -> None:
    busy = Answer(b"{}", 503, {"Retry-After": "0.3"})
    service.in_turn(busy, as_json({"id": "ds_1"}))
    assert client.datasets.get("ds_1").id == "ds_1"
    assert len(service.seen) == 2


def test_each_post_has_a_key_of_its_own(client: Client, service: Scripted) -> None:
    service.in_turn(as_json({"id": "job_1", "kind": "labeling", "state": "queued"}, 202))
    for _ in range(2):
        client.labelings.create(dataset_id="ds_1", anchor_set_id="anc_1")
    first, second = (seen.headers["idempotency-key"] for seen in service.seen)
    assert first != second
    assert service.seen[0].json() == {"dataset_id": "ds_1", "anchor_set_id": "anc_1"}


def test_a_refusal_says_what_to_mend(client: Client, service: Scripted) -> None:
    errors = [{"pointer": "#/length", "detail": "Input should be at most 16"}]
    service.in_turn(problem(422, "invalid-request", "The request has one mistake", errors=errors))
    with pytest.raises(ApiError) as caught:
        client.labelings.create(dataset_id="ds_1", anchor_set_id="anc_1", length=99)
    error = caught.value
    assert (error.status, error.code, error.detail) == (422, "invalid-request", "The request has one mistake")
    assert [(e.pointer, e.detail) for e in error.errors] == [("#/length", "Input should be at most 16")]
    assert str(error) == (
        "invalid-request: The request has one mistake\n  at #/length: Input should be at most 16"
    )
    assert len(service.seen) == 1


def test_an_error_that_is_no_problem_is_still_told(client: Client, service: Scripted) -> None:
    service.in_turn(Answer(b"<h1>Forbidden by the gateway</h1>", 403))
    with pytest.raises(ApiError, match=r"403 Forbidden.*Forbidden by the gateway") as caught:
        client.datasets.get("ds_1")
    assert caught.value.status == 403


def test_another_kind_of_service(client: Client, service: Scripted) -> None:
    service.in_turn(Answer(b"<h1>It works!</h1>"))
    with pytest.raises(ApiError, match=r"It works!.*is a g2l service at this address"):
        client.datasets.get("ds_1")


def test_nobody_there(connect: Connect) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UnreachableError, match=f"no answer from {url}.*(refused|failed)"):
            connect(url).datasets.get("ds_1")


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://localhost", "http://"])
def test_an_address_that_is_none(connect: Connect, url: str) -> None:
    with pytest.raises(UnreachableError, match="no answer from"):
        connect(url).datasets.get("ds_1")


def test_lists_go_on_to_the_last_page(client: Client, service: Scripted) -> None:
    service.in_turn(
        as_json({"items": [{"id": "mdl_3"}, {"id": "mdl_2"}], "next_cursor": "abc="}),
        as_json({"items": [{"id": "mdl_1"}], "next_cursor": None}),
    )
    found = client.models.list(role="source", arch=None)
    assert [model.id for model in found] == ["mdl_3", "mdl_2", "mdl_1"]
    assert [seen.path for seen in service.seen] == [
        "/v1/models?limit=200&role=source",
        "/v1/models?limit=200&role=source&cursor=abc%3D",
    ]


def test_ids_cannot_leave_their_place(client: Client, service: Scripted) -> None:
    with pytest.raises(ApiError):
        client.datasets.get("../jobs?x")
    assert service.seen[0].path == "/v1/datasets/..%2Fjobs%3Fx"


def test_labels_are_streamed_line_by_line(client: Client, service: Scripted) -> None:
    lines = ['{"label": "a-b\u2028c"}', '{"label": "d"}']
    service.in_turn(Answer("\n".join(lines).encode()))
    assert [row["label"] for row in client.labelings.labels("lab_1")] == ["a-b\u2028c", "d"]


def test_labels_that_are_cut_are_an_error(client: Client, service: Scripted) -> None:
    service.in_turn(Answer(b'{"label": "a"}\n{"label": "b"}\n', cut_after=17))
    labels = iter(client.labelings.labels("lab_1"))
    assert next(labels) == {"label": "a"}
    with pytest.raises(UnreachableError):
        next(labels)


def test_pauses_double_and_end() -> None:
    schedule = Schedule(60.0)
    pauses = [schedule.pause() or 0.0 for _ in range(10)]
    assert pauses[0] < 0.2
    assert max(pauses) < 13
    assert all(later > 1.3 * earlier for earlier, later in pairwise(pauses[:6]))


def test_a_wait_that_is_too_long_is_not_begun() -> None:
    assert Schedule(5.0).pause(at_least=6.0) is None
    assert Schedule(0.0).pause() is None
    schedule = Schedule(5.0)
    assert schedule.pause(at_least=4.0) == 4.0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0.0), ("soon", 0.0), ("2", 2.0), ("0.5", 0.5), ("-1", 0.0), ("nan", 0.0), ("120", 120.0)],
)
def test_retry_after(header: str | None, seconds: float) -> None:
    assert retry_after(httpx.Response(503, headers={"Retry-After": header} if header else {})) == seconds


def test_retry_after_a_date() -> None:
    past = httpx.Response(503, headers={"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT"})
    later = httpx.Response(503, headers={"Retry-After": "Fri, 31 Dec 2999 23:59:59 GMT"})
    assert retry_after(past) == 0.0
    assert retry_after(later) > 1e9


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_post_to_a_busy_service_is_the_same_at_every_try(
    client: Client, service: Scripted, status: int
) -> None:
    service.in_turn(Cut(), Answer(b"busy", status), as_json({"id": "job_1", "kind": "transfer"}, 202))
    assert client.transfers.create(dataset_id="ds_1").id == "job_1"
    assert len(service.seen) == 3
    assert len({seen.headers["idempotency-key"] for seen in service.seen}) == 1
    assert {seen.body for seen in service.seen} == {b'{"dataset_id":"ds_1"}'}


def test_a_service_that_stays_busy_is_told_of_in_the_end(connect: Connect, service: Scripted) -> None:
    service.in_turn(problem(503, "not-ready"))
    client = connect(service.url, retry_for=0.5)
    with pytest.raises(ApiError) as caught:
        client.datasets.get("ds_1")
    assert caught.value.code == "not-ready"
    assert len(service.seen) > 1


def test_a_service_that_wants_more_patience_than_there_is_gets_no_other_try(
    client: Client, service: Scripted
) -> None:
    service.in_turn(Answer(b"{}", 429, {"Retry-After": "Fri, 31 Dec 2999 23:59:59 GMT"}))
    with pytest.raises(ApiError):
        client.datasets.get("ds_1")
    assert len(service.seen) == 1


@pytest.mark.parametrize("status", [400, 404, 409, 422, 500])
def test_a_refusal_is_not_tried_again(client: Client, service: Scripted, status: int) -> None:
    service.in_turn(problem(status, "no"))
    with pytest.raises(ApiError):
        client.transfers.create(dataset_id="ds_1")
    assert len(service.seen) == 1


def test_errors_show_themselves(client: Client, service: Scripted) -> None:
    errors = [{"pointer": "#/length", "detail": "at most 16"}]
    service.in_turn(problem(422, "invalid-request", "One field cannot be used", errors=errors))
    with pytest.raises(ApiError) as caught:
        client.datasets.get("ds_1")
    assert repr(caught.value) == "<ApiError 422 invalid-request: One field cannot be used; #/length>"
    assert caught.value.pointers == ("#/length",)
