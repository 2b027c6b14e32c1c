"""Dataset: images (or embeddings) to be taken in, or images to be drawn by formula."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from core.specs.base import ImageSize, Name, Seed, Spec, Upload

MAX_FILES = 10_000
ColumnName = Annotated[str, Field(min_length=1, max_length=200)]
"""Of a column of a parquet, a field of a WebDataset's JSON, or an array of an npz."""


class DatasetOptions(Spec):
    """What goes with the images, wherever they come from: the fields of an upload."""

    name: Name
    label_by: ColumnName | None = None
    group_by: ColumnName | None = None  # or "folder": the one above the image, below that of its class
    extends: str | None = None  # the dataset whose items come first


class Procedural(Spec):
    """Labelled images by formula, which need no data at all; docs/method.md says how they are drawn."""

    kind: Literal["fractals"] = Field("fractals", description="a class an iterated function system")
    n_classes: Annotated[int, Field(ge=2, le=10_000)] = Field(100, description="of as many images each")
    n_items: Annotated[int, Field(ge=2, le=100_000_000)] = Field(10_000, description="images in all")
    image_size: ImageSize = 32
    seed: Seed = 0

    @model_validator(mode="after")
    def _an_image_a_class(self) -> Self:
        if self.n_items < self.n_classes:
            raise ValueError(
                f"{self.n_items} images are too few for {self.n_classes} classes; raise n_items, or take "
                "fewer classes"
            )
        return self


class DatasetRequest(DatasetOptions):
    """The JSON body: where the images lie already, the uploads that brought them, or what to draw."""

    uri: str | None = None
    upload_ids: Annotated[list[str], Field(min_length=1, max_length=MAX_FILES)] | None = None
    procedural: Procedural | None = Field(None, description="images by formula")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if [self.uri, self.upload_ids, self.procedural].count(None) != 2:
            raise ValueError(
                "give one of `uri`, `upload_ids` and `procedural`; or send the file itself, as "
                "multipart/form-data"
            )
        if self.procedural is not None and (self.label_by or self.group_by or self.extends):
            raise ValueError(
                "what is drawn has classes and nothing else; leave label_by, group_by and extends out"
            )
        return self


class DatasetSpec(DatasetOptions):
    """An ingest job: one upload, several that are its shards, a URI, or what to draw."""

    uri: str | None = None
    procedural: Procedural | None = None
    uploads: list[Upload] = Field(default=[], max_length=MAX_FILES)
