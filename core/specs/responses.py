"""Responses: a shard of a dataset's, by an embedder or a model that is there."""

from pydantic import Field

from core.specs.base import Spec


class ResponsesSpec(Spec):
    """A child of a job that needs the responses of many images: some of them, for it to put together."""

    dataset_id: str
    embedder: str = Field(description="an `emb_` or `mdl_` id")
    first: int = Field(ge=0, description="the first item")
    count: int = Field(ge=1, description="how many items, from the first on")
