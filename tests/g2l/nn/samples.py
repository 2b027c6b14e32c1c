"""Images made for tests."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from g2l.nn.images import Images, fit_preprocessing
from g2l.nn.models import save_model
from g2l.nn.zoo import build


@dataclass(frozen=True)
class Labelled:
    """Images and the ids of their classes."""

    images: Images
    labels: npt.NDArray[np.int64]

    def first(self, n: int) -> "Labelled":
        return Labelled(self.images[:n], self.labels[:n])


def noise(n: int, side: int, channels: int, *, dtype: Any = np.uint8, seed: int = 0) -> Images:
    """Random pixels over the whole range of the type."""
    top = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, top + 1, (n, side, side, channels), dtype=dtype)


def save_random_model(
    folder: Path, *, arch: str = "resnet-tiny", channels: int = 3, side: int = 16, n_outputs: int = 4
) -> Path:
    """A folder with an untrained model."""
    save_model(
        folder,
        build(arch, n_outputs=n_outputs, channels=channels, image_size=side, seed=1).eval(),
        labels=[f"class-{number}" for number in range(n_outputs)],
        preprocessing=fit_preprocessing(noise(8, side, channels)),
        card="# A model\n",
        provenance={"third_party_weights": False},
    )
    return folder
