"""Jobs: what they say, how to wait for them, and how to stop and resume them."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import update

from core.db.jobs import Job, JobLog
from core.db.session import transaction
from core.errors import InvalidRequestError
from core.jobs import plans, transitions
from core.jobs.transitions import Claim, Progress
from tests.app.conftest import Api
from tests.app.made import Maker

FIELDS = {
    *("id", "kind", "state", "stage", "progress", "eta_seconds", "attempt", "created_at", "started_at"),
    *("finished_at", "error", "result", "parent_id", "role", "children", "spec"),
}


@pytest.fixture(scope="module")
def pool(make: Maker) -> str:
    return make.dataset({"a": 80, "b": 80})


@pytest.fixture
def job(api: Api, pool: str) -> str:
    answer = api.client.post("/v1/anchor-sets", json={"discover": {"dataset_id": pool, "k": 4}})
    return str(answer.json()["id"])


def _get(api: Api, job_id: str, **params: Any) -> dict[str, Any]:
    answer = api.client.get(f"/v1/jobs/{job_id}", params=params)
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    assert body.keys() == FIELDS
    return body


def _claim(job_id: str) -> Claim:
    with transaction() as session:
        held = transitions.claim(session, job_id, "w1", 600)
    assert held is not None
    return held


def _print(job_id: str, text: str) -> None:
    with transaction() as session:
        session.add(JobLog(job_id=job_id, attempt=1, text=text))


def _report(held: Claim, *progress: Any) -> None:
    with transaction() as session:
        transitions.report(session, held, Progress(*progress))


@contextmanager
def _soon(act: Any, *arguments: Any) -> Iterator[float]:
    """Do something half a second into the block; yields when the block began."""
    timer = threading.Timer(0.5, act, arguments)
    timer.start()
    yield time.monotonic()
    timer.join()


def test_a_job_tells_its_life(api: Api, pool: str, job: str) -> None:
    queued = _get(api, job)
    assert queued["state"] == "queued"
    assert queued["spec"]["discover"] == {"dataset_id": pool, "k": 4, "names": None}
    assert queued["spec"]["metric"] == "euclidean"
    assert queued["created_at"].endswith("Z")
    held = _claim(job)
    _report(held, "embedding", 0, 100, "images")
    with transaction() as session:
        session.execute(update(Job).where(Job.id == job).values(progress_done=25))
    running = _get(api, job)
    assert running["state"] == "running"
    assert running["stage"] == "embedding"
    assert running["progress"] == {"done": 25, "total": 100, "unit": "images"}
    assert running["eta_seconds"] >= 0
    assert running["attempt"] == 1
    with transaction() as session:
        transitions.succeed(
            session, held, {"kind": "anchor-set", "id": "anc_x", "href": "/v1/anchor-sets/anc_x"}
        )
    done = _get(api, job)
    assert done["state"] == "succeeded"
    assert done["result"] == {"kind": "anchor-set", "id": "anc_x", "href": "/v1/anchor-sets/anc_x"}
    assert done["finished_at"] is not None
    assert done["eta_seconds"] is None


def test_an_error_is_a_problem(api: Api, job: str) -> None:
    held = _claim(job)
    error = InvalidRequestError.at("discover/k", "too many")
    with transaction() as session:
        transitions.fail(session, held, transitions.problem_of(error))
    assert _get(api, job)["error"] == {
        "type": "/problems/invalid-request",
        "title": "The request has fields that cannot be used",
        "status": 422,
        "detail": "too many",
        "instance": f"/v1/jobs/{job}",
        "errors": [{"pointer": "#/discover/k", "detail": "too many"}],
    }


def test_errors_of_the_method_and_of_ours(api: Api, job: str) -> None:
    held = _claim(job)
    with transaction() as session:
        transitions.fail(
            session, held, {"code": "pickled-weights", "title": "Refused", "detail": "d", "errors": []}
        )
    error = _get(api, job)["error"]
    assert (error["type"], error["status"], error["title"]) == ("/problems/pickled-weights", 422, "Refused")
    assert error["errors"] == [{"pointer": "#", "detail": "d"}]
    with transaction() as session:
        session.execute(
            update(Job).where(Job.id == job).values(error={"code": "internal-error", "detail": "d"})
        )
    assert _get(api, job)["error"]["status"] == 500


def test_lists_filter(api: Api, pool: str) -> None:
    parent = api.client.post("/v1/pipelines", json={"dataset_id": pool}).json()
    (child,) = parent["children"]
    by_parent = api.client.get("/v1/jobs", params={"parent_id": parent["id"]}).json()["items"]
    assert [entry["id"] for entry in by_parent] == [child]
    assert by_parent[0]["parent_id"] == parent["id"]
    pipelines = api.client.get("/v1/jobs", params={"kind": "pipeline"}).json()["items"]
    assert [entry["id"] for entry in pipelines] == [parent["id"]]
    assert pipelines[0]["children"] == [child]
    states = {entry["state"] for entry in api.client.get("/v1/jobs?state=queued").json()["items"]}
    assert states == {"queued"}


def test_waiting_ends_with_the_next_change_of_state(api: Api, job: str) -> None:
    with _soon(_claim, job) as began:
        assert _get(api, job, wait=30)["state"] == "running"
    assert time.monotonic() - began < 20


def test_waiting_ends_with_a_stage_but_not_with_progress(api: Api, job: str) -> None:
    held = _claim(job)
    _report(held, "embedding", 0, 100, "images")
    _report(held, "embedding", 50, 100, "images")
    with _soon(_report, held, "embedding", 60, 100, "images"):
        body = _get(api, job, wait=3)
    assert body["progress"]["done"] == 60
    with _soon(_report, held, "clustering"):
        assert _get(api, job, wait=30)["stage"] == "clustering"


def test_waiting_for_a_finished_job_is_no_wait(api: Api, job: str) -> None:
    api.client.post(f"/v1/jobs/{job}/cancel")
    began = time.monotonic()
    assert _get(api, job, wait=60)["state"] == "cancelled"
    assert time.monotonic() - began < 30


def test_a_stale_tag_is_answered_at_once_and_a_fresh_one_waits(api: Api, job: str) -> None:
    stale = api.client.get(f"/v1/jobs/{job}").headers["etag"]
    assert api.client.get(f"/v1/jobs/{job}", headers={"If-None-Match": stale}).status_code == 304
    held = _claim(job)
    began = time.monotonic()
    answer = api.client.get(f"/v1/jobs/{job}?wait=60", headers={"If-None-Match": stale})
    assert time.monotonic() - began < 30
    assert answer.status_code == 200
    fresh = {"If-None-Match": answer.headers["etag"]}
    assert api.client.get(f"/v1/jobs/{job}?wait=1", headers=fresh).status_code == 304
    with _soon(_report, held, "embedding"):
        assert api.client.get(f"/v1/jobs/{job}?wait=30", headers=fresh).json()["stage"] == "embedding"


def test_a_tag_knows_progress(api: Api, job: str) -> None:
    held = _claim(job)
    _report(held, "embedding", 1, 10, "images")
    tag = {"If-None-Match": api.client.get(f"/v1/jobs/{job}").headers["etag"]}
    assert api.client.get(f"/v1/jobs/{job}", headers=tag).status_code == 304
    _report(held, "embedding", 2, 10, "images")
    assert api.client.get(f"/v1/jobs/{job}", headers=tag).status_code == 200


def test_waiting_survives_the_loss_of_every_connection(api: Api, job: str, database_url: str) -> None:
    def cut_and_claim() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        _claim(job)

    with _soon(cut_and_claim):
        assert _get(api, job, wait=30)["state"] == "running"
    with _soon(api.client.post, f"/v1/jobs/{job}/cancel"):
        time.sleep(1.5)  # the listener is back by now; were it not, the poll would tell


def test_the_log_is_text(api: Api, job: str) -> None:
    with transaction() as session:
        session.add_all(JobLog(job_id=job, attempt=1, text=f"line {i} ä\n") for i in range(450))
    answer = api.client.get(f"/v1/jobs/{job}/logs")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text == "".join(f"line {i} ä\n" for i in range(450))


def test_a_log_can_be_followed_to_the_end_of_its_job(api: Api, job: str) -> None:
    held = _claim(job)
    _print(job, "first\n")
    with api.client.stream("GET", f"/v1/jobs/{job}/logs?follow=true") as answer:
        assert answer.headers["content-type"] == "text/plain; charset=utf-8"
        pieces = answer.iter_text()
        assert next(pieces) == "first\n"
        _print(job, "second\n")
        assert next(pieces) == "second\n"
        with transaction() as session:
            transitions.fail(session, held, {"code": "no-images", "title": "t", "detail": "d", "errors": []})
        _print(job, "last\n")  # as a worker does, once its child has ended
        assert "".join(pieces) == "last\n"
    assert api.client.get(f"/v1/jobs/{job}/logs").text == "first\nsecond\nlast\n"


def test_the_log_of_a_parent_is_that_of_its_stages(api: Api, pool: str) -> None:
    parent = api.client.post("/v1/pipelines", json={"dataset_id": pool}).json()
    (child,) = parent["children"]
    assert _get(api, child)["role"] == "anchors"
    _print(child, "anchors\n")
    assert api.client.get(f"/v1/jobs/{parent['id']}/logs").text == "anchors\n"


def test_cancel_and_retry(api: Api, job: str) -> None:
    answer = api.client.post(f"/v1/jobs/{job}/cancel")
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{job}"
    assert answer.json()["state"] == "cancelled"
    assert api.problem("POST", f"/v1/jobs/{job}/cancel")["type"] == "/problems/job-state"
    again = api.client.post(f"/v1/jobs/{job}/retry")
    assert again.status_code == 202
    assert again.json()["state"] == "queued"
    assert api.problem("POST", f"/v1/jobs/{job}/retry")["status"] == 409


def test_a_running_job_is_asked_to_stop(api: Api, job: str) -> None:
    held = _claim(job)
    assert api.client.post(f"/v1/jobs/{job}/cancel").json()["state"] == "running"
    with transaction() as session:
        assert transitions.beat(session, held, 600, 600)


def test_cancelling_a_parent_cancels_its_children(api: Api, pool: str) -> None:
    parent = api.client.post("/v1/pipelines", json={"dataset_id": pool}).json()
    cancelled = api.client.post(f"/v1/jobs/{parent['id']}/cancel").json()
    assert cancelled["state"] == "cancelled"
    assert _get(api, parent["children"][0])["state"] == "cancelled"
    again = api.client.post(f"/v1/jobs/{parent['id']}/retry").json()
    assert again["state"] == "running"
    assert _get(api, parent["children"][0])["state"] == "queued"


def test_a_job_whose_inputs_are_gone_is_not_retried(api: Api, make: Maker) -> None:
    dataset = make.dataset()
    job = api.client.post("/v1/anchor-sets", json={"discover": {"dataset_id": dataset, "k": 4}}).json()["id"]
    api.client.post(f"/v1/jobs/{job}/cancel")
    assert api.client.delete(f"/v1/datasets/{dataset}").status_code == 204
    refused = api.problem("POST", f"/v1/jobs/{job}/retry")
    assert refused["status"] == 409
    assert dataset in refused["detail"]


def test_a_pipeline_can_be_read_from_its_answer_on(api: Api, pool: str) -> None:
    answer = api.client.post("/v1/pipelines", json={"dataset_id": pool, "name": "whole"})
    job = answer.json()
    assert answer.status_code == 202
    assert job["state"] == "running"
    assert job["spec"]["labeling"]["length"] == 2
    assert job["spec"]["anchors"]["discover"]["k"] == 20
    pipeline = api.client.get(f"/v1/pipelines/{job['id']}").json()
    assert pipeline["job_id"] == job["id"]
    made = ("anchor_set_id", "labeling_id", "model_id", "transfer_id", "forecast_id")
    assert [pipeline[name] for name in made] == [None] * 5
    assert api.problem("DELETE", f"/v1/pipelines/{job['id']}")["status"] == 409
    api.client.post(f"/v1/jobs/{job['id']}/cancel")
    assert api.client.get("/v1/pipelines?name=whole").json()["items"][0]["state"] == "cancelled"
    assert api.client.delete(f"/v1/pipelines/{job['id']}").status_code == 204
    assert api.problem("GET", f"/v1/pipelines/{job['id']}")["status"] == 404
    assert _get(api, job["id"])["state"] == "cancelled"
    assert api.problem("POST", f"/v1/jobs/{job['id']}/retry")["status"] == 409


def test_a_pipeline_that_has_finished_shows_what_it_made(api: Api, pool: str) -> None:
    parent = api.client.post("/v1/pipelines", json={"dataset_id": pool}).json()
    held = _claim(parent["children"][0])
    with transaction() as session:
        transitions.fail(session, held, {"code": "no-images", "title": "t", "detail": "none", "errors": []})
        plans.advance(session, held.job_id)
    failed = _get(api, parent["id"])
    assert failed["state"] == "failed"
    assert failed["error"]["type"] == "/problems/stage-failed"
    assert "none" in failed["error"]["detail"]
