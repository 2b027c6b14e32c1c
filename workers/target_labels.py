"""What a target is like, in the words of the anchors that a source was labelled by."""

from typing import Any

from core.db.resources import AnchorSet, Dataset, Labeling, Model
from g2l.anchors import load_anchor_set
from g2l.dataset_labels import DATASET_ROWS, label_dataset
from g2l.errors import G2LError
from workers.active import ActiveJob, load
from workers.side_by_side import responder_of
from workers.tasks.anchor_set import FILE as ANCHORS_FILE

# The anchors' embedder need not take what the source takes.
_NOT_TAKEN = frozenset({"channel-mismatch", "not-embeddable"})


class TargetLabels:
    """The pseudo-labels of one target, one for each anchor set that is asked for."""

    def __init__(self, job: ActiveJob[Any], target: Dataset) -> None:
        self._job, self._target = job, target
        self._made: dict[str, dict[str, Any] | None] = {}

    def of(self, source: Model) -> dict[str, Any] | None:
        """Under the anchor set of the source's pseudo-labels; None for a source trained on others."""
        if source.labeling_id is None:
            return None
        anchor_set_id = load(Labeling, source.labeling_id).anchor_set_id
        if anchor_set_id is None:
            return None
        if anchor_set_id not in self._made:
            self._made[anchor_set_id] = self._under(load(AnchorSet, anchor_set_id))
        return self._made[anchor_set_id]

    def _under(self, anchor_set: AnchorSet) -> dict[str, Any] | None:
        anchors = load_anchor_set(self._job.store.path(anchor_set.artifact) / ANCHORS_FILE)
        try:
            responses = responder_of(self._job, anchor_set.embedder_id).sample(self._target, DATASET_ROWS)
        except G2LError as error:
            if error.code not in _NOT_TAKEN:
                raise
            return None
        return {"anchor_set_id": anchor_set.id, **label_dataset(responses, anchors).to_dict()}
