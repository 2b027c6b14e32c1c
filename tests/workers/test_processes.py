"""What a worker's processes load, and that a child never outlives its worker."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.workers.service import ROOT, alive

HEAVY = ("torch", "transformers", "fastapi", "starlette", "uvicorn", "numpy", "PIL")


def loaded(code: str) -> set[str]:
    """Which of the heavy packages a fresh process has loaded after some code."""
    asked = f"{code}\nimport sys\nprint(*(name for name in {HEAVY!r} if name in sys.modules))"
    environment = {**os.environ, "G2L_DATABASE_URL": "postgresql:///x", "G2L_REDIS_URL": "unix:///x"}
    done = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    return set(done.stdout.split())


def test_the_worker_loads_nothing_that_must_not_be_forked_or_served() -> None:
    assert loaded("import workers.celery_app as w\nw.app.loader.import_default_modules()") == set()


def test_a_light_job_loads_no_torch_and_no_job_loads_a_web_framework() -> None:
    assert "torch" not in loaded("import workers.run, workers.tasks.dataset")
    tasks = "anchor_set", "labeling", "model", "transfer", "forecast"
    names = ", ".join(f"workers.tasks.{task}" for task in tasks)
    assert not loaded(f"import workers.run, {names}") & {"torch", "transformers", "fastapi", "starlette"}


def test_what_jobs_are_forked_from_has_all_they_need_and_runs_nothing() -> None:
    code = "import importlib, threading\nfrom workers.nursery import IMPORTED\n"
    code += "for name in IMPORTED: importlib.import_module(name)\n"
    code += "import torch\nassert threading.active_count() == 1 and not torch.cuda.is_initialized()"
    assert {"torch", "transformers", "numpy", "PIL"} <= loaded(code) < {*HEAVY} - {"fastapi", "starlette"}


LEASHED = """
import subprocess, sys, time
from workers import leash
leash.hold()
sleeping = [sys.executable, "-c", "import time; time.sleep(600)"]
grandchild = subprocess.Popen(sleeping, stdin=subprocess.DEVNULL)
print(grandchild.pid, flush=True)
time.sleep(600)
"""
HOLDER = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {LEASHED!r}], stdin=subprocess.PIPE, start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_whole_group_ends_with_the_worker(tmp_path: Path) -> None:
    with (tmp_path / "pids").open("wb") as file:
        holder = subprocess.Popen([sys.executable, "-c", HOLDER], cwd=ROOT, stdout=file)
    while len(pids := [int(word) for word in (tmp_path / "pids").read_text().split()]) < 2:
        time.sleep(0.05)
    assert all(alive(pid) for pid in pids)
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    while any(alive(pid) for pid in pids):  # pytest's own timeout bounds it
        time.sleep(0.05)
