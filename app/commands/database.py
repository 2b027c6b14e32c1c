"""The database of an operator's command: the one that is named, that `g2l serve` runs, or started for it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from app.commands.accounts import StartError
from app.commands.engines import running
from app.commands.home import Home, HomeInUseError, owned
from app.commands.postgres import url_in
from core.settings import Settings


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The URL of the database, which is there while the block runs.

    Raises:
        StartError: the home is served with another database than its own.
    """
    if settings.database_url is not None:
        yield settings.database_url
        return
    home = Home(settings.home.resolve())
    with ExitStack() as stack:
        try:
            stack.enter_context(owned(home))
        except HomeInUseError as error:
            if not (home.runtime / "pg").exists():
                raise StartError(f"{error}; or set G2L_DATABASE_URL to the database that it uses") from None
            yield url_in(home.runtime.resolve() / "pg")
        else:
            yield stack.enter_context(running(home)).database_url
