"""Who asked for a job is seen in the logs and traces of every process that it went through."""

import io
import json
import time
from collections.abc import Callable
from typing import Any
from zipfile import ZipFile

import httpx
import pytest

from tests.fixtures.collector import Collector
from tests.fixtures.images import picture, saved
from tests.fixtures.service import RunningService
from tests.workers.service import PATIENCE

pytestmark = pytest.mark.e2e
REQUEST_ID = "asked-by-the-telemetry-test"
TRACE_ID, CALLER_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture(scope="module")
def job(service: RunningService) -> dict[str, Any]:
    """A dataset's job that is over, asked for by a client that traces, too."""
    file = io.BytesIO()
    with ZipFile(file, "w") as archive:
        for seed in range(12):
            archive.writestr(f"{seed}.png", saved(picture(900_000 + seed), "PNG"))
    headers = {"X-Request-ID": REQUEST_ID, "traceparent": f"00-{TRACE_ID}-{CALLER_ID}-01"}
    with httpx.Client(base_url=service.url, timeout=PATIENCE) as client:
        answer = client.post(
            "/v1/datasets",
            data={"name": "traced"},
            files={"file": ("pool.zip", file.getvalue())},
            headers=headers,
        )
        assert answer.status_code == 202, answer.text
        assert answer.headers["x-request-id"] == REQUEST_ID
        url = answer.headers["location"]
        seen = until(
            lambda: client.get(url).json(), lambda job: job["state"] in ("succeeded", "failed", "cancelled")
        )
    assert seen["state"] == "succeeded", seen["error"]
    return dict(seen)


def test_one_trace_goes_from_the_request_to_the_stages_of_the_job(
    job: dict[str, Any], collector: Collector
) -> None:
    spans = until(lambda: collector.trace(TRACE_ID), lambda spans: "attempt dataset" in spans)

    request, submit = spans["POST /v1/datasets"], spans["submit dataset"]
    attempt, run = spans["attempt dataset"], spans["run dataset"]
    assert request.parent_id == CALLER_ID
    assert [submit.parent_id, attempt.parent_id, run.parent_id] == [request.id, submit.id, attempt.id]
    assert [each.service for each in (request, attempt, run)] == ["g2l-api", "g2l-worker", "g2l-job"]
    assert {each.attributes["g2l.job_id"] for each in (submit, attempt, run)} == {job["id"]}
    assert attempt.attributes["g2l.request_id"] == REQUEST_ID
    stages = {span.name for span in spans.values() if span.parent_id == run.id}
    assert stages
    assert job["stage"] in stages


def test_lines_of_the_logs_name_request_and_job(job: dict[str, Any], service: RunningService) -> None:
    submitted = [line for line in lines(service, "api") if line.get("job_id") == job["id"]]
    assert [line["request_id"] for line in submitted] == [REQUEST_ID]
    attended = until(
        lambda: [line for line in lines(service, "worker-*") if line.get("job_id") == job["id"]],
        lambda lines: any(line["event"] == "attempt ended" for line in lines),
    )
    assert {(line["request_id"], line["attempt"]) for line in attended} == {(REQUEST_ID, job["attempt"])}


def lines(service: RunningService, program: str) -> list[dict[str, Any]]:
    """What a program has logged, as JSON."""
    found = (path.read_text().splitlines() for path in (service.home / "logs").glob(f"{program}.log"))
    return [json.loads(line) for log in found for line in log if line.startswith("{")]


def until(look: Callable[[], Any], good: Callable[[Any], bool]) -> Any:
    """What is seen once it is good."""
    deadline = time.monotonic() + PATIENCE
    while not good(seen := look()):
        assert time.monotonic() < deadline, seen
        time.sleep(0.1)
    return seen
