"""Images a second of one labeling job, by one worker and by several, and whether they made the same labels.

    python -m benchmarks.shards [ARCHIVE] [--workers 1 2] [--shard 4096]

ARCHIVE is of images, more than a shard; without one the pool of `make demo` is drawn, of 16,000 images. Every
worker has one thread, and each number of workers a service with an empty home: the labeling decodes and
embeds all images, by an embedder and anchors that were fitted on 1,000 of them. Prints a Markdown table.
"""

import argparse
import hashlib
import os
import re
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from benchmarks.demo_data import write_demo_data
from benchmarks.machine import describe
from benchmarks.serving import service
from g2l.client import Client

DRAWN, FITTED_ON = 16_000, 1_000  # images


@dataclass(frozen=True)
class Run:
    """One labeling."""

    workers: int
    images: int
    shards: int
    seconds: float
    labels: str  # the SHA-256 of their file

    @property
    def rate(self) -> float:
        """Images a second."""
        return self.images / self.seconds


def labelled(archive: Path, few: Path, *, workers: int, shard: int, folder: Path) -> Run:
    """Label an archive by a service with so many workers."""
    os.environ |= {"G2L_WORKERS": str(workers), "G2L_SHARD_IMAGES": str(shard), "OMP_NUM_THREADS": "1"}
    with service(folder / f"home-{workers}") as running, Client(running.url) as client:
        pool, fitted_on = (client.datasets.upload(path).wait().resource() for path in (archive, few))
        anchors = client.anchor_sets.create(discover={"dataset_id": fitted_on.id}).wait().resource()
        while live_workers(running.url) < workers:
            time.sleep(0.1)
        job = client.labelings.create(dataset_id=pool.id, anchor_set_id=anchors.id).wait()
        labels = client.labelings.labels(job.resource().id).save(folder / f"{workers}.parquet")
        return Run(
            workers,
            pool.n_items,
            len(job.children),
            job.seconds or 0.0,
            hashlib.sha256(labels.read_bytes()).hexdigest(),
        )


def live_workers(url: str) -> int:
    """How many take what embeds, by the service's own figures."""
    found = re.search(r'^g2l_workers\{queue="gpu"\} (\d+)', httpx.get(f"{url}/metrics").text, re.MULTILINE)
    return int(found[1]) if found else 0


def some_of(archive: Path, to: Path) -> Path:
    """An archive of evenly spaced images of another."""
    with zipfile.ZipFile(archive) as source, zipfile.ZipFile(to, "w") as part:
        names = [info.filename for info in source.infolist() if not info.is_dir()]
        for name in names[:: max(1, len(names) // FITTED_ON)]:
            part.writestr(name, source.read(name))
    return to


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archive", type=Path, nargs="?")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--shard", type=int, default=4096, help="images; a multiple of 256")
    asked = parser.parse_args()
    with TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o711)  # the account of PostgreSQL must pass
        archive = asked.archive or write_demo_data(folder, n_images=DRAWN)[0]
        few = some_of(archive, folder / "few.zip")
        runs = [
            labelled(archive, few, workers=workers, shard=asked.shard, folder=folder)
            for workers in asked.workers
        ]
    print(f"{describe()}; {archive.name}, {runs[0].images:,} images, a thread a worker\n")
    print("| workers | shards | seconds | images/s | ratio |\n|---|---|---|---|---|")
    for run in runs:
        ratio = run.rate / runs[0].rate
        print(f"| {run.workers} | {run.shards} | {run.seconds:.1f} | {run.rate:,.0f} | {ratio:.2f} |")
    print(f"\nthe same labels, byte for byte: {len({run.labels for run in runs}) == 1}")


if __name__ == "__main__":
    main()
