"""Labelings: a pseudo-label for every item of a dataset, by geometry or by a control."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag, TypeAdapter, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

from core.specs.base import EmbedderChoice, Length, Name, Prefer, Seed, Spec

AUTO = "auto"
LengthChoice = Annotated[
    Annotated[Length, Tag("count")] | Annotated[Literal["auto"], Tag(AUTO)],
    Discriminator(lambda value: AUTO if isinstance(value, str) else "count"),
    Field(description="anchors in a label; auto: while each adds half a bit, and classes stay large enough"),
]
ClassCount = Annotated[int, Field(ge=2, le=100_000)]
Views = Annotated[
    int,
    Field(
        ge=1,
        le=16,
        description="whose responses are averaged: the image as it is, then crops, half of them mirrored",
    ),
]


class GeometryOptions(Spec):
    """The rule that grows a simplex from an image; docs/method.md gives the terms."""

    name: Name | None = None
    length: LengthChoice = 2
    prefer: Prefer = Field("explain", description="which anchor comes next")
    project: bool = Field(False, description="first project images into the anchors' affine hull")
    ordered: bool = Field(True, description="whether the order of a label's anchors counts")
    min_class_size: Annotated[int, Field(ge=1)] = Field(
        1, description="images of smaller classes back off to labels of fewer anchors"
    )
    max_classes: ClassCount | None = Field(None, description="back off until there are no more; null: any")
    temperature: Annotated[float, Field(gt=0)] | None = Field(
        None,
        description="how soft the soft targets are, in the metric's squared units; null: by their spread",
    )
    views: Views = 1
    neighbours: Annotated[int, Field(ge=0, le=100)] = Field(
        0, description="whose responses are averaged with an image's own, which counts half: those most alike"
    )


class GeometryLabelingSpec(GeometryOptions):
    """A labeling by geometry; with `classes_of` under the class ids of a labeling made before."""

    method: Literal["geometry"] = "geometry"
    dataset_id: str
    anchor_set_id: str
    classes_of: str | None = Field(None, description="a labeling whose class ids are kept")


class KMeansLabelingSpec(Spec):
    """The control of ClusterFit: k-means ids of the same responses; with `classes_of`, of kept clusters."""

    method: Literal["k-means"]
    name: Name | None = None
    dataset_id: str
    embedder: EmbedderChoice = "patch-kmeans"
    classes_of: str | None = Field(None, description="a labeling whose class ids are kept")
    n_classes: ClassCount | None = Field(None, description="how many clusters", validate_default=True)
    views: Views = 1
    seed: Seed = 0

    @field_validator("n_classes")
    @classmethod
    def _said(cls, n_classes: int | None, info: ValidationInfo) -> int | None:
        if n_classes is None and info.data.get("classes_of") is None:
            raise PydanticKnownError("missing")
        return n_classes


class ShuffledLabelingSpec(Spec):
    """The control with the same histogram and no meaning."""

    method: Literal["shuffled"]
    name: Name | None = None
    labeling_id: str
    seed: Seed = 0


def _method(value: object) -> str:
    if isinstance(value, dict):
        return str(value.get("method", "geometry"))
    return str(getattr(value, "method", "geometry"))


LabelingSpec = Annotated[
    Annotated[GeometryLabelingSpec, Tag("geometry")]
    | Annotated[KMeansLabelingSpec, Tag("k-means")]
    | Annotated[ShuffledLabelingSpec, Tag("shuffled")],
    Discriminator(_method),
]
LABELING_SPEC: TypeAdapter[GeometryLabelingSpec | KMeansLabelingSpec | ShuffledLabelingSpec] = TypeAdapter(
    LabelingSpec
)
