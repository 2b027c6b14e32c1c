"""A real worker on real engines, and what tests ask of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.db.session import engine_for
from core.queue import _producer
from core.settings import get_settings
from tests.workers.service import Service

# Short leases, so that a lost worker is noticed within a test's patience.
TIMES = {"G2L_LEASE_SECONDS": "2", "G2L_BEAT_SECONDS": "0.3", "G2L_MAX_CRASHES": "3", "G2L_LOG_LEVEL": "INFO"}


@pytest.fixture(scope="module")
def service(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """Settings, database and store of one module; workers are started by its tests."""
    home: Path = tmp_path_factory.mktemp("home")
    images: Path = tmp_path_factory.mktemp("images")
    environment = {
        "G2L_DATABASE_URL": database_url,
        "G2L_REDIS_URL": redis_url,
        "G2L_HOME": str(home),
        "G2L_URI_ROOTS": str(images),
        "OMP_NUM_THREADS": "1",
        **TIMES,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        get_settings.cache_clear()
        _producer.cache_clear()
        with Service(home, images) as running:
            yield running
        engine_for(database_url).dispose()
        engine_for.cache_clear()
    get_settings.cache_clear()
    _producer.cache_clear()
