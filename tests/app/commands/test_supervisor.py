"""What dies is started again, ever later while it keeps dying."""

import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.commands import supervisor
from app.commands.accounts import StartError
from app.commands.children import PlainService, Program, Service, shorten
from app.commands.supervisor import Watched


def service(tmp_path: Path, argv: Sequence[str]) -> PlainService:
    return PlainService(Program(name="it", argv=argv, log=tmp_path / "it.log"))


def tend_until(watched: Watched, notes: list[str], count: int) -> None:
    while len(notes) < count:
        watched.tend(notes.append)
        time.sleep(0.01)


def test_pauses_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE", 0.03)
    dying = service(tmp_path, ["sh", "-c", "exit 3"])
    dying.start()
    notes: list[str] = []
    tend_until(Watched(dying), notes, 4)
    assert notes == [
        f"it ended (status 3); starting it again in {s} s" for s in ("0.01", "0.02", "0.03", "0.03")
    ]


def test_a_start_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "FIRST_PAUSE", 0.01)

    class Stubborn(Service):
        name = "it"
        starts = 0

        def start(self) -> None:
            self.starts += 1
            if self.starts > 1:
                raise StartError("no")

    stubborn = Stubborn()
    stubborn.start()
    watched = Watched(stubborn)
    watched._put_off()
    notes: list[str] = []
    tend_until(watched, notes, 2)
    assert notes == ["no\ntrying again in 0.02 s", "no\ntrying again in 0.04 s"]


def test_a_child_that_ignores_signals_is_killed_with_its_group(tmp_path: Path) -> None:
    script = (
        "import os, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "print(os.fork(), flush=True)\n"
        "time.sleep(600)\n"
    )
    program = Program(
        name="it",
        argv=[sys.executable, "-c", script],
        log=tmp_path / "it.log",
        stop=((signal.SIGTERM, 0.2),),
    )
    deaf = PlainService(program)
    deaf.start()
    assert deaf.child is not None
    while len(deaf.child.log_tail().split()) < 2:
        time.sleep(0.01)
    grandchild = max(int(word) for word in deaf.child.log_tail().split())
    deaf.stop()
    assert deaf.child.returncode == -signal.SIGKILL
    while (status := Path(f"/proc/{grandchild}/stat")).exists() and " Z " not in status.read_text():
        time.sleep(0.01)


def test_a_long_log_is_moved_aside_while_it_is_written(tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    with log.open("a") as writer:
        writer.write("x" * 100)
        writer.flush()
        shorten(log, limit=200)
        assert log.stat().st_size == 100
        shorten(log, limit=50)
        writer.write("on")
    assert log.read_text() == "on"
    assert (tmp_path / "it.log.1").read_text() == "x" * 100
