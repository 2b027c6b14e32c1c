"""What a forecast is made of: sources as they are known on a target, and transfers that were run."""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass

from g2l.figures import Figures

METHOD = 6
"""Number of the way in which forecasts are computed from past transfers; the next one for a change of it."""


@dataclass(frozen=True)
class Candidate:
    """A source and what is known of it on the target at hand.

    Attributes:
        source_id: the source.
        source_size: images the source was trained on; None if not known.
        figures: transferability scores and divergences by name, None or missing where not known: scores
            without target labels, divergences without a pool, all but two in old records. `scratch` is the
            mean accuracy from scratch on that target at that label budget, if it was measured.
        recipe: what sources that differ by their seed alone have in common; None where only the source itself
            is like it.
    """

    source_id: str
    source_size: int | None
    figures: Figures
    recipe: str | None = None

    @property
    def kin(self) -> str:
        """Sources that are expected to do alike."""
        return self.recipe or self.source_id


@dataclass(frozen=True)
class PastTransfer:
    """A transfer that was run.

    Attributes:
        target_id: its target.
        source: its source, as it was known before the transfer.
        n_classes: of the target.
        label_budget: images a class; None for all of them.
        accuracy: measured, 0 to 1.
    """

    target_id: str
    source: Candidate
    n_classes: int
    label_budget: int | None
    accuracy: float


def known_from_scratch(record: PastTransfer) -> bool:
    """Whether its target was trained on from scratch, too."""
    return record.source.figures.get("scratch") is not None


def calibration_version(past: Iterable[PastTransfer]) -> str:
    """A name of the transfers that a forecast was fitted on, in any order, and of the way it was."""
    told = sorted(repr(_told(record)) for record in past)
    return hashlib.sha256("\n".join([str(METHOD), *told]).encode()).hexdigest()[:12]


def _told(record: PastTransfer) -> tuple[object, ...]:
    source = record.source
    known = sorted((name, value) for name, value in source.figures.items() if value is not None)
    outcome = record.n_classes, record.label_budget, record.accuracy
    return record.target_id, source.kin, source.source_size, known, *outcome


def log_budget(label_budget: int | None) -> float:
    """Natural log of images a class; NaN for all of them."""
    return math.log(label_budget) if label_budget else math.nan
