"""What operators type, as typer commands; heavy imports wait inside them, since `g2l --help` loads this."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from core.settings import Settings

commands = typer.Typer(no_args_is_help=True, help="Run and tend the service.")
db = typer.Typer(no_args_is_help=True, help="The database's schema.")
keys = typer.Typer(no_args_is_help=True, help="API keys.")
commands.add_typer(db, name="db")
commands.add_typer(keys, name="keys")

HomeOption = Annotated[
    Path | None, typer.Option("--home", help="Folder that the service keeps all in. [default: ~/.g2l]")
]


@commands.command()
def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to bind; others than loopback need an API key.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port to bind; 0 takes a free one.")
    ] = None,
    home: HomeOption = None,
    insecure_no_auth: Annotated[
        bool, typer.Option("--insecure-no-auth", help="Bind any address although no API key exists.")
    ] = False,
) -> None:
    """Run the whole service here: engines, API and workers, until Ctrl-C."""
    with _plain_errors():
        from app.commands.serve import serve as run

        settings = _settings(
            host=host, port=port, home=home, insecure_no_auth=True if insecure_no_auth else None
        )
        run(settings, say=typer.echo, note=_note)


@db.command("upgrade")
def db_upgrade(home: HomeOption = None) -> None:
    """Bring the database to the newest schema."""
    with _plain_errors():
        from app.commands.database import database
        from app.commands.db import upgrade

        with database(_settings(home=home)) as url:
            typer.echo(f"The database is at {upgrade(url)}.")


@db.command("current")
def db_current(home: HomeOption = None) -> None:
    """Say which schema the database has, and which is the newest."""
    with _plain_errors():
        from app.commands.database import database
        from app.commands.db import current, newest

        with database(_settings(home=home)) as url:
            typer.echo(f"The database is at {current(url)}; the newest is {newest()}.")


@keys.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="Whom or what the key is for.")], home: HomeOption = None
) -> None:
    """Make a key and show it, this once."""
    with _plain_errors(), _session(home) as session:
        from app.commands.keys import create

        key, secret = create(session, name)
        _note(f"{key.id} for {key.name}; the key is not shown again:")
        typer.echo(secret)


@keys.command("list")
def keys_list(home: HomeOption = None) -> None:
    """Show all keys, without their secrets."""
    with _plain_errors(), _session(home) as session:
        from app.commands.keys import list_all

        for key in list_all(session):
            state = "valid" if key.revoked_at is None else f"revoked {key.revoked_at:%Y-%m-%d %H:%M}"
            typer.echo(f"{key.id}  {key.created_at:%Y-%m-%d %H:%M}  {state}  {key.name}")


@keys.command("revoke")
def keys_revoke(
    key_id: Annotated[str, typer.Argument(help="As `g2l keys list` shows it.")], home: HomeOption = None
) -> None:
    """Make a key invalid."""
    with _plain_errors(), _session(home) as session:
        from app.commands.keys import revoke

        revoke(session, key_id)
        typer.echo(f"{key_id} is revoked.")


@commands.command("gc")
def gc(
    delete: Annotated[bool, typer.Option("--delete", help="Remove what is shown.")] = False,
    older_than: Annotated[
        float, typer.Option(min=0, help="Hours that a leftover has lain untouched; younger ones stay.")
    ] = 24,
    home: HomeOption = None,
) -> None:
    """Show what the store keeps that nothing needs any more; with --delete, remove it."""
    with _plain_errors(), _session(home) as session:
        from datetime import timedelta

        from app.commands.gc import collect
        from core.artifacts import open_store

        collect(
            session,
            open_store(_settings(home=home)),
            timedelta(hours=older_than),
            delete=delete,
            say=typer.echo,
        )


@commands.command("doctor")
def doctor(
    deep: Annotated[bool, typer.Option("--deep", help="Read every artifact and compare its digest.")] = False,
    home: HomeOption = None,
) -> None:
    """Look at every part of an installation and say what to mend; ends with status 1 if something failed."""
    with _plain_errors():
        from app.commands.doctor import examine, report

        if not report(examine(_settings(home=home), deep=deep), say=typer.echo):
            raise typer.Exit(1)


def _settings(**given: object) -> "Settings":
    from core.settings import Settings

    return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]


@contextmanager
def _session(home: Path | None) -> Iterator["Session"]:
    """A transaction in the migrated database."""
    from sqlalchemy import create_engine
    from sqlalchemy.orm import Session

    from app.commands.database import database
    from app.commands.db import upgrade

    with database(_settings(home=home)) as url:
        upgrade(url)
        engine = create_engine(url)
        try:
            with Session(engine) as session:
                yield session
                session.commit()
        finally:
            engine.dispose()


@contextmanager
def _plain_errors() -> Iterator[None]:
    """What can go wrong is said in a sentence, and ends with status 1."""
    from pydantic import ValidationError
    from sqlalchemy.exc import OperationalError

    from core.errors import ServiceError

    try:
        yield
    except ServiceError as error:
        message = f"{error.title}: {error.detail}"
    except ValidationError as error:
        message = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    except OperationalError as error:
        message = f"The database does not answer: {error.orig}"
    else:
        return
    _note(message)
    raise typer.Exit(1)


def _note(message: str) -> None:
    typer.echo(message, err=True)
