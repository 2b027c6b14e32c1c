"""What can be known of an embedder that a request chooses without anchors."""

from app.checks.compatibility import located_parts, require_embeddable
from app.checks.inputs import Inputs
from core.db.resources import Dataset


def check_embedder(inputs: Inputs, choice: str | list[str], dataset: Dataset) -> None:
    """It takes the dataset, and needs no anchors to be trained on."""
    unfit = [where for where, part in located_parts("embedder", choice) if part == "anchor-network"]
    for where in unfit:
        inputs.refuse(
            where,
            "anchor-network needs anchors to be trained on; give the `emb_…` of an anchor set, or another.",
        )
    if not unfit:
        require_embeddable(inputs, "embedder", choice, datasets=[dataset])
