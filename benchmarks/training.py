"""Images a second of every architecture in training, and of the embedders, on this machine.

    python -m benchmarks.training [--image-size 32] [--batch-size 128] [--seconds 3] [--arch NAME …]

Prints a Markdown table: random pixels, so that nothing but the arithmetic is measured.
"""

import argparse
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
import transformers

from benchmarks.machine import describe
from g2l.nn.devices import pick_device
from g2l.nn.images import Images, fit_preprocessing
from g2l.nn.model_embedder import ModelEmbedder
from g2l.nn.objectives import objective
from g2l.nn.patch_kmeans import fit_patch_kmeans
from g2l.nn.recipes import Recipe, Task
from g2l.nn.training import fit
from g2l.nn.zoo import ARCHITECTURES, DEFAULT_ARCHITECTURE, ArchitectureTooDeepError, build

N_CLASSES = 64


class _Over(Exception):
    """The time for one measurement is over."""


def training_rate(arch: str, images: Images, *, batch_size: int, seconds: float) -> float:
    """Images a second from pixels to the optimizer's step, the first batch left out."""
    side, channels = images.shape[1], images.shape[3]
    model = build(arch, n_outputs=N_CLASSES, channels=channels, image_size=side)
    aim = objective(np.arange(len(images)) % N_CLASSES, n_classes=N_CLASSES)
    task = Task(images, aim, fit_preprocessing(images), np.arange(len(images)), np.arange(0))
    marks: list[tuple[float, int]] = []

    def progress(done: int, _: int) -> None:
        marks.append((time.perf_counter(), done))
        if len(marks) > 1 and marks[-1][0] - marks[0][0] > seconds:
            raise _Over

    recipe = Recipe(epochs=10_000, batch_size=batch_size, learning_rate=1e-3)
    with suppress(_Over):
        fit(model, task, recipe, on_progress=progress)
    return (marks[-1][1] - marks[0][1]) / (marks[-1][0] - marks[0][0])


def rate(work: Callable[[Images], object], images: Images, *, seconds: float) -> float:
    """Images a second of a function of images, repeated until the time is over."""
    work(images[:64])
    started, done = time.perf_counter(), 0
    while time.perf_counter() - started < seconds:
        work(images)
        done += len(images)
    return done / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--arch", action="append", choices=ARCHITECTURES)
    asked = parser.parse_args()
    side = asked.image_size
    images = np.random.default_rng(0).integers(0, 256, (1024, side, side, 3), dtype=np.uint8)
    load = os.getloadavg()[0]
    print(
        f"{describe()}, load {load:.1f}, "
        f"{torch.get_num_threads()} threads, {pick_device()}, torch {torch.__version__}, "
        f"transformers {transformers.__version__}; {side} px, batch {asked.batch_size}\n"
    )
    print("| what | parameters | images/s |\n|---|---|---|")
    for arch in asked.arch or ARCHITECTURES:
        try:
            speed = training_rate(arch, images, batch_size=asked.batch_size, seconds=asked.seconds)
        except ArchitectureTooDeepError as error:
            print(f"| train {arch} | | {error} |")
            continue
        parameters = build(arch, n_outputs=N_CLASSES, image_size=side).num_parameters()
        print(f"| train {arch} | {parameters / 1e6:.2f} M | {speed:,.0f} |", flush=True)
    network = ModelEmbedder(
        build(DEFAULT_ARCHITECTURE, n_outputs=2, image_size=side), fit_preprocessing(images)
    )
    print(f"| embed {DEFAULT_ARCHITECTURE} | | {rate(network.embed, images, seconds=asked.seconds):,.0f} |")
    patches = fit_patch_kmeans(images, seed=0)
    print(f"| embed patch-kmeans | | {rate(patches.embed, images, seconds=asked.seconds):,.0f} |")
    with TemporaryDirectory() as folder:
        patches.save(Path(folder))
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    print(f"\npatch-kmeans on disk: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
