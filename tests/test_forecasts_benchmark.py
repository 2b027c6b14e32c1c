"""Anyone's way to forecast is scored in the same table."""

import re
from pathlib import Path

import numpy as np
import pytest

from benchmarks import forecasts
from g2l.forecast.baselines import Said, Transfers

ROOT = Path(__file__).parents[1]


def half(_: Transfers, asked: Transfers) -> Said:
    """Half of the images, whatever the source."""
    nothing = np.full(len(asked), np.nan)
    return Said(np.full(len(asked), 0.5), nothing, nothing, nothing)


def test_a_method_is_entered(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"{__name__}:half"
    monkeypatch.setattr("sys.argv", ["forecasts", "--simulated", "4", "--enter", name])
    forecasts.main()
    rows = re.findall(r"^\| ([^|]+) \| (\S+)", capsys.readouterr().out, flags=re.MULTILINE)
    errors = {row: float(error) for row, error in rows[1:] if error != "-"}
    assert {name, "forecast", "knn alone"} <= set(errors)
    assert errors[name] > errors["mean of the target (oracle)"] > 0


def test_a_method_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["forecasts", "--simulated", "4", "--enter", "nowhere:say"])
    with pytest.raises(SystemExit, match="2"):
        forecasts.main()


def test_what_was_told_of_a_target(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = str(ROOT / "docs/results/transfers-seed0.parquet")
    every = str(ROOT / "docs/results/transfers-omniglot.parquet")
    monkeypatch.setattr("sys.argv", ["forecasts", study, every, "--told", "omniglot"])
    forecasts.main()
    table = capsys.readouterr().out.split("| on omniglot |")[1]
    rows = re.findall(
        r"^\| (.+) \| \S+ \((\d+) to (\d+)\) \| \S+ \((\d+) to (\d+)\) \| (\S+) \|$", table, re.MULTILINE
    )
    assert len(rows) == 5
    for _, *ends, outcome in rows:
        blind, told = (int(ends[1]) - int(ends[0]), int(ends[3]) - int(ends[2]))
        assert told < blind
        assert int(ends[2]) <= float(outcome) <= int(ends[3])
