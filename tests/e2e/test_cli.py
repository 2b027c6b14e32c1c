"""The command line against the real service."""

import httpx

from tests.fixtures.service import RunningService


def test_ready(service: RunningService) -> None:
    assert httpx.get(f"{service.url}/readyz", trust_env=False).status_code == 200
