"""The same key and body: the first answer again. Another body: refused. In flight: wait."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from app import idempotency
from app.idempotency import SILENCE, Name
from core.db.jobs import IdempotencyKey, Job
from core.db.session import transaction
from core.jobs import plans
from tests.app.conftest import Api
from tests.app.made import Maker


@pytest.fixture(scope="module")
def pool(make: Maker) -> str:
    return make.dataset()


def _jobs() -> int:
    with transaction() as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


def _post(api: Api, key: str, body: object) -> "tuple[int, str, str]":
    answer = api.client.post("/v1/anchor-sets", json=body, headers={"Idempotency-Key": key})
    return answer.status_code, answer.text, answer.headers.get("location", "")


def test_the_first_answer_comes_again(api: Api, pool: str) -> None:
    body = {"discover": {"dataset_id": pool, "k": 4}, "seed": 1}
    first = _post(api, "again", body)
    before = _jobs()
    with transaction() as session:
        plans.cancel(session, first[2].rpartition("/")[2])  # the job has moved on since
    assert _post(api, "again", body) == first
    assert _post(api, "again", dict(reversed(body.items()))) == first
    assert _jobs() == before
    assert first[0] == 202


def test_another_body_is_refused(api: Api, pool: str) -> None:
    _post(api, "other", {"discover": {"dataset_id": pool, "k": 4}})
    refused = api.problem(
        "POST",
        "/v1/anchor-sets",
        json={"discover": {"dataset_id": pool, "k": 5}},
        headers={"Idempotency-Key": "other"},
    )
    assert refused["status"] == 422
    assert refused["type"] == "/problems/idempotency-mismatch"
    assert refused["errors"][0]["pointer"] == "#/header/Idempotency-Key"


def test_a_key_belongs_to_its_path(api: Api, pool: str) -> None:
    first = _post(api, "path", {"discover": {"dataset_id": pool, "k": 4}})
    second = api.client.post(f"{first[2]}/cancel", headers={"Idempotency-Key": "path"})
    assert second.status_code == 202
    assert second.json()["state"] == "cancelled"
    again = api.client.post(f"{first[2]}/cancel", headers={"Idempotency-Key": "path"})
    assert (again.status_code, again.text) == (second.status_code, second.text)


def test_refusals_come_again_too(api: Api, pool: str) -> None:
    body = {"discover": {"dataset_id": "ds_none", "k": 4}}
    first = _post(api, "refused", body)
    assert first[0] == 422
    assert _post(api, "refused", body) == first
    invalid = {"discover": {"dataset_id": pool, "k": 0}}
    first = _post(api, "invalid", invalid)
    assert first[0] == 422
    assert _post(api, "invalid", invalid) == first


def test_uploads_are_told_apart_by_fields_and_content(api: Api) -> None:
    def post(name: str, content: bytes) -> "tuple[int, str]":
        answer = api.client.post(
            "/v1/datasets",
            data={"name": name},
            files={"file": ("p.zip", content)},
            headers={"Idempotency-Key": "upload"},
        )
        return answer.status_code, answer.text

    first = post("pool", b"one")
    assert first[0] == 202
    before = _jobs()
    assert post("pool", b"one") == first
    assert post("pool", b"two")[0] == 422
    assert post("other", b"one")[0] == 422
    assert _jobs() == before
    assert len(list((api.store.root / "uploads").iterdir())) == 1


def test_many_at_once_do_the_work_once(api: Api, pool: str) -> None:
    body = {"discover": {"dataset_id": pool, "k": 4}, "seed": 2}
    before = _jobs()
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(lambda _: _post(api, "race", body), range(32)))
    assert _jobs() == before + 1
    assert {status for status, _, _ in answers} <= {202, 409}
    assert len({text for status, text, _ in answers if status == 202}) == 1


def test_a_key_in_flight_is_a_409_until_its_process_falls_silent(api: Api, pool: str) -> None:
    name = Name("flight", "POST", "/v1/anchor-sets")
    held = idempotency.hold(name)
    body = {"discover": {"dataset_id": pool, "k": 4}}
    try:
        assert _post(api, "flight", body)[0] == 409
    finally:
        held.forget()
    with transaction() as session:
        silent = func.now() - SILENCE - timedelta(seconds=1)
        session.execute(update(IdempotencyKey).where(IdempotencyKey.key == "flight").values(beat_at=silent))
    assert _post(api, "flight", body)[0] == 202


def test_old_answers_are_purged_and_young_ones_stay(api: Api, pool: str) -> None:
    body = {"discover": {"dataset_id": pool, "k": 4}}
    first = _post(api, "old", body)
    idempotency.purge()
    assert _post(api, "old", body) == first
    with transaction() as session:
        session.execute(update(IdempotencyKey).values(created_at=func.now() - timedelta(hours=49)))
    idempotency.purge()
    assert _post(api, "old", body) != first


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ä".encode().decode("latin-1")])
def test_a_bad_key_is_refused(api: Api, pool: str, key: str) -> None:
    refused = api.problem(
        "POST",
        "/v1/anchor-sets",
        json={"discover": {"dataset_id": pool, "k": 4}},
        headers={"Idempotency-Key": key.encode("latin-1")},
    )
    assert [error["pointer"] for error in refused["errors"]] == ["#/header/Idempotency-Key"]
