"""What each stage of a pipeline takes in a running service, beside what a dry run had expected.

    python -m benchmarks.stages POOL TARGET [--rounds 1] [--arch resnet-tiny] [--image-size 32] [--epochs 6]

POOL and TARGET are folders or archives. Prints a Markdown table; `app.estimates.reference` is made of its
columns. The service is named by G2L_URL.
"""

import argparse

from benchmarks.machine import describe
from g2l.client import Client


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pool")
    parser.add_argument("target")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--arch", default="resnet-tiny")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--label-budget", type=int, default=10)
    asked = parser.parse_args()
    with Client() as client:
        jobs = [client.datasets.upload(path) for path in (asked.pool, asked.target)]
        pool, target = (job.wait().resource().id for job in jobs)
        request = {
            "dataset_id": pool,
            "rounds": asked.rounds,
            "model": {"arch": asked.arch, "image_size": asked.image_size, "epochs": asked.epochs},
            "transfer": {"dataset_id": target, "label_budget": asked.label_budget},
        }
        expected = client.pipelines.estimate(**request)
        job = client.pipelines.create(**request).wait(progress=True)
        took = {child.role: child.seconds or 0.0 for child in map(client.jobs.get, job.children)}
        measured = client.pipelines.estimate(**request)
    print(f"{describe()}; {asked.arch}, {asked.image_size} px\n")
    print("| stage | images | epochs | expected, s | took, s | images/s |\n|---|---|---|---|---|---|")
    for before, after in zip(expected.stages, measured.stages, strict=True):
        guess = "unknown" if before.expected_seconds is None else f"{before.expected_seconds.value:.1f}"
        rate = "" if after.basis != "measured here" else f"{after.images_per_second:,.0f}"
        print(
            f"| {before.role} | {before.images:,} | {before.epochs or ''} | {guess} "
            f"| {took[before.role]:.1f} | {rate} |"
        )
    print(f"\nall together {job.seconds:.0f} s")


if __name__ == "__main__":
    main()
