"""What can be asked of every resource, and of each kind of its own."""

import json
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import httpx

from g2l.client import downloads, uploads
from g2l.client.errors import UnreachableError
from g2l.client.packing import default_name
from g2l.client.transport import Transport, lines, segment
from g2l.client.values import Job, JsonObject


class Resources:
    """One kind of resource: list them, read one, delete one."""

    path: ClassVar[str]

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def get(self, id_: str) -> JsonObject:
        """One resource.

        Raises:
            ApiError: there is none with this id (404).
        """
        return self._transport.json("GET", f"{self.path}/{segment(id_)}")

    def list(self, **filters: str | None) -> Iterator[JsonObject]:
        """All of them, newest first, fetched page by page as they are used."""
        return self._transport.items(self.path, filters)

    def delete(self, id_: str) -> None:
        """Delete one.

        Raises:
            ApiError: there is none (404), or others need it (409, naming them).
        """
        self._transport.request("DELETE", f"{self.path}/{segment(id_)}")


class Made(Resources):
    """A kind of resource that a job makes from a JSON request."""

    def create(self, **fields: Any) -> Job:
        """Ask for one; what is not given, the service fills in.

        Args:
            fields: of the request, as the service's reference names them.

        Returns:
            The job that makes it.
        """
        return Job.from_json(self._transport.json("POST", self.path, json=fields))


class Datasets(Resources):
    """Images (or embeddings) that were taken in."""

    path = "/v1/datasets"

    def upload(
        self,
        path: str | PathLike[str],
        name: str | None = None,
        *,
        on_progress: uploads.OnProgress | None = None,
    ) -> Job:
        """Send an archive, or a folder, of which the images are packed on the way.

        Args:
            path: an archive of a kind that the service reads, or a folder; a folder of a class gives labels.
            name: of the dataset; by default that of the path.
            on_progress: called with the bytes sent and all bytes.

        Returns:
            The job that takes it in.

        Raises:
            PackingError: the path cannot be sent.
        """
        source = Path(path)
        name = name or default_name(source)
        return uploads.post_images(self._transport, source, name, on_progress=on_progress)

    def take_in(self, uri: str, name: str) -> Job:
        """Have the service read images from where they lie, as in ``file:///data/pool``."""
        return Job.from_json(self._transport.json("POST", self.path, json={"name": name, "uri": uri}))

    def items(self, id_: str) -> Iterator[JsonObject]:
        """The items of a dataset, with their labels."""
        return self._transport.items(f"{self.path}/{segment(id_)}/items")


class AnchorSets(Made):
    """Named anchors in one embedding with one metric."""

    path = "/v1/anchor-sets"


class Labelings(Made):
    """A pseudo-label for every item of a dataset."""

    path = "/v1/labelings"

    def labels(self, id_: str) -> Iterator[JsonObject]:
        """The labels of a labeling, one object an item, streamed.

        Raises:
            UnreachableError: the connection was cut; begin again, or save them to a file.
        """
        try:
            with self._transport.stream(self._labels(id_), params={"format": "jsonl"}) as answer:
                for line in lines(answer):
                    yield json.loads(line)
        except httpx.TransportError as error:
            raise UnreachableError(self._transport.url, str(error)) from error

    def save_labels(self, id_: str, path: str | PathLike[str], format_: str) -> Path:
        """Write the labels to a file, as `jsonl`, `csv` or `parquet`."""
        return downloads.save(self._transport, self._labels(id_), Path(path), params={"format": format_})

    def _labels(self, id_: str) -> str:
        return f"{self.path}/{segment(id_)}/labels"


class Transfers(Made):
    """Sources fine-tuned on targets, and their measured errors."""

    path = "/v1/transfers"


class Forecasts(Made):
    """How well sources will do on a target, before any transfer."""

    path = "/v1/forecasts"


class Embedders(Resources):
    """What can turn images into vectors."""

    path = "/v1/embedders"


class Pipelines(Made):
    """The whole main job in one request."""

    path = "/v1/pipelines"
