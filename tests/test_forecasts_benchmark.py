"""Anyone's way to forecast is scored in the same table."""

import re

import numpy as np
import pytest

from benchmarks import forecasts
from g2l.forecast.baselines import Said, Transfers


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
