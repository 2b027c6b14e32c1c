"""Keys: none is asked for on loopback until one was made; then only a valid one opens."""

from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import delete

from app.commands import keys
from core.db.jobs import ApiKey
from core.db.session import transaction
from tests.app.conftest import Api, serving


@pytest.fixture
def key(api: Api) -> Iterator[tuple[str, str]]:
    with transaction() as session:
        row, secret = keys.create(session, "test")
    yield row.id, secret
    with transaction() as session:
        session.execute(delete(ApiKey))


def test_on_loopback_without_any_key_nobody_is_asked(api: Api) -> None:
    assert api.client.get("/v1/datasets").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:8000"}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "[::1]:8000"}, 200),
        ({"Host": "rebound.example:8000"}, 401),
        ({"Host": "[bad"}, 401),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Origin": "https://elsewhere.example"}, 401),
        ({"Origin": "null"}, 401),
    ],
)
def test_without_any_key_pages_from_elsewhere_are_refused(
    api: Api, headers: dict[str, str], status: int
) -> None:
    assert api.client.get("/v1/datasets", headers=headers).status_code == status


def test_with_a_key_pages_may_come_from_anywhere(api: Api, key: tuple[str, str]) -> None:
    headers = {
        "Authorization": f"Bearer {key[1]}",
        "Host": "g2l.example",
        "Origin": "https://elsewhere.example",
    }
    assert api.client.get("/v1/datasets", headers=headers).status_code == 200


def test_with_a_key_it_is_needed(api: Api, key: tuple[str, str]) -> None:
    refused = api.problem("GET", "/v1/datasets")
    assert refused["status"] == 401
    assert api.client.get("/v1/datasets").headers["www-authenticate"] == "Bearer"
    for header in ("Bearer g2l_wrong", "Basic x", f"Basic {key[1]}", key[1], "Bearer", f"Bearer {key[1]}x"):
        assert api.problem("GET", "/v1/datasets", headers={"Authorization": header})["status"] == 401
    for header in (f"Bearer {key[1]}", f"bearer {key[1]}"):
        assert api.client.get("/v1/datasets", headers={"Authorization": header}).status_code == 200
    assert api.problem("POST", "/v1/datasets", data={"name": "x"}, files={"file": b"x"})["status"] == 401
    assert api.problem("GET", "/metrics")["status"] == 401


def test_some_doors_stay_open(api: Api, key: tuple[str, str]) -> None:
    for path in ("/healthz", "/docs", "/openapi.json", "/problems/unauthenticated"):
        assert api.client.get(path).status_code == 200
    assert api.problem("GET", "/readyz")["status"] == 503


def test_a_revoked_key_opens_nothing_and_still_counts(api: Api, key: tuple[str, str]) -> None:
    with transaction() as session:
        keys.revoke(session, key[0])
    assert api.problem("GET", "/v1/datasets", headers={"Authorization": f"Bearer {key[1]}"})["status"] == 401
    assert api.problem("GET", "/v1/datasets")["status"] == 401


def test_only_the_hash_is_stored(api: Api, key: tuple[str, str]) -> None:
    with transaction() as session:
        row = session.get_one(ApiKey, key[0])
    assert key[1] not in str(vars(row))


def test_elsewhere_a_key_is_always_needed(api: Api) -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address = probe.getsockname()[0]
    with serving(address) as url:
        assert httpx.get(f"{url}/v1/datasets").status_code == 401
        assert httpx.get(f"{url}/healthz").status_code == 200
