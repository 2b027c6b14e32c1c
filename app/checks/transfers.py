"""What can be known of a transfer or a forecast before it is run."""

from sqlalchemy.orm import Session

from app import downloads
from app.checks.compatibility import require_images, source_mismatch, transfer_mismatch
from app.checks.inputs import Inputs, load
from app.checks.models import require_classes
from app.checks.starts import check_image_size, check_other_size
from core.db.resources import Dataset
from core.specs.forecasts import ForecastSpec
from core.specs.models import DEFAULT_ARCHITECTURE
from core.specs.transfers import TransferSpec
from g2l.data.pack import Pack
from g2l.errors import G2LError


def check_transfer(db: Session, spec: TransferSpec) -> None:
    """Refuse what would fail.

    Raises:
        InvalidRequestError: with a pointer for each mistake.
    """
    inputs = load(db, spec)
    dataset = inputs.dataset(spec.dataset_id)
    check_target(inputs, "dataset_id", dataset)
    if spec.model_id is not None:
        _check_source(inputs, spec, dataset)
    else:
        if spec.method == "linear-probe":
            inputs.refuse(
                "method", "From scratch there is no network to freeze; give model_id, or fine-tune."
            )
        arch = spec.arch or DEFAULT_ARCHITECTURE
        if spec.image_size is not None:
            check_image_size(inputs, "image_size", arch, image_size=spec.image_size)
    inputs.finish()


def check_target(inputs: Inputs, where: str, dataset: Dataset) -> None:
    """A labelled dataset of images whose classes can be split."""
    if require_images(inputs, where, dataset):
        require_classes(inputs, where, dataset, smallest=2)
        if dataset.n_groups is not None and not dataset.splits["test"]:
            _require_split(inputs, where, dataset)


def _require_split(inputs: Inputs, where: str, dataset: Dataset) -> None:
    """Both sides of a split that keeps groups whole, where taking in the dataset found none."""
    try:
        Pack(downloads.folder(dataset.artifact)).target_split()
    except G2LError as error:
        inputs.refuse(where, f"Of {dataset.id}: {error}.")


def check_forecast(db: Session, spec: ForecastSpec) -> None:
    """Refuse what would fail.

    Raises:
        InvalidRequestError: with a pointer for each mistake.
    """
    inputs = load(db, spec)
    dataset = inputs.dataset(spec.dataset_id)
    if require_images(inputs, "dataset_id", dataset):
        for index, model_id in enumerate(spec.model_ids):
            where = f"model_ids/{index}"
            if spec.model_ids.index(model_id) != index:
                inputs.refuse(where, f"{model_id} is there already; name each source once.")
            elif reason := source_mismatch(model := inputs.model(model_id), dataset):
                inputs.refuse(where, reason)
            else:
                check_other_size(
                    inputs, "image_size", model.arch, trained_at=model.image_size, image_size=spec.image_size
                )
    inputs.finish()


def _check_source(inputs: Inputs, spec: TransferSpec, dataset: Dataset) -> None:
    model = inputs.model(spec.model_id or "")
    if spec.arch is not None and spec.arch != model.arch:
        inputs.refuse("arch", f"{model.id} is a {model.arch}; leave arch out, or name that; got {spec.arch}.")
    if reason := transfer_mismatch(model, dataset, spec.method):
        inputs.refuse("model_id", reason)
    if model.role != "embedder":
        check_other_size(
            inputs, "image_size", model.arch, trained_at=model.image_size, image_size=spec.image_size
        )
