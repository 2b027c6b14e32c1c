"""Names that specs share with the method are the same on both sides; `core` may not import `g2l`."""

from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError

from core.specs import base, kinds, models
from core.specs.anchor_sets import AnchorSetSpec
from core.specs.imports import LARGEST_ONNX
from core.specs.labelings import GeometryLabelingSpec
from core.specs.models import SelfSupervisedModelSpec
from core.specs.pipelines import PipelineSpec
from core.specs.references import located_references
from core.specs.transfers import TransferSpec
from g2l import geometry, metrics
from g2l.nn import augmentation, contrast, onnx_embedder, onnx_files, recipes, transfer, zoo


def test_metrics_rules_and_architectures() -> None:
    assert get_args(base.Metric) == tuple(metrics.METRICS)
    assert set(get_args(base.Prefer)) == set(get_args(geometry.Prefer))
    assert get_args(models.Architecture) == zoo.ARCHITECTURES
    assert models.DEFAULT_ARCHITECTURE == zoo.DEFAULT_ARCHITECTURE
    assert get_args(base.Augmentation) == augmentation.AUGMENTATIONS
    assert get_args(base.Balance) == get_args(recipes.Balance)
    assert get_args(SelfSupervisedModelSpec.model_fields["method"].annotation) == contrast.METHODS
    assert LARGEST_ONNX == onnx_files.LARGEST_FILE
    assert (base.SMALLEST_SIDE, base.LARGEST_SIDE) == onnx_embedder.SIDES
    assert get_args(TransferSpec.model_fields["batch_norms"].annotation) == get_args(transfer.BatchNorms)
    method = TransferSpec.model_fields["method"].annotation
    assert set(get_args(method)) == set(get_args(transfer.Method))


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        (PipelineSpec(dataset_id="ds_1"), [("dataset_id", "ds_1")]),
        (
            PipelineSpec.model_validate(
                {"dataset_id": "ds_1", "anchors": {"embedder": "mdl_1"}, "transfer": {"dataset_id": "ds_2"}}
            ),
            [("dataset_id", "ds_1"), ("anchors/embedder", "mdl_1"), ("transfer/dataset_id", "ds_2")],
        ),
        (
            AnchorSetSpec.model_validate(
                {"embedder": ["patch-kmeans", "mdl_1"], "discover": {"dataset_id": "ds_1"}}
            ),
            [("embedder/1", "mdl_1"), ("discover/dataset_id", "ds_1")],
        ),
        (
            AnchorSetSpec.model_validate(
                {"fit_on": "ds_3", "anchors": [{"name": "a", "dataset_id": "ds_1", "class": "x"}]}
            ),
            [("fit_on/0", "ds_3"), ("anchors/0/dataset_id", "ds_1")],
        ),
    ],
)
def test_what_a_spec_names(spec: BaseModel, where: list[tuple[str, str]]) -> None:
    assert located_references(spec) == where


STORED: dict[kinds.Kind, dict[str, Any]] = {
    "dataset": {"name": "pool", "uri": "file:///pool"},
    "anchor-set": {"discover": {"dataset_id": "ds_1"}},
    "labeling": {"dataset_id": "ds_1", "anchor_set_id": "anc_1"},
    "model": {"labeling_id": "lab_1"},
    "transfer": {"dataset_id": "ds_1"},
    "forecast": {"dataset_id": "ds_1", "model_ids": ["mdl_1"]},
    "pipeline": {"dataset_id": "ds_1"},
    "study": {"targets": ["ds_1"], "pool": "ds_2", "sources": [None, "mdl_1", {"name": "a", "model": {}}]},
    "report": {"study_job_id": "job_1"},
    "responses": {"dataset_id": "ds_1", "embedder": "emb_1", "first": 4096, "count": 100},
}


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_a_stored_spec_reads_as_it_was(kind: kinds.Kind) -> None:
    spec = kinds.parse_spec(kind, STORED[kind])
    stored = kinds.dump_spec(spec)
    assert kinds.parse_spec(kind, stored) == spec
    assert kinds.dump_spec(kinds.parse_spec(kind, stored)) == stored


@pytest.mark.parametrize("length", [0, 17])
def test_bounds_hold(length: int) -> None:
    with pytest.raises(ValidationError):
        GeometryLabelingSpec(dataset_id="ds_1", anchor_set_id="anc_1", length=length)
