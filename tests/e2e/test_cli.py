"""The command line against the real service, each command in a process of its own."""

import csv
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.fixtures.images import picture
from tests.fixtures.service import COMMAND, RunningService

pytestmark = pytest.mark.e2e
Cli = Callable[..., subprocess.CompletedProcess[str]]
SMALL = ["--anchors", "3", "--length", "2", "--epochs", "1", "--image-size", "16", "--batch-size", "16"]


@pytest.fixture
def g2l(service: RunningService, tmp_path: Path) -> Cli:
    def run(*words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, *words],
            capture_output=True,
            text=True,
            check=False,
            timeout=840,
            cwd=tmp_path,
            env={**os.environ, "G2L_URL": service.url},
        )
        assert done.returncode == code, done.stderr
        return done

    return run


def asked(done: subprocess.CompletedProcess[str]) -> Any:
    return json.loads(done.stdout)


def write_images(folder: Path, count: int, *, classes: int = 0) -> Path:
    """Pictures of several patterns; a folder for each class of them, if there are to be classes."""
    for i in range(count):
        kind = i % (classes or 4)
        noise = np.random.default_rng(i).integers(-20, 20, (24, 24, 3))
        pixels = np.clip(picture(kind, height=24, width=24).astype(int) + noise, 0, 255).astype(np.uint8)
        path = folder / (f"class {kind}" if classes else "") / f"{i:03d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return folder


def test_a_dataset_comes_and_goes(g2l: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "pool", 6, classes=2)
    (tmp_path / "pool" / "broken.png").write_bytes(b"no image")
    made = asked(g2l("datasets", "create", "pool", "--json"))
    assert (made["name"], made["n_items"], made["n_rejected"]) == ("pool", 6, 1)
    assert {c["name"]: c["count"] for c in made["classes"]} == {"class 0": 3, "class 1": 3}
    listed = asked(g2l("datasets", "list", "--json"))["items"]
    assert listed[0]["id"] == made["id"]
    assert g2l("datasets", "show", made["id"]).stdout.splitlines()[0].split() == ["id", made["id"]]
    g2l("datasets", "delete", made["id"])
    refused = asked(g2l("datasets", "show", made["id"], "--json", code=1))
    assert (refused["type"], refused["status"]) == ("/problems/not-found", 404)


def test_an_upload_without_images_fails_with_its_reason(g2l: Cli, tmp_path: Path) -> None:
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04 and nothing more")
    refused = asked(g2l("datasets", "create", "cut.zip", "--json", code=1))
    assert refused["type"].startswith("/problems/")
    assert refused["detail"]


def test_jobs_can_be_looked_at(g2l: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "pool", 4)
    job = asked(g2l("datasets", "create", "pool", "--no-wait", "--json"))["id"]
    over = g2l("jobs", "wait", job)
    assert "state succeeded" in " ".join(over.stdout.split())
    assert job in g2l("jobs", "list", "--kind", "dataset", "--state", "succeeded").stdout
    events = [json.loads(line) for line in g2l("jobs", "events", job, "--json").stdout.splitlines()]
    assert [e["data"]["state"] for e in events if e["type"] == "state"] == ["queued", "running", "succeeded"]
    last = [e["id"] for e in events if e["id"]][-2]
    rest = g2l("jobs", "events", job, "--after", last, "--json").stdout.splitlines()
    assert [json.loads(line) for line in rest][-1] == events[-1]
    g2l("jobs", "logs", job)
    assert asked(g2l("jobs", "cancel", job, "--json", code=1))["type"] == "/problems/job-state"


def test_run_refuses_what_the_service_refuses(g2l: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "pool", 8)
    done = g2l("run", "pool", "--length", "99", code=1)
    assert "#/labeling/length" in done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)  # two minutes on two idle cores
def test_run_does_the_whole_job(g2l: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "pool", 64)
    write_images(tmp_path / "target", 40, classes=2)
    words = [*SMALL, "--target", "target", "--label-budget", "4", "--transfer-epochs", "2", "--seed", "1"]
    done = g2l("run", "pool", "--out", "made", "--name", "glyphs", *words)
    table = done.stdout
    rows = (
        "labels made",
        "degenerate share",
        "source accuracy",
        "forecast",
        "target accuracy",
        "from scratch",
    )
    assert all(row in table for row in rows)
    made = tmp_path / "made"
    assert {path.name for path in made.iterdir()} == {
        "model.safetensors",
        "config.json",
        "preprocessor_config.json",
        "README.md",
        "provenance.json",
        "labels.parquet",
        "labels.csv",
        "run.json",
    }
    with (made / "labels.csv").open() as file:
        labels = list(csv.DictReader(file))
    assert len(labels) == 64
    summary = json.loads((made / "run.json").read_text())
    assert summary["labeling"]["n_items"] == 64
    assert summary["request"]["transfer"]["label_budget"] == 4
    for stage in ("anchors", "labeling", "pretraining", "forecast", "from scratch", "transfer"):
        assert f"{stage}: done" in done.stderr
    _loads_with_the_printed_lines(table)

    again = asked(g2l("run", summary["pipeline"]["job_id"], "--out", "made", "--json"))
    assert again["model"]["id"] == summary["model"]["id"]
    pulled = asked(g2l("models", "pull", "glyphs", "--out", "pulled", "--json"))
    assert pulled["folder"] == str(tmp_path / "pulled")
    weights = (tmp_path / "pulled" / "model.safetensors").read_bytes()
    assert weights == (made / "model.safetensors").read_bytes()
    imported = asked(g2l("models", "import", "pulled", "--name", "back", "--json"))
    assert imported["role"] == "imported"


def _loads_with_the_printed_lines(table: str) -> None:
    lines = table.splitlines()
    code = [line.strip() for line in lines[lines.index("load them:") + 1 :]]
    assert len(code) == 3
    script = "\n".join([*code, "print(model.num_parameters())"])
    done = subprocess.run([COMMAND[0], "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 1000


def _heed_interrupts() -> None:
    """A suite that runs in the background of a shell ignores SIGINT, and its children would inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
def test_an_interrupted_run_goes_on_in_the_service(service: RunningService, g2l: Cli, tmp_path: Path) -> None:
    write_images(tmp_path / "pool", 32)
    process = subprocess.Popen(
        [*COMMAND, "run", "pool", *SMALL, "--epochs", "200"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "G2L_URL": service.url},
        preexec_fn=_heed_interrupts,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("anchors:"):
            break
    process.send_signal(signal.SIGINT)
    told = process.stderr.read()
    assert process.wait(30) == 130
    process.stderr.close()
    job = told.split("g2l jobs wait ")[1].split()[0]
    assert asked(g2l("jobs", "show", job, "--json"))["state"] == "running"
    g2l("jobs", "cancel", job)
    deadline = time.monotonic() + 60
    while asked(g2l("jobs", "show", job, "--json"))["state"] == "running" and time.monotonic() < deadline:
        time.sleep(0.5)
    assert "was cancelled" in g2l("jobs", "wait", job, code=1).stderr
