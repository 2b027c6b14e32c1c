"""What docs/client.md shows works as it is written."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from g2l.client import Client
from tests.e2e.test_cli import write_images
from tests.e2e.test_readme import archive
from tests.fixtures.service import RunningService
from tests.g2l.client.cutting import cutting

PAGE = (Path(__file__).parents[2] / "docs/client.md").read_text()


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(900)  # half a minute on two idle cores
def test_the_blocks_are_one_script_that_runs(service: RunningService, tmp_path: Path) -> None:
    write_images(tmp_path / "photos", 32)
    archive(tmp_path / "labelled", 24, classes=2)
    script = "\n".join(re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "G2L_URL": service.url, "G2L_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
        timeout=840,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    told = done.stdout
    assert "Accuracy(value=" in told
    assert "'model.safetensors'" in told
    assert "is running after 0.5 s of waiting; it goes on" in told or "is queued after 0.5 s" in told
    assert "invalid-request ('#/length',)" in told
    assert "cancelled The job was cancelled" in told
    assert "from scratch: done after" in done.stderr
    assert (tmp_path / "labels.csv").read_text().count("\n") == 33
    _comes_through_a_bad_network(service, tmp_path)


def _comes_through_a_bad_network(service: RunningService, folder: Path) -> None:
    cuts = random.Random(7).choices(range(1_000, 700_000), k=6)
    with cutting(service.url, list(cuts)) as network, Client(network.url) as client:
        client.models.pull("photos", folder / "again")
        assert network.made > 1
    for path in (folder / "weights/photos").iterdir():
        assert (folder / "again" / path.name).read_bytes() == path.read_bytes()
