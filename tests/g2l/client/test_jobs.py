"""Jobs: waited for, watched, read."""

from typing import Any

import pytest

from g2l.client import Client, Job, JobFailedError, Problem, UnreachableError, WaitTimeoutError
from g2l.client.events import Event, parse
from g2l.client.values import FieldError
from tests.g2l.client.scripted import Answer, Scripted, as_json


def body(state: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "job_1",
        "kind": "model",
        "state": state,
        "progress": {"done": 1, "total": 2, "unit": "epochs"},
    } | more


def test_a_job_as_a_value() -> None:
    job = Job.from_json(
        body(
            "succeeded",
            started_at="2026-11-24T10:00:00Z",
            finished_at="2026-11-24T10:00:02.5Z",
            result={"kind": "model", "id": "mdl_1", "href": "/v1/models/mdl_1"},
            children=["job_2"],
            a_later_field=1,
        )
    )
    assert job.finished
    assert job.seconds == 2.5
    assert job.result is not None
    assert job.result.id == "mdl_1"
    assert job.progress is not None
    assert (job.progress.done, job.progress.total, job.progress.unit) == (1, 2, "epochs")
    assert job.children == ("job_2",)
    assert job.body["a_later_field"] == 1


def test_waiting_ends_with_the_job(client: Client, service: Scripted) -> None:
    service.in_turn(as_json(body("running")), as_json(body("succeeded")))
    states: list[str] = []
    job = client.jobs.wait("job_1", on_update=lambda now: states.append(now.state))
    assert job.state == "succeeded"
    assert states == ["running", "succeeded"]
    assert service.seen[0].path == "/v1/jobs/job_1?wait=1"


def test_a_failed_job_is_an_error_with_its_reason(client: Client, service: Scripted) -> None:
    errors = [{"pointer": "#/file", "detail": "it is empty"}]
    error = {"type": "/problems/no-images", "title": "No images", "detail": "0 of 3", "errors": errors}
    service.in_turn(as_json(body("failed", error=error)))
    with pytest.raises(JobFailedError) as caught:
        client.jobs.wait("job_1")
    assert caught.value.job.id == "job_1"
    assert caught.value.problem.code == "no-images"
    assert str(caught.value) == "No images: 0 of 3\n  at #/file: it is empty"


def test_a_cancelled_job_is_an_error_too(client: Client, service: Scripted) -> None:
    service.in_turn(as_json(body("cancelled", error=None)))
    with pytest.raises(JobFailedError, match=r"The job was cancelled: job_1 \(model\)"):
        client.jobs.wait("job_1")


def test_waiting_can_end_before_the_job(client: Client, service: Scripted) -> None:
    service.in_turn(as_json(body("running")))
    with pytest.raises(WaitTimeoutError, match=r"job_1 is running after 0\.6 s") as caught:
        client.jobs.wait("job_1", timeout=0.6)
    assert caught.value.job.state == "running"


def test_result_is_what_the_job_names(client: Client, service: Scripted) -> None:
    service.in_turn(as_json({"id": "mdl_1"}))
    job = Job.from_json(
        body("succeeded", result={"kind": "model", "id": "mdl_1", "href": "/v1/models/mdl_1"})
    )
    assert client.jobs.result(job) == {"id": "mdl_1"}
    assert service.seen[0].path == "/v1/models/mdl_1"


def test_events_are_taken_up_again_after_a_cut(client: Client, service: Scripted) -> None:
    first = b'id: 1\nevent: state\ndata: {"state": "running"}\n\nid: 2\nevent: stage\ndata: {"sta'
    rest = b': ping\n\nid: 2\nevent: stage\ndata: {"stage": "fit"}\n\n'
    end = b'id: 3\nevent: state\ndata: {"state": "failed"}\n\nid: 4\ndata: {}\n\n'
    service.in_turn(
        Answer(first, headers={"Content-Length": "9999"}, cut_after=len(first)),
        Answer(rest + end),
    )
    assert [event.id for event in client.jobs.events("job_1")] == ["1", "2", "3"]
    assert [seen.headers.get("last-event-id") for seen in service.seen] == [None, "1"]


def test_events_give_up_on_a_service_that_is_gone(service: Scripted) -> None:
    with Client("http://127.0.0.1:1") as gone, pytest.raises(UnreachableError):
        list(gone.jobs.events("job_1"))


def test_event_streams_are_parsed_as_the_standard_says() -> None:
    lines = [
        ": comment",
        "",
        "event:state",
        "id: 7",
        'data: {"a":',
        "data: 1}",
        "",
        "data: {}",
        "",
        "data: half",
    ]
    assert list(parse(lines)) == [Event("7", "state", {"a": 1}), Event("", "message", {})]


def test_cancel_and_retry_post(client: Client, service: Scripted) -> None:
    service.in_turn(as_json(body("running"), 202))
    client.jobs.cancel("job_1")
    client.jobs.retry("job_1")
    assert [(seen.method, seen.path) for seen in service.seen] == [
        ("POST", "/v1/jobs/job_1/cancel"),
        ("POST", "/v1/jobs/job_1/retry"),
    ]


@pytest.mark.parametrize(
    ("detail", "shown"),
    [
        ("one mistake", "Refused: one mistake\n  at #/length: at most 16"),
        ("at most 16", "Refused: at most 16\n  at #/length"),
        ("#/length: at most 16", "Refused: #/length: at most 16"),
    ],
)
def test_a_problem_says_nothing_twice(detail: str, shown: str) -> None:
    assert (
        str(Problem("/problems/x", "Refused", 422, detail, (FieldError("#/length", "at most 16"),))) == shown
    )
