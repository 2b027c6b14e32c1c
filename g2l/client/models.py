"""Models: train, import, and fetch them."""

from collections.abc import Callable
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Any

from g2l.client import uploads
from g2l.client.downloads import download
from g2l.client.errors import ApiError
from g2l.client.packing import default_name
from g2l.client.resources import Resources
from g2l.client.transport import segment
from g2l.client.values import Job, JsonObject, Problem

WEIGHTS = "model.safetensors"
OnFile = Callable[[str, int, int], None]  # file, bytes that are here, bytes in all


class Models(Resources):
    """Source models, fine-tuned ones, and imports."""

    path = "/v1/models"

    def train(self, **fields: Any) -> Job:
        """Ask for a source model; what is not given, the service fills in.

        Args:
            fields: of the request, as the service's reference names them, such as `labeling_id` and `epochs`.

        Returns:
            The job that trains it.
        """
        return Job.from_json(self._transport.json("POST", self.path, json=fields))

    def import_folder(
        self,
        path: str | PathLike[str],
        name: str | None = None,
        *,
        on_progress: uploads.OnProgress | None = None,
    ) -> Job:
        """Send a model in the Hugging Face layout: its folder, or a zip or tar of that.

        Args:
            path: the folder or archive.
            name: of the model; by default that of the path.
            on_progress: called with the bytes sent and all bytes.

        Returns:
            The job that imports it.

        Raises:
            PackingError: the path cannot be sent.
        """
        source = Path(path)
        name = name or default_name(source)
        return uploads.post_model(self._transport, source, name, on_progress=on_progress)

    def find(self, id_or_name: str) -> JsonObject:
        """The model of an id, or the newest of a name.

        Raises:
            ApiError: there is none (404).
        """
        if id_or_name.startswith("mdl_"):
            return self.get(id_or_name)
        newest = next(self.list(name=id_or_name), None)
        if newest is None:
            detail = f"no model is named {id_or_name!r}; `g2l models list` shows all"
            raise ApiError(Problem("/problems/not-found", "There is no such resource", 404, detail))
        return newest

    def pull(
        self, id_or_name: str, folder: str | PathLike[str] | None = None, *, on_progress: OnFile | None = None
    ) -> Path:
        """Fetch a model's folder, which `transformers` loads with no code of ours.

        Files that are there already are replaced one by one, each when its last byte has been checked.

        Args:
            id_or_name: a model's id, or a name, of which the newest is taken.
            folder: where to put it; by default one of the model's name (or id) in the working folder.
            on_progress: called with the file, the bytes that are here, and all bytes.

        Returns:
            The folder.

        Raises:
            ApiError, UnreachableError, DigestError: as `downloads.download`.
        """
        model = self.find(id_or_name)
        out = Path(folder if folder is not None else str(model.get("name") or model["id"]).replace("/", "-"))
        files = [str(file["path"]) for file in model["files"]]
        for file in sorted(files, key=lambda name: name == WEIGHTS):  # last: where they are, all is
            self.download(model["id"], file, out / _inside(file), on_progress=on_progress)
        return out

    def download(
        self, id_: str, file: str, destination: str | PathLike[str], *, on_progress: OnFile | None = None
    ) -> Path:
        """Fetch one file of a model's folder; raises as `pull`."""
        path = f"{self.path}/{segment(id_)}/files/{'/'.join(map(segment, file.split('/')))}"
        on_bytes = None if on_progress is None else lambda here, total: on_progress(file, here, total)
        return download(self._transport, path, Path(destination), on_progress=on_bytes)

    def card(self, id_: str) -> str:
        """The model's card, in Markdown."""
        return self._transport.request("GET", f"{self.path}/{segment(id_)}/card").text


def _inside(file: str) -> PurePosixPath:
    """A file's path below its folder, whatever a service may say."""
    path = PurePosixPath(file)
    if path.is_absolute() or ".." in path.parts:
        raise ApiError(Problem("about:blank", "The service names a file outside of the folder", detail=file))
    return path
