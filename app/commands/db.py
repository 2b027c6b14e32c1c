"""Migrations, run from here by `g2l serve`, by `g2l db upgrade` and by the tests."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

MIGRATIONS = Path(__file__).parents[2] / "migrations"


def upgrade(url: str) -> str:
    """Bring a database to the newest revision and return that; starts that race wait for one another."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))  # the file format's own escape
    command.upgrade(config, "head")
    return newest()


def newest() -> str:
    """The newest revision that this checkout knows."""
    return ScriptDirectory(str(MIGRATIONS)).get_current_head() or "base"


def current(url: str) -> str:
    """The revision that a database is at."""
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return MigrationContext.configure(connection).get_current_revision() or "base"
    finally:
        engine.dispose()
