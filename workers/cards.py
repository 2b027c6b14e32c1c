"""Model cards: what `g2l.nn.cards` words, said of a job."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.db.resources import Dataset, Model
from workers.active import ActiveJob
from workers.targets import Target

if TYPE_CHECKING:
    from g2l.nn.imports import ImportedModel
    from g2l.nn.onnx_embedder import OnnxEmbedder
    from g2l.nn.pretrain import Pretrained
    from g2l.nn.self_supervised import SelfSupervised
    from g2l.nn.transfer import TransferResult


def of_source(
    job: ActiveJob[Any],
    made: "Pretrained",
    dataset: Dataset,
    *,
    arch: str,
    aims: Sequence[Target],
    start: Model | None,
    labels: Sequence[str],
    provenance: Mapping[str, Any],
) -> str:
    """The card of a source model."""
    from g2l.nn.cards import model_card

    towards = " and ".join(_towards(aim) for aim in aims)
    begun = "" if start is None else f"from the body of the model {start.name or start.id} "
    results = {} if made.accuracy is None else {"accuracy on held-out images of the pool": made.accuracy}
    return model_card(
        job.spec.name or "source model",
        arch=arch,
        labels=labels,
        preprocessing=made.preprocessing,
        summary=f"Trained {begun}on {made.n_train} images of the dataset {dataset.name!r} towards {towards}.",
        provenance=provenance,
        results=results,
    )


def _towards(aim: Target) -> str:
    labeling = aim.labeling
    if labeling is None:
        return f"the {len(aim.names)} classes that people gave them"
    return f"{aim.kind} {labeling.method} pseudo-labels with {labeling.n_classes} classes ({labeling.id})"


def of_base(
    job: ActiveJob[Any],
    made: "TransferResult",
    source: Model | None,
    *,
    target: Dataset,
    arch: str,
    labels: Sequence[str],
    provenance: Mapping[str, Any],
) -> str:
    """The card of a base model."""
    from g2l.nn.cards import model_card

    start = "random weights" if source is None else f"the model {source.name or source.id}"
    return model_card(
        job.spec.name or "base model",
        arch=arch,
        labels=labels,
        preprocessing=made.preprocessing,
        summary=f"From {start}, fitted to {made.n_train} labelled images of the dataset {target.name!r}.",
        provenance=provenance,
        results={f"accuracy on {made.n_test} test images": made.evaluation.accuracy.value},
    )


def of_self_supervised(
    job: ActiveJob[Any],
    made: "SelfSupervised",
    dataset: Dataset,
    *,
    arch: str,
    provenance: Mapping[str, Any],
) -> str:
    """The card of a source model that was trained without labels."""
    from g2l.nn.cards import model_card

    return model_card(
        job.spec.name or "source model",
        arch=arch,
        labels=(),
        preprocessing=made.preprocessing,
        summary=f"Trained on {made.n_train} images of the dataset {dataset.name!r} without labels, by "
        f"{job.spec.method}: two views of an image are told from those of others.",
        provenance=provenance,
        results={"views that found their partner, last epoch": made.history[-1].matched},
    )


def of_distilled(
    job: ActiveJob[Any],
    made: "Pretrained",
    dataset: Dataset,
    *,
    arch: str,
    embedder_id: str,
    provenance: Mapping[str, Any],
) -> str:
    """The card of a source model that was trained on responses."""
    from g2l.nn.cards import model_card

    found = "held-out images that are nearest to their own response, of a batch"
    return model_card(
        job.spec.name or "source model",
        arch=arch,
        labels=(),
        preprocessing=made.preprocessing,
        summary=f"Trained on {made.n_train} images of the dataset {dataset.name!r} to give the responses of "
        f"the embedder {embedder_id} through a linear head, which was dropped.",
        provenance=provenance,
        results={} if made.accuracy is None else {found: made.accuracy},
    )


def of_onnx(job: ActiveJob[Any], made: "OnnxEmbedder", provenance: Mapping[str, Any]) -> str:
    """The card of an imported ONNX network."""
    from g2l.nn.cards import onnx_card

    return onnx_card(
        job.spec.name,
        preprocessing=made.preprocessing,
        dim=made.dim,
        n_parameters=made.parameters,
        provenance=provenance,
    )


def of_import(job: ActiveJob[Any], found: "ImportedModel", provenance: Mapping[str, Any]) -> str:
    """The card of an import that came without one."""
    from g2l.nn.cards import model_card
    from g2l.nn.models import load_model

    return model_card(
        job.spec.name,
        arch=found.arch,
        labels=found.labels,
        preprocessing=load_model(found.folder).preprocessing,
        summary="An imported model; its archive brought no card.",
        provenance=provenance,
    )
