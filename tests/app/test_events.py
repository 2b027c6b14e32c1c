"""A job's events as a stream: numbered, resumable, and over with the job."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from core.db.session import transaction
from core.jobs import events, plans, transitions
from core.jobs.transitions import Claim, Progress
from tests.app.conftest import Api
from tests.app.made import Maker


@pytest.fixture
def job(api: Api, make: Maker) -> str:
    body = {"discover": {"dataset_id": make.dataset(), "k": 4}}
    return str(api.client.post("/v1/anchor-sets", json=body).json()["id"])


def _stream(url: str, job_id: str, last: str | None = None) -> Iterator[dict[str, Any]]:
    headers = {} if last is None else {"Last-Event-ID": last}
    with httpx.stream("GET", f"{url}/v1/jobs/{job_id}/events", headers=headers, timeout=60) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        event: dict[str, Any] = {}
        for line in answer.iter_lines():
            if not line and event:
                yield event
                event = {}
            elif line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                event[name] = json.loads(value) if name == "data" else value


def _claim(job_id: str) -> Claim:
    with transaction() as session:
        held = transitions.claim(session, job_id, "w1", 600)
    assert held is not None
    return held


def _finish(held: Claim) -> None:
    with transaction() as session:
        transitions.report(session, held, Progress("embedding", 0, 10, "images"))
    for epoch in range(3):
        with transaction() as session:
            events.record(session, held.job_id, "metric", {"epoch": epoch})
    with transaction() as session:
        transitions.succeed(
            session, held, {"kind": "anchor-set", "id": "anc_x", "href": "/v1/anchor-sets/anc_x"}
        )


def test_a_finished_job_tells_all_and_ends(api: Api, job: str) -> None:
    _finish(_claim(job))
    told = list(_stream(api.url, job))
    assert [event["id"] for event in told] == [str(i) for i in range(1, len(told) + 1)]
    assert [event["event"] for event in told] == [
        "state",
        "state",
        "stage",
        "metric",
        "metric",
        "metric",
        "state",
    ]
    assert told[-1]["data"] == {"state": "succeeded"}


def test_a_stream_goes_on_where_it_was_cut(api: Api, job: str) -> None:
    _finish(_claim(job))
    whole = list(_stream(api.url, job))
    for place, event in enumerate(whole):
        assert list(_stream(api.url, job, last=event["id"])) == whole[place + 1 :]
    assert list(_stream(api.url, job, last="nonsense")) == whole


def test_many_listeners_hear_the_same_though_one_goes_away(api: Api, job: str) -> None:
    with ThreadPoolExecutor(20) as listeners:
        heard = [listeners.submit(lambda: list(_stream(api.url, job))) for _ in range(20)]
        leaving = _stream(api.url, job)
        next(leaving)
        held = _claim(job)
        leaving.close()  # type: ignore[attr-defined]
        _finish(held)
        told = [[event["id"] for event in each.result() if "id" in event] for each in heard]
    assert told == [[str(number) for number in range(1, 8)]] * 20


def test_a_listener_hears_everything_while_it_happens(api: Api, job: str) -> None:
    told: list[dict[str, Any]] = []
    listener = threading.Thread(target=lambda: told.extend(_stream(api.url, job)))
    listener.start()
    held = _claim(job)
    with transaction() as session:
        transitions.report(session, held, Progress("reading", 0, 10, "bytes"))
    with transaction() as session:
        transitions.report(session, held, Progress("reading", 5, 10, "bytes"))
    deadline = time.monotonic() + 30
    while not any(event["event"] == "progress" and event["data"]["done"] == 5 for event in told):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    _finish(held)
    listener.join(30)
    assert not listener.is_alive()
    numbers = [int(event["id"]) for event in told if "id" in event]
    assert numbers == list(range(1, len(numbers) + 1))
    assert all(event["event"] == "progress" for event in told if "id" not in event)


def test_a_parent_tells_of_its_stages(api: Api, make: Maker) -> None:
    parent = api.client.post("/v1/pipelines", json={"dataset_id": make.dataset({"a": 64})}).json()["id"]
    with transaction() as session:
        plans.cancel(session, parent)
    told = [(event["event"], event["data"]) for event in _stream(api.url, parent)]
    assert told == [
        ("state", {"state": "running"}),
        ("stage", {"stage": "anchors"}),
        ("state", {"state": "cancelled"}),
    ]


def test_a_server_that_stops_ends_its_streams_and_waits(api: Api, job: str) -> None:
    command = [sys.executable, "-m", "uvicorn", "--factory", "app.main:create_app", "--fd"]
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.set_inheritable(True)
        words = [*command, str(listener.fileno()), "--timeout-graceful-shutdown", "30"]
        process = subprocess.Popen(words, pass_fds=[listener.fileno()], env=dict(os.environ))
    try:
        told: list[object] = []
        waiting = threading.Thread(
            target=lambda: told.append(httpx.get(f"{url}/v1/jobs/{job}?wait=60", timeout=90))
        )
        waiting.start()
        stream = _stream(url, job)
        assert next(stream)["event"] == "state"
        process.send_signal(signal.SIGTERM)
        assert {event["event"] for event in stream} <= {"progress"}  # and then it ends
        waiting.join(30)
        assert not waiting.is_alive()
        assert process.wait(20) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()
