"""How well images of one class stand together in the responses of built-in embedders, and what that costs.

    python -m benchmarks.embedders ARCHIVE … [--image-size 32] [--most 10000] [--efficientnet OUT.onnx]

Each archive has a folder a class. Every embedder is fitted on its images without labels, then each image is
classified by its five nearest neighbours among images of other folds. Prints a Markdown table. The network
that `python -m scripts.export_efficientnet` writes may stand in for what is trained here, at 128 pixels.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from benchmarks.machine import describe
from g2l.data.pack import Pack, write_pack
from g2l.nn.embedders import Embedder
from g2l.nn.images import Images
from g2l.nn.model_embedder import fit_self_supervised
from g2l.nn.onnx_embedder import import_onnx
from g2l.nn.patch_kmeans import fit_patch_kmeans
from g2l.nn.side_by_side import fit_side_by_side
from g2l.transferability.knn import knn_accuracy
from scripts.export_efficientnet import PREPROCESSING, SIDE


def measured(
    archive: Path, *, image_size: int, most: int, efficientnet: Path | None
) -> list[tuple[str, int, float, float, float]]:
    """Of every embedder: its name, D, seconds to fit, images a second, and kNN accuracy."""
    with TemporaryDirectory() as folder:
        write_pack(archive, archive.name, Path(folder) / "pack")
        pack = Pack(Path(folder) / "pack")
        chosen = np.sort(np.random.default_rng(0).permutation(len(pack))[:most])
        images, labels = pack.resized(image_size, 3, chosen), pack.class_ids[chosen]
        large = images if efficientnet is None else pack.resized(SIDE, 3, chosen)
    made: list[Embedder] = []
    rows = []

    def measure(name: str, fit: Callable[[Images], Embedder], images: Images = images) -> None:
        started = time.perf_counter()
        embedder = fit(images)
        fitted = time.perf_counter()
        responses = embedder.embed(images)
        embedded = time.perf_counter()
        made.append(embedder)
        rate = len(images) / (embedded - fitted)
        rows.append((name, embedder.dim, fitted - started, rate, knn_accuracy(responses, labels)))

    measure("patch-kmeans", lambda images: fit_patch_kmeans(images, seed=0))
    if efficientnet is not None:
        measure("efficientnet-lite0", lambda _: import_onnx(efficientnet, PREPROCESSING), large)
        return rows
    measure("self-supervised", lambda images: fit_self_supervised(images, seed=0))
    measure("both side by side", lambda images: fit_side_by_side(made, images))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("archives", nargs="+", type=Path)
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--most", type=int, default=10_000, help="images of an archive")
    parser.add_argument("--efficientnet", type=Path, help="what scripts.export_efficientnet wrote")
    given = parser.parse_args()
    print(f"{describe()}, torch {torch.__version__}, {torch.get_num_threads()} threads\n")
    print("| images | embedder | D | seconds to fit | images/s | kNN accuracy, % |")
    print("|---|---|---|---|---|---|")
    for archive in given.archives:
        for name, dim, seconds, rate, accuracy in measured(
            archive, image_size=given.image_size, most=given.most, efficientnet=given.efficientnet
        ):
            print(
                f"| {archive.stem} | {name} | {dim:,} | {seconds:.0f} | {rate:,.0f} | {accuracy * 100:.1f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
