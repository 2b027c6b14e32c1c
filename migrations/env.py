"""Alembic's entry: the URL comes from its caller, or from the settings."""

from alembic import context
from sqlalchemy import create_engine, text

from core.db.metadata import metadata
from core.settings import get_settings

# One migration at a time, however many services start at once; the number is arbitrary and ours.
ADVISORY_LOCK = 0x67326C


def run_online() -> None:
    """Migrate over a connection of our own, under an advisory lock and with a bound on lock waits."""
    url = context.config.get_main_option("sqlalchemy.url") or get_settings().require_database_url()
    engine = create_engine(url)
    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": ADVISORY_LOCK})
        connection.execute(text("SET lock_timeout = '10s'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            compare_type=True,
            compare_server_default=True,
            autogenerate_plugins=["alembic.autogenerate.*", "alembic.ext.checkconstraint_byname"],
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": ADVISORY_LOCK})
        connection.commit()
    engine.dispose()


run_online()
