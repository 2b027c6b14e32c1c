"""The demo: the main job on real input, on a service of its own, beside its controls.

`make demo` draws the images (see `demo_data`), starts `g2l serve` on a home below `demo/`, runs `g2l run` on
them, and then trains and transfers the same network over a few seeds with labels of other kinds: k-means ids
of the same responses, human labels (the script of each glyph), and none at all (from scratch).
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from scipy import stats

from benchmarks.demo_data import SCRIPTS, write_demo_data
from benchmarks.machine import describe
from benchmarks.serving import COMMAND, service
from g2l.cli.follow import upload, wait
from g2l.cli.models import how_to_load
from g2l.client.answers import Transfer
from g2l.client.progress import Reporter, reporting
from g2l.client.sync.client import Client
from g2l.client.sync.jobs import Job
from g2l.client.values import Answer, JsonObject

G2L, K_MEANS, HUMAN, SCRATCH = "G2L", "k-means", "human labels", "from scratch"
EMBEDDER = "anchor-network"
LABELING = {"length": 2, "prefer": "explain", "min_class_size": 20}
HEADS = "positions"
TRAINING: dict[str, Any] = {"epochs": 6, "augmentation": "affine"}  # as handwriting varies
BUDGET, TRANSFER_EPOCHS = 10, 30
TRANSFER: dict[str, Any] = {
    "label_budget": BUDGET,
    "epochs": TRANSFER_EPOCHS,
    "learning_rate": 1e-3,  # fixed for every arm; choosing it by cross-validation takes six times as long
    "augmentation": "affine",
}
LEVEL = 0.95

Run = tuple[str, int]  # arm and seed
A = TypeVar("A", bound=Answer)


@dataclass(frozen=True)
class Demo:
    """What the demo works with: a service, and what was taken in there."""

    client: Client
    reporter: Reporter
    pool: str
    target: str

    def finish(self, job: Job[A], label: str) -> A:
        """Wait for a job, and read what it has made."""
        return wait(job, self.reporter, label=label).resource()

    def transfer(self, run: Run, model_id: str | None) -> Job[Transfer]:
        """Ask for a source's transfer to the target, or for one from scratch."""
        fields: dict[str, Any] = {"dataset_id": self.target, "model_id": model_id, "seed": run[1], **TRANSFER}
        return self.client.transfers.create(**fields)


def take_in(client: Client, *archives: Path) -> list[str]:
    """Upload archives and wait until the service has read them; the datasets' ids."""
    with reporting() as reporter:
        sent = [(path, upload(client, str(path), path.stem, reporter, label=path.stem)) for path in archives]
        over = [wait(job, reporter, label=f"dataset {path.stem}") for path, job in sent]
    return [job.resource().id for job in over]


def run_command(url: str, pool: str, target: str, folder: Path) -> JsonObject:
    """`g2l run` with the scripts as given anchors, as a user would type it; its run.json."""
    anchors = [f"--anchor={script}={pool}:{script}" for script in SCRIPTS]
    options = [
        f"--target={target}",
        f"--label-budget={BUDGET}",
        f"--transfer-epochs={TRANSFER_EPOCHS}",
        f"--transfer-learning-rate={TRANSFER['learning_rate']}",
        f"--embedder={EMBEDDER}",
        *(f"--{name.replace('_', '-')}={value}" for name, value in LABELING.items()),
        f"--epochs={TRAINING['epochs']}",
        f"--augmentation={TRAINING['augmentation']}",
        f"--heads={HEADS}",
        "--seed=0",
        f"--out={folder}",
    ]
    print("\n$ g2l run", pool, anchors[0], f"[{len(anchors) - 2} more]", anchors[-1], *options, flush=True)
    subprocess.run(
        [COMMAND, "run", pool, *anchors, *options],
        check=True,
        env={**os.environ, "G2L_URL": url},
    )
    summary: JsonObject = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return summary


def source_requests(demo: Demo, labeling: JsonObject) -> dict[str, dict[str, Any]]:
    """What each kind of source asks for, beside its recipe and seed."""
    control = demo.client.labelings.k_means(
        dataset_id=demo.pool,
        embedder=labeling["embedder_id"],
        n_classes=labeling["n_classes"],
    )
    return {
        G2L: {"labeling_id": labeling["id"], "heads": HEADS},
        K_MEANS: {"labeling_id": demo.finish(control, "k-means labels")["id"], "targets": "hard"},
        HUMAN: {"dataset_id": demo.pool, "objective": "human-labels"},
    }


def accuracies(demo: Demo, summary: JsonObject, seeds: int) -> dict[str, list[float]]:
    """Train and transfer every kind of source with every seed; what `g2l run` has made is not made again."""
    made = {(G2L, 0): "transfer_id", (SCRATCH, 0): "scratch_transfer_id"}
    measured = {
        run: float(demo.client.transfers.get(summary["pipeline"][id_])["accuracy"]["value"])
        for run, id_ in made.items()
    }
    transfers = {run: demo.transfer(run, None) for run in _runs([SCRATCH], seeds) if run not in made}
    requests = source_requests(demo, summary["labeling"])
    sources = {
        run: demo.client.models.train(name=f"demo {run[0]}", seed=run[1], **requests[run[0]], **TRAINING)
        for run in _runs(requests, seeds)
        if run not in made
    }
    for run, job in sources.items():
        model = demo.finish(job, f"train {run[0]}, seed {run[1]}")
        transfers[run] = demo.transfer(run, model["id"])
    for run, transfer in transfers.items():
        done = demo.finish(transfer, f"transfer {run[0]}, seed {run[1]}")
        measured[run] = float(done["accuracy"]["value"])
    return {arm: [measured[run] for run in _runs([arm], seeds)] for arm in (*requests, SCRATCH)}


def _runs(arms: Iterable[str], seeds: int) -> list[Run]:
    return [(arm, seed) for seed in range(seeds) for arm in arms]


def interval(values: list[float]) -> tuple[float, float]:
    """Mean of a few values and half the width of its Student interval, in per cent."""
    percent = 100 * np.asarray(values)
    half = stats.t.ppf((1 + LEVEL) / 2, len(percent) - 1) * stats.sem(percent)
    return float(percent.mean()), float(half)


def table(scores: dict[str, list[float]]) -> list[str]:
    """A line an arm: every seed, the mean, and the difference from scratch, paired by seed."""
    seeds = len(scores[SCRATCH])
    lines = [f"{'labels of the source':<22}" + "".join(f"  seed {s}" for s in range(seeds)) + "     mean"]
    lines[0] += "            above scratch"
    for arm, values in scores.items():
        mean, half = interval(values)
        line = f"{arm:<22}" + "".join(f"{100 * value:8.1f}" for value in values) + f"{mean:9.2f} ± {half:.2f}"
        if arm != SCRATCH:
            line += "{:+16.2f} ± {:.2f}".format(*interval(_differences(scores, arm, SCRATCH)))
        lines.append(line)
    return lines


def verdict(scores: dict[str, list[float]], other: str) -> str:
    """G2L against another arm, in a sentence."""
    mean, half = interval(_differences(scores, G2L, other))
    ahead = "level with" if abs(mean) <= half else "ahead of" if mean > 0 else "behind"
    return f"G2L is {ahead} {other}: {mean:+.2f} ± {half:.2f} points, paired by seed."


def _differences(scores: dict[str, list[float]], one: str, other: str) -> list[float]:
    return [a - b for a, b in zip(scores[one], scores[other], strict=True)]


def report(scores: dict[str, list[float]], folder: Path, started: float) -> None:
    """The table, what it says, and where the weights lie."""
    print(f"\n{describe()}\nTest accuracy in %, {BUDGET} labelled images a class, {LEVEL:.0%} intervals:\n")
    print("\n".join(table(scores)), end="\n\n")
    print("\n".join(verdict(scores, other) for other in scores if other != G2L))
    print("The embedder behind G2L and k-means was trained on the anchors' names, the scripts.", end="\n\n")
    print("\n".join(how_to_load(folder)))
    print(f"\nAll of it took {time.monotonic() - started:.0f} s.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("demo"), help="where all is written")
    parser.add_argument("--seeds", type=int, default=3, help="2 or more")
    arguments = parser.parse_args()
    folder, started = arguments.folder.resolve(), time.monotonic()
    pool_archive, target_archive = write_demo_data(folder / "data")
    shutil.rmtree(folder / "weights", ignore_errors=True)
    with service(folder / "home") as running, Client(running.url) as client:
        pool, target = take_in(client, pool_archive, target_archive)
        summary = run_command(running.url, pool, target, folder / "weights")
        with reporting() as reporter:
            scores = accuracies(Demo(client, reporter, pool, target), summary, arguments.seeds)
    report(scores, folder / "weights", started)


if __name__ == "__main__":
    main()
