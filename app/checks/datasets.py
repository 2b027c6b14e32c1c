"""What can be known of a dataset before it is taken in."""

from sqlalchemy.orm import Session

from app.checks.inputs import load
from core.settings import get_settings
from core.specs.datasets import DatasetSpec


def understood(db: Session, spec: DatasetSpec) -> DatasetSpec:
    """The spec, with the groups of the dataset that it extends unless it names its own.

    Raises:
        InvalidRequestError: there is no such dataset to extend, or too much would be drawn.
    """
    inputs = load(db, spec)
    most = get_settings().max_items
    if spec.procedural is not None and spec.procedural.n_items > most:
        inputs.refuse("procedural/n_items", f"G2L_MAX_ITEMS allows {most:,} items; give fewer.")
        inputs.finish()
    if spec.extends is None or spec.group_by is not None:
        return spec
    return spec.model_copy(update={"group_by": inputs.dataset(spec.extends).spec.get("group_by")})
