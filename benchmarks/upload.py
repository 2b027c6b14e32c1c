"""Memory of the service while a large archive goes in: `python -m benchmarks.upload [GIGABYTES]`.

Starts an embedded service in a home of its own, writes a zip of stored images of the wanted size, uploads it
through the client, and prints the peak of resident memory of every process of the service.
"""

import sys
import tempfile
import time
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.machine import describe
from benchmarks.processes import peaks
from benchmarks.serving import service
from g2l.client import Client

IMAGE_SIDE = 1024  # random pixels: about 3 MB a PNG, so that bytes and not files are the load


def main() -> None:
    """Upload, wait for the ingest, print."""
    gigabytes = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "large.zip"
        _write_archive(archive, int(gigabytes * 2**30))
        print(f"archive: {archive.stat().st_size / 2**30:.2f} GiB")
        with service(Path(folder) / "home") as running, peaks(running.pid) as seen:
            client = Client(running.url)
            started = time.perf_counter()
            job = client.datasets.upload(archive, name="large")
            uploaded = time.perf_counter()
            client.jobs.wait(job)
            ended = time.perf_counter()
    print(f"upload {uploaded - started:.1f} s, ingest {ended - uploaded:.1f} s")
    for name, (first, peak) in sorted(seen.items()):
        print(f"{name:40s} first {first / 2**20:7.0f} MiB, peak {peak / 2**20:7.0f} MiB")


def _write_archive(path: Path, size: int) -> None:
    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(8):
        buffer = BytesIO()
        Image.fromarray(rng.integers(0, 256, (IMAGE_SIDE, IMAGE_SIDE, 3), np.uint8)).save(buffer, "png")
        pictures.append(buffer.getvalue())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number in range(size // len(pictures[0])):
            archive.writestr(f"{number % 7}/{number}.png", pictures[number % 8])


if __name__ == "__main__":
    main()
