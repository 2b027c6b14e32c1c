"""What all specs share: strictness and bounded types."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints


class Spec(BaseModel):
    """A request's body and the stored row alike: unknown fields are refused, defaults are filled in."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("NUL characters cannot be stored; leave them out")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_without_nul),
]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Length = Annotated[int, Field(ge=1, le=16)]
AnchorCount = Annotated[int, Field(ge=2, le=4096)]
Epochs = Annotated[int, Field(ge=1, le=10_000)]
SMALLEST_SIDE, LARGEST_SIDE = 8, 1024
ImageSize = Annotated[int, Field(ge=SMALLEST_SIDE, le=LARGEST_SIDE)]
BatchSize = Annotated[int, Field(ge=1, le=4096)]
LearningRate = Annotated[float, Field(gt=0, le=10)]
LabelBudget = Annotated[int, Field(ge=1, le=2**31 - 1)]
Metric = Literal["euclidean", "hellinger", "jensen-shannon", "energy", "kl"]
Augmentation = Literal["crop", "crop-flip", "affine"]
Prefer = Literal["far", "near", "explain"]
BuiltInEmbedder = Literal["patch-kmeans", "anchor-network", "identity"]
BUILT_IN_EMBEDDERS: tuple[BuiltInEmbedder, ...] = ("patch-kmeans", "anchor-network", "identity")


class Upload(Spec):
    """Bytes that came with the request and wait in the store."""

    id: str
    filename: str
    sha256: str
    bytes: int
