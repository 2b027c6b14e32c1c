# Written by scripts/sync_client.py from g2l/client/aio/resources.py; edit that, then `make generate`.
"""What can be asked of every resource, and of each kind of its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import ClassVar, Generic, TypeVar, Unpack

from g2l.client.answers import (
    AnchorSet,
    Dataset,
    Embedder,
    Forecast,
    ForecastsScore,
    Item,
    LabelingAnswer,
    Pipeline,
    PipelineEstimate,
    Transfer,
)
from g2l.client.forms import OnProgress, image_sources
from g2l.client.messages import Message, segment
from g2l.client.packing import default_name
from g2l.client.requests import (
    AnchorSetSpec,
    ForecastSpec,
    GeometryLabelingSpec,
    KMeansLabelingSpec,
    PipelineSpec,
    Procedural,
    ShuffledLabelingSpec,
    TransferSpec,
)
from g2l.client.sync.jobs import Job, Jobs
from g2l.client.sync.rows import Rows
from g2l.client.sync.transport import Transport
from g2l.client.sync.uploads import post_files
from g2l.client.values import JsonObject, read

T = TypeVar("T")


class Resources(Generic[T]):
    """One kind of resource: list them, read one, delete one."""

    path: ClassVar[str]
    kind: ClassVar[str]

    def __init__(self, transport: Transport, jobs: Jobs) -> None:
        self._transport = transport
        self._jobs = jobs
        jobs.readers[self.kind] = self.read

    def get(self, id_: str) -> T:
        """One resource.

        Raises:
            ApiError: there is none with this id (404).
        """
        return self.read(self._transport.get(self._of(id_)))

    def list(self, **filters: str | int | None) -> Iterator[T]:
        """All of them, newest first, fetched page by page as they are used."""
        for body in self._transport.items(self.path, filters):
            yield self.read(body)

    def delete(self, id_: str) -> None:
        """Delete one.

        Raises:
            ApiError: there is none (404), or others need it (409, naming them).
        """
        self._transport.request(Message("DELETE", self._of(id_)))

    def read(self, body: JsonObject) -> T:
        """The resource that a JSON object spells."""
        raise NotImplementedError

    def _ask(self, body: object) -> Job[T]:
        return self._jobs.read(self._transport.post(self.path, body))

    def _of(self, id_: str) -> str:
        return f"{self.path}/{segment(id_)}"


class Datasets(Resources[Dataset]):
    """Images (or embeddings) that were taken in."""

    path = "/v1/datasets"
    kind = "dataset"

    def read(self, body: JsonObject) -> Dataset:
        """The dataset that a JSON object spells."""
        return read(Dataset, body)

    def get(self, id_: str, *, anchor_set_id: str | None = None) -> Dataset:
        """A dataset.

        Args:
            id_: its id.
            anchor_set_id: adds its `pseudo_label` under this anchor set: what the dataset is like.

        Raises:
            ApiError: there is no such dataset (404) or anchor set (422), or the dataset did not go through
                the anchor set's embedder yet (409; the detail says what to do).
        """
        return self.read(self._transport.get(self._of(id_), {"anchor_set_id": anchor_set_id}))

    def upload(
        self,
        path: str | PathLike[str] | Sequence[str | PathLike[str]],
        name: str | None = None,
        *,
        label_by: str | None = None,
        group_by: str | None = None,
        extends: str | None = None,
        on_progress: OnProgress | None = None,
    ) -> Job[Dataset]:
        """Send an archive, several files that are its shards, or a folder, which is packed on the way.

        Files of 8 MiB and more that broke off, in this process or an earlier one, go on where they stopped.

        Args:
            path: an archive of a kind that the service reads, or a folder; a folder of a class gives labels.
                Several paths are the tars or parquet files of one dataset.
            name: of the dataset; by default that of the path, or of the folder of several.
            label_by: the column, JSON field or array of the classes, where it has no usual name.
            group_by: that of the groups (patients, tiles) that stay on one side of a split; "folder" for the
                folder just above an image, below that of its class.
            extends: the id of a dataset whose items come first; what it has already is left out.
            on_progress: called with the bytes sent and all bytes; first with those that are there already.

        Returns:
            The job that takes it in.

        Raises:
            PackingError: a path cannot be sent.
        """
        paths = [Path(path)] if isinstance(path, str | PathLike) else [Path(one) for one in path]
        fields = {"name": name or default_name(paths[0] if len(paths) == 1 else paths[0].resolve().parent)}
        more = {"label_by": label_by, "group_by": group_by, "extends": extends}
        fields |= {field: value for field, value in more.items() if value is not None}
        job = post_files(
            self._transport,
            self.path,
            image_sources(paths),
            fields=fields,
            body=lambda ids: {**fields, "upload_ids": ids},
            on_progress=on_progress,
        )
        return self._jobs.read(job)

    def take_in(
        self,
        uri: str,
        name: str,
        *,
        label_by: str | None = None,
        group_by: str | None = None,
        extends: str | None = None,
    ) -> Job[Dataset]:
        """Have the service read images from where they lie, as in ``file:///data/pool``.

        Args:
            uri: of an archive, or of a folder of images or shards.
            name: of the dataset.
            label_by: as for `upload`, like the others.
            group_by: what stays together in a split.
            extends: the id of a dataset whose items come first.
        """
        asked = {"name": name, "uri": uri, "label_by": label_by, "group_by": group_by, "extends": extends}
        return self._ask({field: value for field, value in asked.items() if value is not None})

    def draw(self, name: str, **procedural: Unpack[Procedural]) -> Job[Dataset]:
        """Have the service draw labelled images by formula, which need no data at all.

        Args:
            name: of the dataset.
            procedural: kind, n_classes, n_items, image_size, seed.
        """
        return self._ask({"name": name, "procedural": dict(procedural)})

    def items(self, id_: str) -> Iterator[Item]:
        """The items of a dataset, with their labels."""
        for body in self._transport.items(f"{self._of(id_)}/items"):
            yield read(Item, body)


class Embedders(Resources[Embedder]):
    """What can turn images into vectors."""

    path = "/v1/embedders"
    kind = "embedder"

    def read(self, body: JsonObject) -> Embedder:
        """The embedder that a JSON object spells."""
        return read(Embedder, body)


class AnchorSets(Resources[AnchorSet]):
    """Named anchors in one embedding with one metric."""

    path = "/v1/anchor-sets"
    kind = "anchor-set"

    def read(self, body: JsonObject) -> AnchorSet:
        """The anchor set that a JSON object spells."""
        return read(AnchorSet, body)

    def create(self, **fields: Unpack[AnchorSetSpec]) -> Job[AnchorSet]:
        """Ask for an anchor set, of given anchors or of discovered ones.

        Args:
            fields: of `AnchorSetSpec`; what is not given, the service fills in.
        """
        return self._ask(fields)


@dataclass(frozen=True, kw_only=True)
class Labeling(LabelingAnswer):
    """A pseudo-label for every item of a dataset, summed up; `labels` has each."""

    labelings: "Labelings" = field(repr=False, compare=False)

    def labels(self) -> Rows:
        """The labels, streamed, or as a table: `item_id`, `path`, `label`, `class_id`, `anchors`, …."""
        return self.labelings.labels(self.id)


class Labelings(Resources[Labeling]):
    """Pseudo-labels for the items of datasets."""

    path = "/v1/labelings"
    kind = "labeling"

    def read(self, body: JsonObject) -> Labeling:
        """The labeling that a JSON object spells."""
        return read(Labeling, body, labelings=self)

    def create(self, **fields: Unpack[GeometryLabelingSpec]) -> Job[Labeling]:
        """Ask for a labeling by the anchors around each image.

        Args:
            fields: of `GeometryLabelingSpec`; what is not given, the service fills in.
        """
        return self._ask(fields)

    def k_means(self, **fields: Unpack[KMeansLabelingSpec]) -> Job[Labeling]:
        """Ask for a control: a labeling by k-means clusters.

        Args:
            fields: of `KMeansLabelingSpec`; what is not given, the service fills in.
        """
        return self._ask({"method": "k-means", **fields})

    def shuffled(self, **fields: Unpack[ShuffledLabelingSpec]) -> Job[Labeling]:
        """Ask for a control: the labels of a labeling, dealt out at random.

        Args:
            fields: of `ShuffledLabelingSpec`; what is not given, the service fills in.
        """
        return self._ask({"method": "shuffled", **fields})

    def labels(self, id_: str) -> Rows:
        """The labels of a labeling, streamed, or as a table."""
        return Rows(self._transport, f"{self._of(id_)}/labels")


class Transfers(Resources[Transfer]):
    """Sources fine-tuned on targets, and their measured errors."""

    path = "/v1/transfers"
    kind = "transfer"

    def read(self, body: JsonObject) -> Transfer:
        """The transfer that a JSON object spells."""
        return read(Transfer, body)

    def create(self, **fields: Unpack[TransferSpec]) -> Job[Transfer]:
        """Ask for a source to be fine-tuned on a target, and measured.

        Args:
            fields: of `TransferSpec`; what is not given, the service fills in.
        """
        return self._ask(fields)


class Forecasts(Resources[Forecast]):
    """How well sources will do on a target, before any transfer."""

    path = "/v1/forecasts"
    kind = "forecast"

    def read(self, body: JsonObject) -> Forecast:
        """The forecast that a JSON object spells."""
        return read(Forecast, body)

    def create(self, **fields: Unpack[ForecastSpec]) -> Job[Forecast]:
        """Ask for sources to be ranked for a target.

        Args:
            fields: of `ForecastSpec`; what is not given, the service fills in.
        """
        return self._ask(fields)

    def outcomes(self) -> ForecastsScore:
        """How forecasts fared whose transfers were run."""
        return read(ForecastsScore, self._transport.get(f"{self.path}/outcomes"))


class Pipelines(Resources[Pipeline]):
    """The whole main job in one request."""

    path = "/v1/pipelines"
    kind = "pipeline"

    def read(self, body: JsonObject) -> Pipeline:
        """The pipeline that a JSON object spells."""
        return read(Pipeline, body)

    def create(self, **fields: Unpack[PipelineSpec]) -> Job[Pipeline]:
        """Ask for the whole main job.

        Args:
            fields: of `PipelineSpec`; what is not given, the service fills in.
        """
        return self._ask(fields)

    def estimate(self, **fields: Unpack[PipelineSpec]) -> PipelineEstimate:
        """What the main job would take; nothing is begun, and what would be refused is refused.

        Args:
            fields: as for `create`.

        Raises:
            ApiError: the request is refused.
        """
        message = Message("POST", self.path, {"dry_run": "true"}, json=fields)
        return read(PipelineEstimate, self._transport.json(message))
