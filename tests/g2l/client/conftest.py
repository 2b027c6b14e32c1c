"""A scripted service, and both clients of it."""

from collections.abc import Iterator

import pytest

from g2l.client import Client
from tests.fixtures.clients import Connect
from tests.g2l.client.scripted import Scripted, scripted


@pytest.fixture
def service() -> Iterator[Scripted]:
    with scripted() as service:
        yield service


@pytest.fixture
def client(service: Scripted, connect: Connect) -> Client:
    return connect(service.url, api_key="g2l_secret", timeout=5, retry_for=10.0)
