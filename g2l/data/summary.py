"""What a pack says of itself: `pack.json`."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict, cast


class ClassCount(TypedDict):
    """A class and how many items it has."""

    name: str
    count: int


class SplitCounts(TypedDict):
    """Items on each side; `derived` if the sides are drawn and not the archive's own."""

    train: int
    test: int
    derived: bool


class ImageSize(TypedDict):
    """The shortest and the longest side of all images, in pixels."""

    min: int
    max: int


class RejectedItem(TypedDict):
    """A file that was left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class PackSummary:
    """The facts of a pack.

    Attributes:
        kind: what its items are.
        n_items, n_rejected: taken, and left out though named like images.
        rejected: the first 100 that were left out.
        classes: sorted by name; empty without labels.
        splits: without a test in the archive, what `target_split` draws for a target; all train if it cannot.
        image_size: None for embeddings.
        channels: of the dataset: 3 where grey and RGB are mixed; the dimension for embeddings.
        dtype: "uint8", "uint16" (if any item is) or "float32" (embeddings).
        version: counts the packs that grew from one; each item has that of the pack it came with.
        n_groups: groups that items belong to; None where no item has one.
        n_duplicates: of the rejected, those whose bytes the pack that this one extends has already.
    """

    kind: Literal["images", "embeddings"]
    n_items: int
    n_rejected: int
    rejected: list[RejectedItem]
    classes: list[ClassCount]
    splits: SplitCounts
    image_size: ImageSize | None
    channels: int
    dtype: str
    version: int = 1
    n_groups: int | None = None
    n_duplicates: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON values."""
        return asdict(self)

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.write_text(json.dumps(self.to_dict(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def load_summary(path: Path) -> PackSummary:
    """Read what `PackSummary.save` wrote."""
    return PackSummary(**cast(dict[str, Any], json.loads(path.read_text(encoding="utf-8"))))
