"""Uploads and downloads on a network that cuts, from an API that is killed."""

import hashlib
import io
import random
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

from app.resumable import RECORDED_EVERY
from g2l.client import Client
from tests.app.made import Maker
from tests.chaos.arena import ApiProcess, Arena
from tests.chaos.conftest import Tell
from tests.chaos.verdict import judge
from tests.fixtures.lengths import by_length
from tests.g2l.client.cutting import cutting

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(3600)]
CUTS, KILLS = by_length((8, 2), (100, 10))
UPLOADED, DOWNLOADED = by_length((12, 12), (2048, 256))  # MiB


class Killer:
    """Kills the API at given shares of a transfer, and starts it again."""

    def __init__(self, api: ApiProcess, shares: list[float]) -> None:
        self._api, self._shares = api, sorted(shares)

    def __call__(self, here: int, total: int) -> None:
        if self._shares and here >= self._shares[0] * total:
            self._shares.pop(0)
            self._api.kill()

    @property
    def is_done(self) -> bool:
        return not self._shares


def write_pictures(path: Path) -> None:
    """A zip of so many megabytes of noise that takes little time to make and to read."""
    rng = np.random.default_rng(0)

    def noise() -> bytes:
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (1024, 1024, 3), np.uint8)).save(file, "PNG")
        return file.getvalue()

    images = [noise() for _ in range(min(UPLOADED // 3, 40))]
    with ZipFile(path, "w") as archive:
        for number in range(UPLOADED // 3):
            archive.writestr(f"kind{number % 2}/{number}.png", images[number % len(images)])


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def shares(dice: random.Random) -> list[float]:
    return [dice.uniform(0.05, 0.95) for _ in range(KILLS)]


def test_an_upload_that_is_cut_arrives_whole(
    arena: Arena, tell: Tell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("G2L_CACHE", str(tmp_path / "cache"))
    dice = random.Random(3)
    pool = tmp_path / "pool.zip"
    write_pictures(pool)
    size = pool.stat().st_size
    api = arena.api()
    killer = Killer(api, shares(dice))
    cuts = [dice.randrange(1, 2 * size // CUTS) for _ in range(CUTS)]
    with cutting(api.url, [], cuts) as network, Client(network.url, retry_for=600) as client:
        job = client.datasets.upload(pool, on_progress=killer)
        asked, made = network.asked, network.made
    assert killer.is_done
    assert asked <= size + (made + KILLS) * RECORDED_EVERY
    (upload,) = arena.job(job.id).spec["uploads"]
    assert upload["sha256"] == digest(pool)
    arena.worker()
    verdict = judge(arena, {job.id: "succeeded"})
    assert (verdict.jobs, verdict.attempts) == (1, 1)
    tell(
        "an upload: connections cut, the API killed",
        f"{made} cuts and {KILLS} kills in {size / 2**20:,.0f} MiB; "
        f"{(asked - size) / 2**20:.1f} MiB were sent again",
        verdict=vars(verdict),
    )


def test_a_download_that_is_cut_arrives_whole(arena: Arena, tell: Tell, tmp_path: Path) -> None:
    dice = random.Random(4)
    body = np.random.default_rng(0).bytes(DOWNLOADED << 20)
    model_id = Maker(arena.store).model(body)
    api = arena.api()
    killer = Killer(api, shares(dice))
    cuts = [dice.randrange(1, 2 * len(body) // CUTS) for _ in range(CUTS)]
    with cutting(api.url, cuts) as network, Client(network.url, retry_for=600) as client:
        path = client.models.download(
            model_id,
            "model.safetensors",
            tmp_path / "model.safetensors",
            on_progress=lambda _, here, total: killer(here, total),
        )
        made = network.made
    assert killer.is_done
    assert path.read_bytes() == body
    assert list(tmp_path.iterdir()) == [path]
    arena.stop_workers()
    tell(
        "a download: connections cut, the API killed",
        f"{made} cuts and {KILLS} kills in {len(body) / 2**20:.0f} MiB; whole",
    )
