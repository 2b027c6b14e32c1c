"""What stages take on a machine that was measured, for what was never measured here.

AMD EPYC, 2 cores, no GPU, 2026-11-25: docs/results/speed.md has the figures, `python -m benchmarks.training`
and `python -m benchmarks.stages` print them.
"""

from typing import Final

from app.estimates.measured import START_SECONDS, Pace
from app.estimates.works import EMBEDDING, Likeness, Network

ANOTHER_MACHINE: Final = 3.0  # may be so many times as slow or as fast
SIDE: Final = 32  # pixels; a network's time grows with the area
# Images a second in training, batches of 128.
TRAINING: Final = {
    "resnet-tiny": 2642,
    "resnet-18": 1051,
    "resnet-50": 347,
    "regnet-tiny": 926,
    "convnextv2-atto": 505,
    "vit-tiny": 119,
}
# The same network's other work, in a job and with all that belongs to it, against that.
PRETRAINED, FINE_TUNED, FORECAST, EMBEDDED = 0.75, 0.37, 0.7, 2.5
# Images a second of a built-in embedder that is fitted on them and embeds them.
FITTED: Final = {"patch-kmeans": 1000, "anchor-network": 250}
# Images a second, their responses being there.
CLUSTERED: Final = 3000
LABELLED: Final = 8000


def pace(like: Likeness) -> Pace | None:
    """About the pace of such jobs on that machine; None for a network that was not measured."""
    found = _images_per_second(like)
    return None if found is None else Pace(START_SECONDS, found, ANOTHER_MACHINE)


def _images_per_second(like: Likeness) -> float | None:
    work = {
        "model": _trained(like.network, PRETRAINED),
        "transfer": _trained(like.network, FINE_TUNED if like.how == "fine-tune" else EMBEDDED),
        "forecast": _trained(like.network, FORECAST),
        "anchor-set": CLUSTERED,
        "labeling": LABELLED,
    }
    after = work[like.kind]
    if like.how != EMBEDDING or after is None:
        return after
    before = _trained(like.network, EMBEDDED) or FITTED.get(like.network.name)
    return None if before is None else 1 / (1 / before + 1 / after)


def _trained(network: Network, share: float) -> float | None:
    found = TRAINING.get(network.name)
    if found is None or network.image_size is None:
        return None
    return share * found * (SIDE / network.image_size) ** 2
