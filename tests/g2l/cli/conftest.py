"""A scripted service, and the command line pointed at it."""

from collections.abc import Callable, Iterator

import pytest
from typer.testing import CliRunner, Result

from g2l.cli.main import build
from tests.g2l.client.scripted import Scripted, scripted

Run = Callable[..., Result]


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    with scripted() as service:
        monkeypatch.setenv("G2L_URL", service.url)
        monkeypatch.delenv("G2L_API_KEY", raising=False)
        yield service


@pytest.fixture
def g2l() -> Run:
    app = build()

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, list(words))

    return run
