"""The study of transfers: labels by geometry beside human labels and every control.

`make study` starts a service on a home of its own, takes in the image sets that a request of
`benchmarks/studies` names, asks for the study, and follows it. Cut off, it goes on where it stopped when it
is run again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from benchmarks.demo import take_in
from benchmarks.machine import describe
from benchmarks.pools import write_quarter, write_unlabelled
from benchmarks.serving import COMMAND, service
from g2l.client.sync.client import Client
from g2l.client.sync.jobs import Job

EMBEDDER = "lite0"
MIXED_POOL = "mixed"  # the pool and the unlabelled training images of all targets
QUARTER = "quarter"  # every fourth image of each class of the pool
UNLABELLED = "-unlabelled"  # after a target's name: its training images, without their labels
FRACTALS = "fractals"  # images by formula, as many as the pool has and of as many classes
ITS_INPUT = {"rescale_factor": 1.0, "image_mean": [127.0], "image_std": [128.0]}
UNFINISHED = ("queued", "running")


def study(client: Client, url: str, request: dict[str, Any], home: Path) -> Job[Any]:
    """The study of a request, over; what an earlier call with the same request has begun goes on."""
    written = json.dumps(request, indent=1)
    begun = home / f"study-{hashlib.sha256(written.encode()).hexdigest()[:16]}"
    if not begun.exists():
        file = begun.with_suffix(".json")
        file.write_text(written)
        environment = {**os.environ, "G2L_URL": url}
        subprocess.run([COMMAND, "study", "submit", str(file), "--no-wait"], env=environment, check=True)
        begun.write_text(next(iter(client.jobs.list(kind="study", limit=1))).id)
    job = client.jobs.get(begun.read_text())
    if job.state in ("failed", "cancelled"):
        job.retry()
    said = -1
    while (job := client.jobs.get(job.id, wait=60)).state in UNFINISHED:
        if job.progress is not None and job.progress.done != said:
            said = job.progress.done
            print(f"{said} of {job.progress.total} transfers", flush=True)
    return job


def take_in_what_is_missing(
    client: Client, request: dict[str, Any], home: Path, data: Path, embedder: Path | None
) -> None:
    """Upload the sets that a request names, and the network that its sources embed with."""
    known = {dataset.name for dataset in client.datasets.list()}
    sets = [data / f"{name}.zip" for name in dict.fromkeys([request["pool"], *request["targets"]])]
    if absent := [str(path) for path in sets if not path.exists()]:
        raise SystemExit(f"--data names the folder of the image sets; not there: {', '.join(absent)}")
    take_in(client, *[path for path in sets if path.stem not in known])
    mixed, quarter = (home / f"{name}.zip" for name in (MIXED_POOL, QUARTER))
    pools = {source["pool"] for source in request["sources"] if "pool" in source} - known
    if FRACTALS in pools:
        client.datasets.draw(FRACTALS, n_classes=200, n_items=24_000, image_size=64).wait()
    if MIXED_POOL in pools:
        write_unlabelled(sets, mixed)
        take_in(client, mixed)
    own = {pool for pool in pools if pool.endswith(UNLABELLED)} | set(request.get("target_pools", [])) - known
    for name in sorted(own):
        write_unlabelled([data / f"{name.removesuffix(UNLABELLED)}.zip"], home / f"{name}.zip")
        take_in(client, home / f"{name}.zip")
    if QUARTER in pools:
        write_quarter(sets[0], quarter)
        take_in(client, quarter)
    if embedder is not None and not list(client.models.list(name=EMBEDDER, limit=1)):
        client.models.import_file(embedder, name=EMBEDDER, preprocessing=ITS_INPUT).wait()


def asked(args: argparse.Namespace) -> dict[str, Any]:
    """The request of the file, with what the command says in place of what stands there."""
    request: dict[str, Any] = tomllib.loads(args.file.read_text())
    if args.seed is not None:
        request |= {"pretraining_seeds": [args.seed], "seeds": [args.seed]}
    if args.sources is not None:
        request["sources"] = [source for source in request["sources"] if source["name"] in args.sources]
    if args.targets is not None:
        request["targets"] = args.targets
        if "target_pools" in request:
            request["target_pools"] = [f"{target}{UNLABELLED}" for target in args.targets]
    if args.budgets is not None:
        request["label_budgets"] = args.budgets
    if args.transfer_size is not None:
        request["transfer"]["image_size"] = args.transfer_size
    if args.frozen:
        size = request["transfer"].get("image_size")
        recipes = [source for source in request["sources"] if source.keys() > {"name"}]  # not scratch
        request |= {"transfer": {"method": "linear-probe", "image_size": size}, "sources": recipes}
    return request


def main() -> None:
    """Run a study, or go on with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("file", type=Path, help="a request, as `g2l study submit` takes it")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="a zip for each set")
    parser.add_argument("--home", type=Path, default=Path("study/home"), help="where it goes on after a cut")
    parser.add_argument("--embedder", type=Path, help="what scripts.export_efficientnet has written")
    parser.add_argument("--out", type=Path, default=Path("study"), help="folder for transfers and page")
    parser.add_argument("--seed", type=int, help="one seed for sources and transfers, not the file's")
    parser.add_argument("--sources", nargs="+", metavar="NAME", help="these of the file's sources alone")
    parser.add_argument("--targets", nargs="+", metavar="NAME", help="these image sets, not the file's")
    parser.add_argument("--budgets", nargs="+", type=int, help="labelled images a class, not the file's")
    parser.add_argument("--transfer-size", type=int, help="pixels that transfers run at, not the file's")
    parser.add_argument("--frozen", action="store_true", help="sources frozen, under a linear probe")
    args = parser.parse_args()
    request = asked(args)
    print(describe(), flush=True)
    with service(args.home) as running, Client(running.url) as client:
        take_in_what_is_missing(client, request, args.home, args.data, args.embedder)
        job = study(client, running.url, request, args.home)
        if job.state != "succeeded":
            raise SystemExit(f"{job.id} has {job.state}: {job.error}")
        made = job.resource()
        args.out.mkdir(parents=True, exist_ok=True)
        client.studies.transfers(made.id).save(args.out / "transfers.parquet", "parquet")
        client.studies.report(made.id, args.out / "report.html")
        environment = {**os.environ, "G2L_URL": running.url}
        subprocess.run([COMMAND, "study", "show", made.id], env=environment, check=True)


if __name__ == "__main__":
    main()
