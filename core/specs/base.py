"""What all specs share: strictness and bounded types."""

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
)


class Spec(BaseModel):
    """A request's body and the stored row alike: unknown fields are refused, defaults are filled in."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    id_fields: ClassVar[frozenset[str]] = frozenset()  # that hold ids, beside those of `references`


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("NUL characters cannot be stored; leave them out")
    return text


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_without_nul),
]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1, description="of all that is random")]
Length = Annotated[int, Field(ge=1, le=16, description="anchors in a label")]
AnchorCount = Annotated[int, Field(ge=2, le=4096, description="how many anchors to find")]
Epochs = Annotated[int, Field(ge=1, le=10_000, description="passes over the images")]
SMALLEST_SIDE, LARGEST_SIDE = 8, 1024
ImageSize = Annotated[int, Field(ge=SMALLEST_SIDE, le=LARGEST_SIDE, description="pixels along a side")]
BatchSize = Annotated[int, Field(ge=1, le=4096, description="images in a step")]
LearningRate = Annotated[float, Field(gt=0, le=10, description="the highest of its schedule")]
LabelBudget = Annotated[int, Field(ge=1, le=2**31 - 1)]
Metric = Literal["euclidean", "hellinger", "jensen-shannon", "mahalanobis", "energy", "kl"]
Balance = Literal["none", "sampling", "loss"]
Augmentation = Literal["crop", "crop-flip", "affine"]
Prefer = Literal["far", "near", "explain"]
BuiltInEmbedder = Literal["patch-kmeans", "anchor-network", "self-supervised", "identity"]
BUILT_IN_EMBEDDERS: tuple[BuiltInEmbedder, ...] = get_args(BuiltInEmbedder)
REFERENCE = "source:"  # in a study, in place of an id: what it makes for another of its sources


def _plain_if_alone(value: object) -> object:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _one_or_several(value: object) -> str:
    return "several" if isinstance(value, list | tuple) else "one"


# A built-in embedder's name or an id; or several, whose responses stand side by side.
EmbedderChoice = Annotated[
    Annotated[str, Tag("one")] | Annotated[list[str], Field(min_length=1, max_length=8), Tag("several")],
    Discriminator(_one_or_several),
    BeforeValidator(_plain_if_alone),
]


def parts_of(choice: str | list[str]) -> list[str]:
    """The names and ids of a choice, however many they are."""
    return [choice] if isinstance(choice, str) else choice


class Upload(Spec):
    """Bytes that came with the request and wait in the store."""

    id: str
    filename: str
    sha256: str
    bytes: int
