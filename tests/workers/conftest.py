"""A real worker on real engines, and what tests ask of it."""

from collections.abc import Iterator

import pytest

from tests.fixtures.environment import environment
from tests.workers.service import Service

# Short leases, so that a lost worker is noticed within a test's patience.
TIMES = {"G2L_LEASE_SECONDS": "2", "G2L_BEAT_SECONDS": "0.3", "G2L_MAX_CRASHES": "3"}


@pytest.fixture(scope="module")
def service(database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Settings, database and store of one module; workers are started by its tests."""
    home, images = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("images")
    variables = {
        "G2L_DATABASE_URL": database_url,
        "G2L_REDIS_URL": redis_url,
        "G2L_HOME": str(home),
        "G2L_URI_ROOTS": str(images),
        "OMP_NUM_THREADS": "1",
    }
    with environment(**variables, **TIMES), Service(home, images) as running:
        yield running
