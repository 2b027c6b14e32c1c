"""Model cards: what `g2l.nn.cards` words, said of a job."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from core.db.resources import Dataset, Labeling, Model
from workers.active import ActiveJob

if TYPE_CHECKING:
    from g2l.nn.imports import ImportedModel
    from g2l.nn.pretrain import Pretrained
    from g2l.nn.transfer import TransferResult


def of_source(
    job: ActiveJob[Any],
    made: "Pretrained",
    dataset: Dataset,
    *,
    arch: str,
    labeling: Labeling | None,
    start: Model | None,
    labels: Sequence[str],
    provenance: Mapping[str, Any],
) -> str:
    """The card of a source model."""
    from g2l.nn.cards import model_card

    towards = f"the {len(labels)} classes that people gave them"
    if labeling is not None:
        kind = "soft" if job.spec.targets == "soft" else "hard"
        towards = f"{kind} {labeling.method} pseudo-labels with {labeling.n_classes} classes ({labeling.id})"
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
