"""What can be known of a dataset before it is taken in."""

from sqlalchemy.orm import Session

from app.checks.inputs import load
from core.specs.datasets import DatasetSpec


def understood(db: Session, spec: DatasetSpec) -> DatasetSpec:
    """The spec, with the groups of the dataset that it extends unless it names its own.

    Raises:
        InvalidRequestError: there is no such dataset to extend.
    """
    inputs = load(db, spec)
    if spec.extends is None or spec.group_by is not None:
        return spec
    return spec.model_copy(update={"group_by": inputs.dataset(spec.extends).spec.get("group_by")})
