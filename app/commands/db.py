"""Migrations, run from here by `g2l serve`, by `g2l db upgrade` and by the tests."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import create_engine

from core.errors import ServiceError

MIGRATIONS = Path(__file__).parents[2] / "migrations"


class MigrationError(ServiceError):
    """The schema cannot be brought to the newest revision."""

    code = "migration"
    title = "The database cannot be migrated"


def upgrade(url: str) -> str:
    """Bring a database to the newest revision and return that; starts that race wait for one another.

    Raises:
        MigrationError: the database is at a revision that this checkout does not know.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))  # the file format's own escape
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise MigrationError(f"{error}; was the database used by a newer version of g2l?") from error
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
