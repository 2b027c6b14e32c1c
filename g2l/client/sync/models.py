# Written by scripts/sync_client.py from g2l/client/aio/models.py; edit that, then `make generate`.
"""Models: train, import, fetch and load them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Unpack

from g2l.client import folders
from g2l.client.answers import ModelAnswer
from g2l.client.errors import ApiError
from g2l.client.forms import OnProgress, Source
from g2l.client.messages import Message, segment
from g2l.client.packing import default_name, is_visible
from g2l.client.requests import TrainModelSpec
from g2l.client.sync.downloads import download
from g2l.client.sync.jobs import Job
from g2l.client.sync.resources import Resources
from g2l.client.sync.uploads import post_files
from g2l.client.values import JsonObject, Problem, read
from g2l.client.waiting import call

OnFile = Callable[[str, int, int], None]  # file, bytes that are here, bytes in all


@dataclass(frozen=True, kw_only=True)
class Model(ModelAnswer):
    """A model, what it was trained on and how that went; `load` gives its network."""

    models: "Models" = field(repr=False, compare=False)

    def load(self, *, on_progress: OnFile | None = None) -> Any:
        """Its network, as `transformers.AutoModel` loads it; as `Models.load`."""
        return self.models.load(self, on_progress=on_progress)

    def download(
        self, folder: str | PathLike[str] | None = None, *, on_progress: OnFile | None = None
    ) -> Path:
        """Fetch its folder; as `Models.pull`."""
        return self.models.pull(self, folder, on_progress=on_progress)

    def card(self) -> str:
        """Its card, in Markdown."""
        return self.models.card(self.id)


class Models(Resources[Model]):
    """Source models, fine-tuned ones, and imports."""

    path = "/v1/models"
    kind = "model"

    def read(self, body: JsonObject) -> Model:
        """The model that a JSON object spells."""
        return read(Model, body, models=self)

    def train(self, **fields: Unpack[TrainModelSpec]) -> Job[Model]:
        """Ask for a source model.

        Args:
            fields: of `TrainModelSpec`, such as `labeling_id` and `epochs`; what is not given, the service
                fills in.
        """
        return self._ask(fields)

    def import_file(
        self,
        path: str | PathLike[str],
        name: str | None = None,
        *,
        preprocessing: Mapping[str, object] | None = None,
        on_progress: OnProgress | None = None,
    ) -> Job[Model]:
        """Send a model: its folder in the Hugging Face layout, a zip or tar of that, or an `.onnx` network.

        A file of 8 MiB and more that broke off goes on where it stopped, as in `Datasets.upload`.

        Args:
            path: the folder, archive or network.
            name: of the model; by default that of the path.
            preprocessing: of a network: `image_size`, `image_mean`, `image_std` and `rescale_factor`, as a
                preprocessor_config.json words them.
            on_progress: called with the bytes sent and all bytes; first with those that are there already.

        Returns:
            The job that imports it.

        Raises:
            PackingError: the path cannot be sent.
        """
        source = Path(path)
        fields = {"name": name or default_name(source)}
        for key, value in (preprocessing or {}).items():
            fields[key] = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        job = post_files(
            self._transport,
            self.path,
            [Source.of(source, is_visible)],
            fields=fields,
            body=lambda ids: {"objective": "import", **fields, "upload_id": ids[0]},
            on_progress=on_progress,
        )
        return self._jobs.read(job)

    def find(self, id_or_name: str) -> Model:
        """The model of an id, or the newest of a name.

        Raises:
            ApiError: there is none (404).
        """
        if id_or_name.startswith("mdl_"):
            return self.get(id_or_name)
        for newest in self.list(name=id_or_name):
            return newest
        detail = f"no model is named {id_or_name!r}; `g2l models list` shows all"
        raise ApiError(Problem("/problems/not-found", "There is no such resource", 404, detail))

    def pull(
        self,
        model: Model | str,
        folder: str | PathLike[str] | None = None,
        *,
        on_progress: OnFile | None = None,
    ) -> Path:
        """Fetch a model's folder, which `transformers` loads with no code of ours.

        Files that are there already are replaced one by one, each when its last byte has been checked.

        Args:
            model: the model, or its id, or a name, of which the newest is taken.
            folder: where to put it; by default one of the model's name (or id) in the working folder.
            on_progress: called with the file, the bytes that are here, and all bytes.

        Returns:
            The folder.

        Raises:
            ApiError, UnreachableError, DigestError: as `downloads.download`.
        """
        found = self.find(model) if isinstance(model, str) else model
        out = folders.own_folder(found) if folder is None else Path(folder)
        for file in folders.files(found):
            self.download(found.id, file, out / file, on_progress=on_progress)
        return out

    def load(self, model: Model | str, *, on_progress: OnFile | None = None) -> Any:
        """A model's network, as `transformers.AutoModel` loads it; of ONNX, a session of onnxruntime.

        Its files are kept below ``G2L_CACHE`` (else ``~/.cache/g2l``), so they are fetched once; raises as
        `pull`, too.

        Raises:
            MissingPackageError: transformers, torch or onnxruntime is not installed.
        """
        found = self.find(model) if isinstance(model, str) else model
        library, *_ = call(folders.loaders, found)
        out = folders.cache_folder(found)
        for file in folders.files(found):
            if not (out / file).exists():  # what has its name was checked
                self.download(found.id, file, out / file, on_progress=on_progress)
        return call(folders.load, out, library)

    def download(
        self, id_: str, file: str, destination: str | PathLike[str], *, on_progress: OnFile | None = None
    ) -> Path:
        """Fetch one file of a model's folder; raises as `pull`."""
        path = f"{self._of(id_)}/files/{'/'.join(map(segment, file.split('/')))}"
        on_bytes = None if on_progress is None else lambda here, total: on_progress(file, here, total)
        return download(self._transport, path, Path(destination), on_bytes=on_bytes)

    def card(self, id_: str) -> str:
        """The model's card, in Markdown."""
        return (self._transport.request(Message("GET", f"{self._of(id_)}/card"))).text
