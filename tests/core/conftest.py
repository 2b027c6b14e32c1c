"""A database of each module's own."""

from collections.abc import Iterator

import pytest

from tests.fixtures.environment import environment


@pytest.fixture(scope="module")
def database(database_url: str) -> Iterator[str]:
    """The settings name this module's database."""
    with environment(G2L_DATABASE_URL=database_url):
        yield database_url
