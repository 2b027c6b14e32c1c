"""The pictures of docs/method.md, drawn by the method itself: `python -m benchmarks.figures`."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmarks.demo_data import pool_images
from g2l.anchors import AnchorSet, discover_anchors
from g2l.geometry import Prefer, greedy_simplices
from g2l.labeling import label, soft_targets
from g2l.nn.patch_kmeans import fit_patch_kmeans

FOLDER = Path(__file__).parents[1] / "docs" / "figures"
RULES: tuple[Prefer, ...] = ("far", "near", "explain")
INK, ACCENT, SOFT = "#1f2933", "#c2410c", "#94a3b8"
GALLERY_IMAGES, GALLERY_ANCHORS, SHOWN = 2000, 14, 9


def main() -> None:
    """Draw all figures."""
    plt.rcParams |= {"svg.hashsalt": "g2l", "font.family": "DejaVu Sans", "font.size": 9, "text.color": INK}
    FOLDER.mkdir(exist_ok=True)
    _save(growth(), "growth.svg")
    images = np.stack([pixels for _, pixels in pool_images(GALLERY_IMAGES, seed=0)])[..., None]
    responses = fit_patch_kmeans(images, seed=0).embed(images)
    anchors = discover_anchors(responses, GALLERY_ANCHORS, "euclidean", seed=0)
    _save(gallery(images, responses, anchors), "gallery.png")
    _save(targets(responses, anchors), "targets.svg")


def growth() -> Figure:
    """One image among seven anchors in the plane: the triangle that each rule grows."""
    anchors = np.array(
        [[0.5, 1.3], [0.6, 2.3], [2.4, 0.1], [1.1, -1.5], [-0.6, -1.8], [-1.9, -0.3], [-1.2, 1.3]]
    )
    names = ["lobster", "harp", "rabbit", "canyon", "violin", "meadow", "anvil"]
    image = np.array([[0.55, 0.35]])
    to_anchor = ((image[:, None] - anchors) ** 2).sum(2)
    between = ((anchors[:, None] - anchors) ** 2).sum(2)
    figure, axes = plt.subplots(1, len(RULES), figsize=(9, 3.2), sharex=True, sharey=True)
    for axis, rule in zip(axes, RULES, strict=True):
        order = greedy_simplices(to_anchor, between, 2, prefer=rule).order[0]
        corners = np.vstack([image, anchors[order], image])
        axis.fill(*corners.T, color=ACCENT, alpha=0.15)
        axis.plot(*corners.T, color=ACCENT, linewidth=1.2)
        axis.scatter(*anchors.T, color=[ACCENT if k in order else SOFT for k in range(len(anchors))], s=28)
        axis.scatter(*image.T, color=INK, marker="*", s=90, zorder=3)
        for name, place in zip(names, anchors, strict=True):
            axis.annotate(name, place, xytext=(0, 6), textcoords="offset points", ha="center", color=INK)
        axis.set_title(f"{rule}: {'-'.join(names[k] for k in order)}", color=INK)
        axis.set(aspect="equal", xlim=(-2.6, 3.1), ylim=(-2.3, 2.7))
        axis.axis("off")
    return figure


def gallery(images: NDArray[np.uint8], responses: NDArray[np.float32], anchors: AnchorSet) -> Figure:
    """Images of the most frequent labels, those with the largest margin first."""
    made = label(responses, anchors, length=2, prefer="explain")
    most = np.argsort(-np.bincount(made.class_ids), kind="stable")[:8]
    figure, axes = plt.subplots(len(most), SHOWN, figsize=(7, 6.4))
    for row, class_id in zip(axes, most, strict=True):
        members = np.flatnonzero(made.class_ids == class_id)
        members = members[np.argsort(-made.margin[members], kind="stable")][:SHOWN]
        row[0].text(-0.3, 0.5, made.classes[class_id], transform=row[0].transAxes, ha="right", va="center")
        for axis, member in zip(row, members, strict=False):
            axis.imshow(images[member, :, :, 0], cmap="gray")
        for axis in row:
            axis.axis("off")
    figure.subplots_adjust(left=0.22, right=0.99, top=0.99, bottom=0.01, wspace=0.06, hspace=0.06)
    return figure


def targets(responses: NDArray[np.float32], anchors: AnchorSet) -> Figure:
    """The soft targets of three images at both steps."""
    made = label(responses, anchors, length=2, prefer="explain")
    soft = soft_targets(responses, anchors, length=2, prefer="explain")
    picked = np.argsort(made.margin, kind="stable")[[len(made.margin) // 10, len(made.margin) // 2, -10]]
    figure, axes = plt.subplots(2, len(picked), figsize=(9, 4), sharex=True, sharey=True)
    for column, item in enumerate(picked):
        for step, axis in enumerate(axes[:, column]):
            chosen = made.full[item, step]
            colors: list[Any] = [ACCENT if k == chosen else SOFT for k in range(len(anchors.names))]
            axis.bar(range(len(anchors.names)), soft[item, step], color=colors)
            axis.spines[["top", "right"]].set_visible(False)
            axis.set_xticks(range(len(anchors.names)), anchors.names, rotation=90)
        axes[0, column].set_title(f"{made.classes[made.class_ids[item]]}, margin {made.margin[item]:.2f}")
    for step, axis in enumerate(axes[:, 0], start=1):
        axis.set_ylabel(f"step {step}")
    return figure


def _save(figure: Figure, name: str) -> None:
    metadata = {"Date": None} if name.endswith(".svg") else {}
    figure.savefig(FOLDER / name, bbox_inches="tight", dpi=80, metadata=metadata)
    plt.close(figure)


if __name__ == "__main__":
    main()
