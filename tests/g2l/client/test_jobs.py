"""Jobs: waited for, watched, read."""

from typing import Any

import pytest

from g2l.client import Client, JobFailedError, NotMadeError, Problem, UnreachableError, WaitTimeoutError
from g2l.client.events import Event, Parser
from g2l.client.job_answers import JobAnswer
from g2l.client.values import FieldError, read
from tests.fixtures.clients import Connect
from tests.g2l.client.scripted import Answer, Scripted, Seen, as_json


def body(state: str, **more: Any) -> dict[str, Any]:
    return {
        "id": "job_1",
        "kind": "model",
        "state": state,
        "progress": {"done": 1, "total": 2, "unit": "epochs"},
    } | more


def test_a_log_is_followed_without_a_gap_until_the_job_is_over(service: Scripted, client: Client) -> None:
    logs = [
        Answer(b"one\ntwo\nthr", headers={"Content-Length": "99"}, cut_after=11),
        Answer(b"one\ntwo\nthree\n"),  # the service stops while the job goes on
        Answer(b"one\ntwo\nthree\nfour\n"),
    ]
    states = ["running", "succeeded"]

    def answer(seen: Seen) -> Answer:
        if "/logs" in seen.path:
            assert seen.path == "/v1/jobs/job_1/logs?follow=true"
            return logs.pop(0)
        return as_json(body(states.pop(0)))

    service.answer = answer
    assert list(client.jobs.log_lines("job_1")) == ["one", "two", "three", "four"]
    assert (logs, states) == ([], [])


def test_a_job_as_a_value() -> None:
    job: JobAnswer = read(
        JobAnswer,
        body(
            "succeeded",
            started_at="2026-11-24T10:00:00Z",
            finished_at="2026-11-24T10:00:02.5Z",
            result={"kind": "model", "id": "mdl_1", "href": "/v1/models/mdl_1"},
            children=["job_2"],
            a_later_field=1,
        ),
    )
    assert job.finished
    assert job.seconds == 2.5
    assert job.result is not None
    assert job.result.id == "mdl_1"
    assert job.progress is not None
    assert (job.progress.done, job.progress.total, job.progress.unit) == (1, 2, "epochs")
    assert job.children == ("job_2",)
    assert job["a_later_field"] == 1


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


def test_a_job_knows_what_it_made(client: Client, service: Scripted) -> None:
    made = {"kind": "model", "id": "mdl_1", "href": "/v1/models/mdl_1"}
    service.in_turn(as_json(body("succeeded", result=made)), as_json({"id": "mdl_1", "arch": "resnet-tiny"}))
    model = client.jobs.get("job_1").resource()
    assert (model.id, model.arch) == ("mdl_1", "resnet-tiny")
    assert service.seen[1].path == "/v1/models/mdl_1"


def test_a_job_that_is_not_over_has_made_nothing(client: Client, service: Scripted) -> None:
    service.in_turn(as_json(body("running")))
    with pytest.raises(NotMadeError, match="job_1 is running; wait for it first"):
        client.jobs.get("job_1").resource()


def test_a_job_is_waited_for_with_its_progress(
    client: Client, service: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    over = body("succeeded", stage="save")
    service.in_turn(as_json(body("queued")), as_json(body("running", stage="train")), as_json(over))
    assert client.jobs.get("job_1").wait(progress=True).state == "succeeded"
    told = capsys.readouterr().err.splitlines()
    assert told[0] == "pretraining: train, 1/2 epochs"
    assert told[1].startswith("pretraining: done after ")


def test_a_pipeline_shows_its_stages(
    client: Client, service: Scripted, capsys: pytest.CaptureFixture[str]
) -> None:
    jobs = {
        "/v1/jobs/job_1": body("succeeded", kind="pipeline", children=["job_2", "job_3"]),
        "/v1/jobs/job_2": body("succeeded", kind="labeling"),
        "/v1/jobs/job_3": body("succeeded", kind="transfer", spec={"model_id": None}),
    }
    service.answer = lambda seen: as_json(jobs[seen.path.partition("?")[0]])
    client.jobs.wait("job_1", progress=True)
    told = [line.partition(" after")[0] for line in capsys.readouterr().err.splitlines()]
    assert told == ["labeling: done", "from scratch: done"]


def test_an_interrupt_says_that_the_job_goes_on(
    client: Client, service: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    service.in_turn(as_json(body("running")))
    with pytest.raises(KeyboardInterrupt) as caught:
        client.jobs.wait("job_1", on_update=interrupt)
    assert "job_1 goes on in the service" in caught.value.__notes__[0]
    assert [seen.method for seen in service.seen] == ["GET"]


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


def test_events_give_up_on_a_service_that_is_gone(connect: Connect) -> None:
    with pytest.raises(UnreachableError):
        list(connect("http://127.0.0.1:1").jobs.events("job_1"))


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
    parser = Parser()
    assert [event for line in lines if (event := parser.feed(line))] == [
        Event("7", "state", {"a": 1}),
        Event("", "message", {}),
    ]


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
