"""What `g2l run` asks of the service, and the uploads before it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from g2l.cli.anchor_words import AnchorWord
from g2l.cli.follow import upload, wait
from g2l.cli.options import given
from g2l.cli.session import UsageError
from g2l.client.packing import default_name
from g2l.client.progress import Reporter
from g2l.client.values import JsonObject

if TYPE_CHECKING:
    from g2l.client.answers import Pipeline
    from g2l.client.sync.client import Client
    from g2l.client.sync.jobs import Job

Options = dict[str, Any]  # only what the user gave


@dataclass(frozen=True)
class Upload:
    """Images to send: where they are, what they are called here, and their name in the service."""

    where: str
    label: str
    name: str | None


@dataclass(frozen=True)
class Request:
    """A pipeline to ask for, in the user's words."""

    images: str
    target: str | None
    anchors: tuple[AnchorWord, ...]
    name: str | None
    anchor_options: Options
    labeling_options: Options
    model_options: Options
    transfer_options: Options
    seed: int | None
    rounds: int | None = None

    @property
    def is_attached(self) -> bool:
        """Whether this is a pipeline that was asked for earlier."""
        return self.images.startswith("job_")

    @property
    def run_name(self) -> str:
        """What the run is called where the user did not say."""
        here = not self.images.startswith(("job_", "ds_")) and "://" not in self.images
        return self.name or (default_name(Path(self.images)) if here else Path(self.images).name)

    def check(self) -> None:
        """Refuse what does not fit together before anything is sent.

        Raises:
            UsageError: what to change.
        """
        for what, where in (("IMAGES", self.images), ("--target", self.target)):
            if where and not _is_remote(where) and not Path(where).exists():
                raise UsageError(f"{what}: there is no {where}")
        ways = ["--anchor"] * bool(self.anchors)
        ways += ["--anchors"] * ("discover" in self.anchor_options)
        ways += ["--anchor-set"] * ("anchor_set_id" in self.anchor_options)
        ways += ["--target-anchors"] * ("labelled" in self.anchor_options)
        if len(ways) > 1:
            raise UsageError(f"give one of {' and '.join(ways)}")
        if self.transfer_options and self.target is None:
            raise UsageError("--label-budget and --transfer-… need a --target")
        if "labelled" in self.anchor_options and self.target is None:
            raise UsageError("--target-anchors needs a --target, whose classes they are")

    def uploads(self) -> list[Upload]:
        """What must be sent first, each once."""
        wanted = [Upload(self.images, "pool", self.name)]
        wanted += [Upload(a.path, f"anchor {a.name}", a.name) for a in self.anchors if a.path]
        if self.target is not None and self.target != self.images:
            wanted.append(Upload(self.target, "target", None))
        return [each for each in wanted if not each.where.startswith("ds_")]

    def body(self, ids: dict[str, str]) -> JsonObject:
        """The pipeline's request; `ids` are of the datasets that were sent."""
        anchors = dict(self.anchor_options)
        if self.anchors:
            anchors["anchors"] = [a.request(a.dataset_id or ids[a.path or ""]) for a in self.anchors]
        transfer = None
        if self.target is not None:
            transfer = {
                "dataset_id": ids.get(self.target, self.target),
                **given(seed=self.seed),
                **self.transfer_options,
            }
        return given(
            dataset_id=ids.get(self.images, self.images),
            name=self.run_name,
            rounds=self.rounds,
            anchors=anchors or None,
            labeling=self.labeling_options or None,
            model={"name": self.run_name, **self.model_options},
            transfer=transfer,
        )


def begin(client: "Client", request: Request, reporter: Reporter) -> "Job[Pipeline]":
    """Upload what is not there yet and ask for the pipeline; or find the one that was asked for."""
    if request.is_attached:
        return client.jobs.get(request.images)
    return client.pipelines.create(**request.body(send(client, request, reporter)))


def send(client: "Client", request: Request, reporter: Reporter) -> dict[str, str]:
    """Upload what is not there yet; the ids of the datasets that were made, by where the images lie."""
    # All uploads first: the service takes the first in while the others are still under way.
    sent = [
        (each, upload(client, [each.where], each.name, reporter, label=each.label))
        for each in request.uploads()
    ]
    ids = {}
    for each, job in sent:
        over = wait(job, reporter, label=f"dataset {each.label}")
        ids[each.where] = over.resource().id
    return ids


def _is_remote(where: str) -> bool:
    return where.startswith(("ds_", "job_")) or "://" in where
