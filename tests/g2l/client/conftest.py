"""A scripted service, and both clients of it."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from g2l.client import AsyncClient, Client
from tests.g2l.client.driving import driven
from tests.g2l.client.scripted import Scripted, scripted

Connect = Callable[..., Client]


@pytest.fixture
def service() -> Iterator[Scripted]:
    with scripted() as service:
        yield service


@pytest.fixture(params=["sync", "async"])
def connect(request: pytest.FixtureRequest) -> Iterator[Connect]:
    """Makes clients; closed at the end."""
    made: list[Client] = []
    loop = asyncio.new_event_loop()

    def make(*args: Any, **options: Any) -> Client:
        if request.param == "sync":
            made.append(Client(*args, **options))
        else:
            made.append(driven(AsyncClient(*args, **options), loop))
        return made[-1]

    yield make
    for client in made:
        client.close()
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


@pytest.fixture
def client(service: Scripted, connect: Connect) -> Client:
    return connect(service.url, api_key="g2l_secret", timeout=5, retry_for=10.0)
