"""Studies: a grid of transfers, targets by sources by seeds, as one job."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from core.specs.base import (
    REFERENCE,
    Augmentation,
    BatchSize,
    Epochs,
    ImageSize,
    LabelBudget,
    LearningRate,
    Name,
    Seed,
    Spec,
)
from core.specs.models import DEFAULT_ARCHITECTURE, MOST_LABELINGS, Architecture
from core.specs.pipelines import PipelineAnchors
from core.specs.transfers import TransferMethod, TransferRecipe

MOST_TRANSFERS = 5000
TRANSFERS_FILE, REPORT_FILE = "transfers.parquet", "report.html"  # of a study's artifact
OF_LABELS = frozenset({"labeling_id", "labeling_ids", "classes_of"})  # fields that name labels, not a model
OF_A_POOL = frozenset({"dataset_id", "labeling_id", "labeling_ids"})  # fields that say what is trained on
Options = dict[str, Any]


class LabelsRecipe(Spec):
    """Pseudo-labels to be made for a source: by anchors, or by a control."""

    anchors: PipelineAnchors | None = Field(None, description="as of a pipeline")
    labeling: Options | None = Field(None, description="as of POST /v1/labelings, less the ids")

    @property
    def by_geometry(self) -> bool:
        """Whether anchors make the labels."""
        return str((self.labeling or {}).get("method", "geometry")) == "geometry"


class StudySource(LabelsRecipe):
    """One arm: a model that is there, a recipe to train one by, or, without either, random weights."""

    id_fields: ClassVar[frozenset[str]] = frozenset({"pool"})

    name: Name
    model_id: str | None = Field(None, description="a model that is there")
    pool: str | None = Field(None, description="the dataset to train on; null: the study's")
    on_target_pools: bool = Field(
        False, description="trained for each target apart, on its dataset of the study's `target_pools`"
    )
    labelings: Annotated[list[LabelsRecipe], Field(min_length=2, max_length=MOST_LABELINGS)] | None = Field(
        None, description="several, a head each"
    )
    model: Options | None = Field(None, description="as of POST /v1/models; trained once a pretraining seed")
    method: TransferMethod | None = Field(None, description="another than the study's")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.model_id is not None and self.is_recipe:
            raise ValueError("give either `model_id`, or what to train: `model`, `labeling`, `anchors`")
        if self.labelings is not None and (self.anchors is not None or self.labeling is not None):
            raise ValueError("give either `labelings`, or one as `anchors` and `labeling`")
        if self.on_target_pools:
            self._require_no_other_pool()
        elif self.follows_target_labels:
            raise ValueError(
                "its anchors are each target's classes; set on_target_pools, for a model a target"
            )
        return self

    def _require_no_other_pool(self) -> None:
        if not self.is_recipe:
            raise ValueError("on_target_pools says what to train on; give what to train: `model`, `labeling`")
        if self.pool is not None:
            raise ValueError("give either `pool` or `on_target_pools`")
        for name, value in _named_strings([self.model, *(each.labeling for each in self.label_recipes)], ""):
            if name in OF_A_POOL and not value.startswith(REFERENCE):
                raise ValueError(f"on_target_pools says what to train on; leave {name} out")

    @property
    def follows_target_labels(self) -> bool:
        """Whether its anchors are the target's classes, by labelled images: another model a draw of those."""
        return any(recipe.anchors is not None and recipe.anchors.of_target for recipe in self.label_recipes)

    @property
    def is_recipe(self) -> bool:
        """Whether the study trains it."""
        parts = (self.anchors, self.labeling, self.labelings, self.model)
        return any(part is not None for part in parts)

    @property
    def label_recipes(self) -> list[LabelsRecipe]:
        """The labelings to make, in the order of their heads."""
        if self.labelings is not None:
            return self.labelings
        return [self] if self.anchors is not None or self.labeling is not None else []

    def named_sources(self) -> Iterator[tuple[str, str]]:
        """The other sources that this one stands on, each after the field that names it."""
        for field, value in _named_strings(self.model_dump(mode="json", exclude={"name"}), ""):
            if value.startswith(REFERENCE):
                yield field, value.removeprefix(REFERENCE)

    def has(self, field: str) -> bool:
        """Whether it has what another may ask of it in a field: labels, or a model."""
        return bool(self.label_recipes) if field in OF_LABELS else self.is_recipe or self.model_id is not None


def _source(value: object) -> object:
    """A model's id alone is a source, and so is null: random weights."""
    if value is None:
        return {"name": "scratch"}
    return {"name": value, "model_id": value} if isinstance(value, str) else value


class StudyModels(Spec):
    """What all trainings of a study share, unless a source says otherwise."""

    arch: Architecture = DEFAULT_ARCHITECTURE
    epochs: Epochs = 6
    image_size: ImageSize = 32
    batch_size: BatchSize = 128
    learning_rate: LearningRate = 0.004
    learning_rates: Annotated[list[LearningRate], Field(min_length=2, max_length=10)] | None = Field(
        None,
        description="a sweep, the same for every source: at the first pretraining seed the rate of the "
        "lowest held-out loss is chosen (of the lowest training loss where nothing is held out)",
    )
    augmentation: Augmentation = "crop"


class StudySpec(Spec):
    """A parent job with a child for each labeling, model and transfer; equal ones are made once."""

    id_fields: ClassVar[frozenset[str]] = frozenset({"targets", "pool", "target_pools"})

    name: Name | None = None
    targets: Annotated[list[str], Field(min_length=1, max_length=100)] = Field(
        description="labelled datasets to transfer to"
    )
    sources: Annotated[
        list[
            Annotated[StudySource, BeforeValidator(_source, json_schema_input_type=StudySource | str | None)]
        ],
        Field(min_length=1, max_length=200),
    ] = Field(description="what to compare; a model's id alone and null (from scratch) are sources too")
    pool: str | None = Field(None, description="the dataset that sources are trained on")
    target_pools: Annotated[list[str], Field(min_length=1, max_length=100)] | None = Field(
        None,
        description="for each target, in their order, unlabelled images of its kind: what sources with "
        "`on_target_pools` are trained on",
    )
    pretraining_seeds: Annotated[list[Seed], Field(min_length=1, max_length=100)] = Field(
        [0], description="each source with a recipe is trained once a seed"
    )
    seeds: Annotated[list[Seed], Field(min_length=1, max_length=100)] = Field(
        [0], description="of the transfers"
    )
    label_budgets: Annotated[list[LabelBudget | None], Field(min_length=1, max_length=20)] = Field(
        [10], description="labelled images a class; null: all"
    )
    model: StudyModels = StudyModels()
    transfer: TransferRecipe = TransferRecipe()
    baseline: Name | None = Field(
        None, description="the source that the others are compared with; null: the first"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for field in ("targets", "seeds", "pretraining_seeds", "label_budgets"):
            values = getattr(self, field)
            if len(set(values)) < len(values):
                raise ValueError(f"{field} names one thing twice")
        known: dict[str, StudySource] = {}
        for source in self.sources:
            if source.name in known:
                raise ValueError(f"two sources are called {source.name!r}; give each its own name")
            for field, name in source.named_sources():
                if name not in known:
                    raise ValueError(f"{source.name!r} stands on {name!r}, which is no source before it")
                if not known[name].has(field):
                    raise ValueError(f"{source.name!r} stands on {name!r}, which has no {field} to give")
                self._require_one_pool(source, field, known[name])
            known[source.name] = source
        self._require_target_pools()
        if self.baseline is not None and self.baseline not in known:
            raise ValueError(f"baseline names no source; give one of {', '.join(map(repr, sorted(known)))}")
        if self.n_transfers > MOST_TRANSFERS:
            raise ValueError(
                f"these are {self.n_transfers:,} transfers, and a study has at most {MOST_TRANSFERS:,}; "
                "leave out targets, sources, seeds or label_budgets"
            )
        return self

    def _require_target_pools(self) -> None:
        apart = [source.name for source in self.sources if source.on_target_pools]
        if self.target_pools is None:
            if apart:
                raise ValueError(f"{apart[0]!r} is trained on target_pools; give one a target")
        elif len(self.target_pools) != len(self.targets):
            raise ValueError(
                f"target_pools has {len(self.target_pools)} entries; give one a target, {len(self.targets)}"
            )

    @staticmethod
    def _require_one_pool(source: StudySource, field: str, other: StudySource) -> None:
        if other.on_target_pools and not source.on_target_pools:
            raise ValueError(
                f"{source.name!r} stands on {other.name!r}, which there is for each target apart; "
                "set on_target_pools there too"
            )
        if source.on_target_pools and not other.on_target_pools and field in OF_A_POOL:
            raise ValueError(
                f"{source.name!r} is trained on target_pools, and {other.name!r} labels another pool; "
                f"leave {field} out"
            )

    def following_target_labels(self) -> set[str]:
        """The sources that are labelled by a target's labelled images, or stand on one that is."""
        found: set[str] = set()
        for source in self.sources:
            if source.follows_target_labels or any(name in found for _, name in source.named_sources()):
                found.add(source.name)
        return found

    @property
    def baseline_name(self) -> str:
        """The source that the others are compared with."""
        return self.baseline or self.sources[0].name

    @property
    def n_transfers(self) -> int:
        """The cells of the grid."""
        trained = sum(source.is_recipe for source in self.sources)
        models = trained * len(self.pretraining_seeds) + len(self.sources) - trained
        return models * len(self.targets) * len(self.label_budgets) * len(self.seeds)


class ReportSpec(Spec):
    """The last step of a study: its figures and its page, of the transfers that there are."""

    study_job_id: str


def _named_strings(value: object, field: str) -> Iterator[tuple[str, str]]:
    """All strings of a recipe, each after the name of the field that it stands in."""
    if isinstance(value, str):
        yield field, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _named_strings(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _named_strings(item, field)
