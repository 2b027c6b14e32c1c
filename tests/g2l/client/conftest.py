"""A scripted service, and a client of it."""

from collections.abc import Iterator

import pytest

from g2l.client import Client
from tests.g2l.client.scripted import Scripted, scripted


@pytest.fixture
def service() -> Iterator[Scripted]:
    with scripted() as service:
        yield service


@pytest.fixture
def client(service: Scripted) -> Iterator[Client]:
    with Client(service.url, api_key="g2l_secret", timeout=5) as client:
        yield client
