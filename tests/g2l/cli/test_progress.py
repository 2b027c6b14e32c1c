"""Progress without a terminal is a line now and then; with one, a bar."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from g2l.cli.output import interval, print_fields, print_rows
from g2l.client.job_answers import JobAnswer
from g2l.client.progress import Bars, Lines, Status, duration, size, title
from g2l.client.values import read


def test_lines_tell_stages_and_ends_but_not_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines()
    for done in range(5):
        lines.update(Status("pretraining", "train", done, 5, "epochs", eta=12.0))
    lines.update(Status("pretraining", "save"))
    lines.update(Status("pretraining", "save", ended="done"))
    told = capsys.readouterr().err.splitlines()
    assert told[:2] == ["pretraining: train, 0/5 epochs, 12 s left", "pretraining: save"]
    assert told[2].startswith("pretraining: done after 0.")
    assert len(told) == 3


def test_bars_show_each_task() -> None:
    screen = io.StringIO()
    with Progress(console=Console(file=screen, width=120, force_terminal=True)) as progress:
        bars = Bars(progress)
        bars.update(Status("upload", done=500, total=1000, unit="bytes"))
        bars.update(Status("labeling", "label", 3, 10, "images", eta=4.0))
        bars.update(Status("upload", done=1000, total=1000, unit="bytes", ended="done"))
        assert [(t.description, t.completed, t.total, t.fields["words"]) for t in progress.tasks] == [
            ("upload", 1000, 1000, "done"),
            ("labeling", 3, 10, "label 3/10 images"),
        ]
        assert progress.tasks[1].fields["left"] == "4.0 s left"


@pytest.mark.parametrize(
    ("bytes_", "words"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2_000_000, "2.0 MB"), (3e12, "3.0 TB")],
)
def test_sizes(bytes_: float, words: str) -> None:
    assert size(bytes_) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.96, "10.0 s"), (59.4, "59 s"), (61, "1 min 01 s"), (3661, "1 h 01 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_intervals() -> None:
    estimate = {"value": 0.8123, "low": 0.75, "high": 0.86, "level": 0.95}
    assert interval(estimate) == "81.2% (75.0% to 86.0% at 95%)"
    assert interval(None) == interval({"value": None, "low": 0, "high": 1, "level": 0.9}) == "unknown"


def test_rows_on_a_terminal_are_a_table(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")  # no colours
    print_rows(("id", "name"), [{"id": "ds_1", "name": "[bold]x"}, {"id": "ds_2"}])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["id", "name"],
        ["ds_1", "[bold]x"],
        ["ds_2", "-"],
    ]


def test_long_fields_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    print_fields({"id": "anc_1", "distances": [0.0] * 1000, "accuracy": None})
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["id", "anc_1"]
    assert lines[1].endswith("… (--json shows all)")
    assert len(lines[1]) < 500


@pytest.mark.parametrize(
    ("kind", "role", "shown"),
    [
        ("model", None, "pretraining"),
        ("model", "model", "pretraining"),
        ("model", "model-2", "pretraining, round 2"),
        ("anchor-set", "anchors-10", "anchors, round 10"),
        ("transfer", "scratch", "from scratch"),
    ],
)
def test_a_stage_of_a_later_round_says_so(kind: str, role: str | None, shown: str) -> None:
    job = read(JobAnswer, {"id": "job_1", "kind": kind, "state": "running", "role": role, "spec": {}})
    assert title(job) == shown
