"""What the README shows works as it is written."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from tests.e2e.test_cli import write_images
from tests.fixtures.images import write_zip
from tests.fixtures.service import RunningService

README = (Path(__file__).parents[2] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def archive(folder: Path, count: int, *, classes: int) -> None:
    """A zip beside a folder of images, of the folder's name."""
    write_images(folder, count, classes=classes)
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}
    write_zip(folder.with_suffix(".zip"), files)


def by_bash(script: str, folder: Path) -> str:
    """What a script prints that must not fail."""
    done = subprocess.run(
        ["bash", "-eu", "-c", script], cwd=folder, capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.mark.e2e
@pytest.mark.slow
def test_the_main_job_by_curl(service: RunningService, tmp_path: Path) -> None:
    archive(tmp_path / "pool", 48, classes=0)
    archive(tmp_path / "target", 24, classes=2)
    (script,) = blocks("bash")
    said = by_bash(script.replace("http://127.0.0.1:8000", service.url), tmp_path)
    assert said.count('"label":') == 3
    assert "'level': 0.95" in said
    (weights,) = tmp_path.glob("*.safetensors")
    assert load_file(weights)


def test_the_method_alone() -> None:
    script = next(block for block in blocks("python") if "GeometryLabeler" in block)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert len(re.findall(r"'\w+-\w+'", done.stdout)) == 3
