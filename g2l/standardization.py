"""What puts the responses of several embedders side by side, so that none outweighs the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]
STANDARDIZATION = "standardization.npz"


@dataclass(frozen=True)
class Standardization:
    """What is taken from each part's responses, and what they are divided by.

    Attributes:
        means: of each part, (D_p,) float32.
        scales: of each part, the root of the mean squared distance of its responses to their mean.
    """

    means: tuple[npt.NDArray[np.float32], ...]
    scales: tuple[float, ...]

    @property
    def dim(self) -> int:
        """Width of the joined responses."""
        return sum(len(mean) for mean in self.means)

    def join(self, parts: Sequence[Matrix]) -> Matrix:
        """Centre each part's responses, divide by its scale, and put them side by side.

        Args:
            parts: of each part, (N, D_p) of the same N items.

        Returns:
            (N, dim) float32; over the data of the fit every part has a mean squared length of 1.
        """
        joined = np.empty((len(parts[0]), self.dim), dtype=np.float32)
        start = 0
        for responses, mean, scale in zip(parts, self.means, self.scales, strict=True):
            columns = joined[:, start : start + len(mean)]
            np.subtract(responses, mean, out=columns)
            columns /= scale
            start += len(mean)
        return joined

    def save(self, path: Path) -> None:
        """Write what `load` reads."""
        means = {f"mean_{number}": mean for number, mean in enumerate(self.means)}
        np.savez(path, scales=np.array(self.scales), **means)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> "Standardization":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            scales = tuple(float(scale) for scale in stored["scales"])
            return cls(tuple(stored[f"mean_{number}"] for number in range(len(scales))), scales)


def fit_standardization(parts: Sequence[Matrix]) -> Standardization:
    """The standardization by which each part weighs the same in squared distances.

    One scale a part, not one a dimension: each embedder keeps its own geometry.

    Args:
        parts: of each part, (N, D_p) responses of the same N items.

    Returns:
        the standardization; a part whose responses are all alike becomes zeros.
    """
    means, scales = [], []
    for responses in parts:
        mean = responses.mean(axis=0, dtype=np.float64)
        spread = float(np.sqrt(((responses - mean) ** 2).sum(axis=1).mean()))
        means.append(mean.astype(np.float32))
        scales.append(spread if spread > 0 else 1.0)
    return Standardization(tuple(means), tuple(scales))
