"""What the study of transfers prints, and the pools that it makes."""

import re
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks import frontier, transfer_tables
from benchmarks.pools import write_quarter, write_unlabelled

ROOT = Path(__file__).parents[1]


def test_a_mixed_pool_has_all_training_images_and_tells_no_class(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as images:
            for path in ("train/cat/1.png", "train/dog/1.png", "test/cat/2.png"):
                images.writestr(path, f"{name} {path}")
    write_unlabelled([tmp_path / "a.zip", tmp_path / "b.zip"], tmp_path / "mixed.zip")
    with zipfile.ZipFile(tmp_path / "mixed.zip") as pool:
        held = {name: pool.read(name).decode() for name in pool.namelist()}
    assert held == {
        f"{name}-00000{number}.png": f"{name} train/{kind}/1.png"
        for name in ("a", "b")
        for number, kind in enumerate(("cat", "dog"))
    }


def test_a_quarter_has_every_fourth_training_image_of_each_class(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "pool.zip", "w") as images:
        for kind in ("cat", "dog"):
            for number in range(10):
                images.writestr(f"train/{kind}/{number}.png", f"{kind} {number}")
            images.writestr(f"test/{kind}/0.png", "not this")
    write_quarter(tmp_path / "pool.zip", tmp_path / "quarter.zip")
    with zipfile.ZipFile(tmp_path / "quarter.zip") as pool:
        held = {name: pool.read(name).decode() for name in pool.namelist()}
    assert held == {f"train/{k}/{n}.png": f"{k} {n}" for k in ("cat", "dog") for n in (0, 4, 8)}


def test_tables_join_the_files_of_several_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for seed in (0, 1):
        rows = [
            {
                "source": source,
                "target": f"ds_{seed}_{target}",  # another service, another id
                "target_name": target,
                "accuracy": 0.5 + 0.1 * (source == "g2l") * (1 if target == "steel" else -1),
                "seed": seed,
                "pretraining_seed": seed,
                "label_budget": 10,
            }
            for source in ("human", "g2l")
            for target in ("steel", "tiles", "moons")
        ]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{seed}.parquet")
    files = [str(tmp_path / f"{seed}.parquet") for seed in (0, 1)]
    plot = tmp_path / "plot.svg"
    words = [*files, "--chosen-on", "moons", "--against", "human", "--plot", str(plot)]
    monkeypatch.setattr("sys.argv", ["transfer_tables", *words])
    transfer_tables.main()
    printed = capsys.readouterr().out
    assert "12 transfers of 2 sources." in printed
    assert "| g2l | 60.0 | 40.0 | 40.0 | 46.7 | 50.0 | 6 |" in printed
    (points,) = re.findall(r"^\| g2l \| (\S+) \(.*\) \| 1 of 2 \| 4 \|$", printed, flags=re.MULTILINE)
    assert points == "+0.0"
    assert plot.read_text().startswith("<svg ")


def test_each_label_budget_has_its_tables_and_each_knob_its_plot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    gains = {"base": 0.0, "K: 128": 0.1, "K: 16": -0.1, "metric: energy": 0.2}
    rows = [
        {
            "source": source,
            "target": target,
            "target_name": target,
            "accuracy": 0.5 + gain * (1 if budget == 5 else 2),
            "seed": 0,
            "pretraining_seed": 0,
            "label_budget": budget,
        }
        for source, gain in gains.items()
        for target in ("steel", "tiles")
        for budget in (20, 5)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "knobs.parquet")
    words = [str(tmp_path / "knobs.parquet"), "--against", "base", "--knobs", str(tmp_path / "knobs")]
    monkeypatch.setattr("sys.argv", ["transfer_tables", *words])
    transfer_tables.main()
    few, many = capsys.readouterr().out.split("With 20 labelled images")
    assert "With 5 labelled images a class" in few
    assert "| K: 128 | 60.0 | 60.0 |" in few
    assert "| K: 128 | 70.0 | 70.0 |" in many
    assert re.search(r"\| metric: energy \| \+20\.0 ", few)
    assert re.search(r"\| metric: energy \| \+40\.0 ", many)
    plots = {path.stem: path.read_text() for path in (tmp_path / "knobs").iterdir()}
    assert set(plots) == {"K", "metric"}
    assert re.findall(r">(K: \d+)<", plots["K"]) == ["K: 16", "K: 128"]


def test_the_frontiers_page_shows_what_its_command_prints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sys.argv", ["frontier", "--plot", str(tmp_path / "frontier.svg")])
    frontier.main()
    printed = capsys.readouterr().out
    assert printed.count("\n") == len(frontier.LEVERS) + 2
    assert printed in (ROOT / "docs/results/frontier.md").read_text()
    assert (tmp_path / "frontier.svg").read_text() == (ROOT / "docs/results/frontier.svg").read_text()
    assert "| pretraining at all | +2.5 (" in printed  # as in docs/results/transfer.md


def test_a_source_that_was_used_in_several_ways_has_a_row_each(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = {("fine-tune", 0.002): 0.5, ("fine-tune", 0.0005): 0.6, ("linear-probe", 0.002): 0.7}
    for number, ((method, rate), accuracy) in enumerate(ways.items()):
        rows = [
            {
                "source": "human",
                "target": target,
                "target_name": target,
                "accuracy": accuracy,
                "seed": 0,
                "pretraining_seed": 0,
                "label_budget": 10,
                "method": method,
                "learning_rate": rate,
            }
            for target in ("steel", "tiles")
        ]
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{number}.parquet")
    files = [str(path) for path in sorted(tmp_path.iterdir())]
    monkeypatch.setattr("sys.argv", ["transfer_tables", *files, "--by-recipe", "--against", "human (0.002)"])
    transfer_tables.main()
    printed = capsys.readouterr().out
    assert re.search(r"\| human \(0.0005\) \| \+10\.0 .* 2 of 2 ", printed)
    assert re.search(r"\| human \(probed\) \| \+20\.0 .* 2 of 2 ", printed)
