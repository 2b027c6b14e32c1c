"""Operators' commands: light to load, short in their complaints."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import func, update
from typer.testing import CliRunner

from app.commands import beating, db
from app.commands.cli import commands
from core.db import session as sessions
from core.db.jobs import Worker
from core.settings import get_settings

HEAVY = {"sqlalchemy", "alembic", "psycopg", "pydantic", "fastapi", "celery", "redis", "torch"}


def invoke(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(commands, words)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def named(database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("G2L_DATABASE_URL", database_url)
    return database_url


def test_loading_the_commands_loads_nothing_heavy() -> None:
    script = "import sys; import app.commands.cli; print(*sys.modules)"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    assert HEAVY.isdisjoint(done.stdout.split())


def test_a_key_lives_from_create_to_revoke(named: str) -> None:
    code, secret, note = invoke("keys", "create", "laptop")
    assert code == 0
    assert secret.startswith("g2l_")
    key_id = note.split()[0]
    assert f"{key_id}  " in invoke("keys", "list")[1]
    assert secret.strip() not in invoke("keys", "list")[1]
    assert invoke("keys", "revoke", key_id)[0] == 0
    assert "revoked 20" in invoke("keys", "list")[1]
    code, _, complaint = invoke("keys", "revoke", key_id)
    assert code == 1
    assert "g2l keys list" in complaint


def test_upgrade_says_where_the_database_is(empty_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G2L_DATABASE_URL", empty_database_url)
    assert invoke("db", "current")[1] == f"The database is at base; the newest is {db.newest()}.\n"
    for _ in range(2):
        assert invoke("db", "upgrade")[1] == f"The database is at {db.newest()}.\n"
    assert db.current(empty_database_url) == db.newest()


def test_a_database_from_the_future_is_a_sentence(named: str) -> None:
    with psycopg.connect(named) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    try:
        code, _, complaint = invoke("db", "upgrade")
    finally:
        with psycopg.connect(named) as connection:
            connection.execute("UPDATE alembic_version SET version_num = %s", [db.newest()])
    assert code == 1
    assert "newer version of g2l" in complaint


def test_a_database_that_does_not_answer_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G2L_DATABASE_URL", "postgresql://g2l@127.0.0.1:1/g2l?connect_timeout=2")
    code, _, complaint = invoke("keys", "list")
    assert code == 1
    assert complaint.startswith("The database does not answer: ")


def test_a_setting_that_makes_no_sense_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("G2L_PORT", "99999")
    code, _, complaint = invoke("serve")
    assert code == 1
    assert complaint == "port: Input should be less than or equal to 65535\n"


def test_a_worker_beats_while_its_row_is_fresh(named: str) -> None:
    get_settings.cache_clear()
    try:
        with sessions.transaction() as session:
            session.add(Worker(id="here:1:ab", queues=["cpu"], device="2 CPU cores"))
        assert beating.beats("here")
        assert not beating.beats("her")
        with sessions.transaction() as session:
            session.execute(update(Worker).values(beat_at=func.now() - timedelta(minutes=1)))
        assert not beating.beats("here")
    finally:
        get_settings.cache_clear()
