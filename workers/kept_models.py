"""A model that a job has made, kept: its folder published, its row as every kind of model has it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.db.resources import Model
from core.ids import new_id
from workers.active import ActiveJob
from workers.products import Made

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from g2l.nn.images import Preprocessing


def keep_folder(
    job: ActiveJob[Any],
    write: Callable[[Path], None],
    *,
    third_party_weights: bool,
    uses: Iterable[str] = (),
    **columns: Any,
) -> Made:
    """Publish the folder that `write` fills.

    Args:
        job: whose model it is.
        write: makes the folder at a path.
        third_party_weights: whether others' weights are in it.
        uses: ids that the model needs.
        columns: of its row, beside what follows from the job.
    """
    with job.staging() as folder:
        write(folder / "model")
        published = job.store.publish(folder / "model")
    row = Model(
        id=new_id("mdl"),
        name=job.spec.name,
        job_id=job.held.job_id,
        spec=job.stored_spec,
        third_party_weights=third_party_weights,
        artifact=published.digest,
        **columns,
    )
    return Made(row, [published], uses)


def keep_network(
    job: ActiveJob[Any],
    network: "PreTrainedModel",
    *,
    preprocessing: "Preprocessing",
    labels: Sequence[str],
    card: str,
    provenance: Mapping[str, Any],
    uses: Iterable[str],
    **columns: Any,
) -> Made:
    """Publish a network that was trained here; a body without classifier has no labels."""
    from g2l.nn.models import save_model

    def write(folder: Path) -> None:
        save_model(
            folder, network, labels=labels, preprocessing=preprocessing, card=card, provenance=provenance
        )

    job.enter("saving")
    return keep_folder(
        job,
        write,
        third_party_weights=provenance["third_party_weights"],
        uses=uses,
        image_size=max(preprocessing.size),
        channels=preprocessing.channels,
        n_outputs=len(labels),
        parameters=network.num_parameters(),
        **columns,
    )
