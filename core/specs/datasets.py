"""Dataset: images (or embeddings) to be taken in."""

from core.specs.base import Name, Spec, Upload


class DatasetUriSpec(Spec):
    """The JSON body: where the images already lie."""

    name: Name
    uri: str


class DatasetSpec(Spec):
    """An ingest job: an upload or a URI."""

    name: Name
    uri: str | None = None
    upload: Upload | None = None
