"""Dataset: images (or embeddings) to be taken in."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from core.specs.base import Name, Spec, Upload

MAX_FILES = 10_000
ColumnName = Annotated[str, Field(min_length=1, max_length=200)]
"""Of a column of a parquet, a field of a WebDataset's JSON, or an array of an npz."""


class DatasetOptions(Spec):
    """What goes with the images, wherever they come from: the fields of an upload."""

    name: Name
    label_by: ColumnName | None = None
    group_by: ColumnName | None = None  # or "folder": the one above the image, below that of its class
    extends: str | None = None  # the dataset whose items come first


class DatasetRequest(DatasetOptions):
    """The JSON body: where the images lie already, or the uploads that brought them."""

    uri: str | None = None
    upload_ids: Annotated[list[str], Field(min_length=1, max_length=MAX_FILES)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.uri is None) == (self.upload_ids is None):
            raise ValueError(
                "give either `uri` or `upload_ids`; or send the file itself, as multipart/form-data"
            )
        return self


class DatasetSpec(DatasetOptions):
    """An ingest job: one upload, several that are its shards, or a URI."""

    uri: str | None = None
    uploads: list[Upload] = Field(default=[], max_length=MAX_FILES)
