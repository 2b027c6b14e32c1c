"""What the service tells, as values; their `body` is the whole answer.

Written by scripts/client_types.py from the service's schemas; change those, then `make generate`.
"""

from dataclasses import dataclass
from datetime import datetime

from g2l.client.values import Answer, JsonObject, Problem


@dataclass(frozen=True, kw_only=True)
class Accuracy(Answer):
    """A share of the test images, with its interval."""

    value: float | None
    low: float
    high: float
    level: float


@dataclass(frozen=True, kw_only=True)
class AnchorDistance(Answer):
    """How far a dataset is from an anchor: the energy distance, squared units of unit-norm responses."""

    name: str
    squared_distance: float


@dataclass(frozen=True, kw_only=True)
class AnchorSet(Answer):
    """Named anchors in one embedding; distances are None in lists, and above 256 anchors.

    Attributes:
        label_accuracy: of anchors of labelled images: the share of these that are nearest to their own
            class's anchor, made without them; value, low, high.
    """

    id: str
    name: str | None
    created_at: datetime
    job_id: str
    spec: JsonObject
    seconds: float | None
    images_per_second: float | None
    embedder_id: str
    metric: str
    k: int
    names: tuple[str, ...]
    squared_distances: tuple[tuple[float, ...], ...] | None
    label_accuracy: JsonObject | None


@dataclass(frozen=True, kw_only=True)
class Calibration(Answer):
    """What a forecast was fitted on.

    Attributes:
        version: names the past transfers and the method: equal fits, equal versions.
        figures: what the expected accuracies follow from: scores, divergences, the accuracy from scratch.
    """

    version: str
    figures: tuple[str, ...]
    n_past_transfers: int
    n_past_targets: int


@dataclass(frozen=True, kw_only=True)
class ClassCount(Answer):
    """A class and its number of items."""

    name: str
    count: int


@dataclass(frozen=True, kw_only=True)
class DatasetLabel(Answer):
    """What a dataset is like: the anchors that together explain it, nearest first in `anchors`."""

    anchor_set_id: str
    label: str
    margin: float
    anchors: tuple[AnchorDistance, ...]


@dataclass(frozen=True, kw_only=True)
class Rejected(Answer):
    """A file that was left out, and why."""

    path: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Splits(Answer):
    """Items on each side; `derived` if the archive has no such sides and they were drawn."""

    train: int
    test: int
    derived: bool


@dataclass(frozen=True, kw_only=True)
class ImageSize(Answer):
    """The shortest and the longest side in pixels."""

    min: int
    max: int


@dataclass(frozen=True, kw_only=True)
class Dataset(Answer):
    """Images or embeddings, packed."""

    id: str
    name: str
    kind: str
    version: int
    parent_id: str | None
    n_items: int
    n_groups: int | None
    n_rejected: int
    n_duplicates: int
    rejected: tuple[Rejected, ...]
    classes: tuple[ClassCount, ...]
    splits: Splits
    image_size: ImageSize | None
    channels: int
    dtype: str
    sha256: str
    bytes: int
    created_at: datetime
    job_id: str
    spec: JsonObject
    seconds: float | None
    images_per_second: float | None
    pseudo_label: DatasetLabel | None


@dataclass(frozen=True, kw_only=True)
class Divergences(Answer):
    """How far a source's pool is from a target, without labels; 0 for a dataset and itself."""

    jensen_shannon: float | None
    kl: float | None
    gaussian_kl: float | None
    frechet: float | None
    energy_distance: float | None


@dataclass(frozen=True, kw_only=True)
class Embedder(Answer):
    """Something that turns images into vectors."""

    id: str
    name: str | None
    kind: str
    source: str
    default: bool
    about: str
    dim: int | None
    channels: int | None
    created_at: datetime | None
    job_id: str | None
    spec: JsonObject | None
    seconds: float | None
    images_per_second: float | None


@dataclass(frozen=True, kw_only=True)
class ModelFile(Answer):
    """A file of a model's folder."""

    path: str
    sha256: str
    bytes: int
    href: str


@dataclass(frozen=True, kw_only=True)
class Scores(Answer):
    """Transferability scores of a source on a target's labels; larger is better (docs/scores.md)."""

    knn: float | None
    ridge: float | None
    logme: float | None
    leep: float | None
    nce: float | None
    h_score: float | None
    gbc: float | None


@dataclass(frozen=True, kw_only=True)
class NeededLabelBudget(Answer):
    """Images a class at which the accuracy wanted is expected, within the label budgets of past transfers.

    Attributes:
        value: None: more than `largest`.
        low: None: more than `largest`.
        high: None: more than `largest`.
        smallest: fewest images a class seen; what is as small may be smaller yet.
        largest: most images a class seen.
    """

    value: float | None
    low: float | None
    high: float | None
    smallest: int
    largest: int
    level: float


@dataclass(frozen=True, kw_only=True)
class Outcome(Answer):
    """What came out where a forecast's transfer was run: the same source, target and label budget.

    Attributes:
        accuracy: the mean over the transfers.
        inside: whether it is inside the forecast's interval.
    """

    accuracy: float
    n_transfers: int
    inside: bool


@dataclass(frozen=True, kw_only=True)
class SourceForecast(Answer):
    """What is expected of one source.

    Attributes:
        scratch_accuracy: measured from scratch on this target at this label budget; None: was not run.
        reaches_target: whether the interval is above target_accuracy; None: around it, or none given.
        needed_label_budget: for target_accuracy; None: none given, or past transfers do not tell.
        outcome: None until such a transfer is recorded.
    """

    model_id: str
    divergence: float | None
    knn_accuracy: float | None
    scratch_accuracy: float | None
    scores: Scores | None
    divergences: Divergences | None
    target_label: DatasetLabel | None
    expected_accuracy: Accuracy
    rank: int
    reaches_target: bool | None
    needed_label_budget: NeededLabelBudget | None
    outcome: Outcome | None


@dataclass(frozen=True, kw_only=True)
class Forecast(Answer):
    """Expected target accuracy of candidate sources.

    Attributes:
        calibration: None: an older forecast, not noted.
    """

    id: str
    name: str | None
    created_at: datetime
    job_id: str
    spec: JsonObject
    seconds: float | None
    images_per_second: float | None
    dataset_id: str
    sources: tuple[SourceForecast, ...]
    n_past_transfers: int
    n_past_targets: int
    calibrated: bool
    calibration: Calibration | None


@dataclass(frozen=True, kw_only=True)
class ForecastScore(Answer):
    """How the forecasts of one calibration fared, where their transfers were run.

    Attributes:
        version: of the calibration; None: all.
        calibrated: whether the intervals are of 90 %; else they are 0 to 1.
        coverage: share of outcomes inside the interval.
    """

    version: str | None
    calibrated: bool
    n_outcomes: int
    n_targets: int
    mean_absolute_error: float
    coverage: float


@dataclass(frozen=True, kw_only=True)
class ForecastsScore(Answer):
    """How forecasts fared: all calibrated ones, all others, and by calibration."""

    items: tuple[ForecastScore, ...]


@dataclass(frozen=True, kw_only=True)
class Interval(Answer):
    """An estimate and its interval; of one run alone there is none."""

    value: float
    low: float | None
    high: float | None
    level: float


@dataclass(frozen=True, kw_only=True)
class PseudoLabel(Answer):
    """What a labeling says of an item."""

    labeling_id: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Item(Answer):
    """One image or vector of a dataset."""

    item_id: int
    path: str
    label: str | None
    split: str | None
    group: str | None
    width: int | None
    height: int | None
    pseudo_labels: tuple[PseudoLabel, ...]
    image: str | None
    thumbnail: str | None


@dataclass(frozen=True, kw_only=True)
class Progress(Answer):
    """How far the present stage is."""

    done: int
    total: int | None
    unit: str | None


@dataclass(frozen=True, kw_only=True)
class Result(Answer):
    """What a job made."""

    kind: str
    id: str
    href: str


@dataclass(frozen=True, kw_only=True)
class JobFields(Answer):
    """A piece of work, and how it is going.

    Attributes:
        role: the stage of its parent that this is, of a later round with its number, `anchors-2`; or the
            shard, as `responses-3`.
    """

    id: str
    kind: str
    state: str
    stage: str | None
    progress: Progress
    eta_seconds: float | None
    attempt: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: Problem | None
    result: Result | None
    parent_id: str | None
    role: str | None
    children: tuple[str, ...]
    spec: JsonObject


@dataclass(frozen=True, kw_only=True)
class LabelingAnswer(Answer):
    """A pseudo-label for every item of a dataset, summed up."""

    id: str
    name: str | None
    created_at: datetime
    job_id: str
    spec: JsonObject
    seconds: float | None
    images_per_second: float | None
    method: str
    dataset_id: str
    anchor_set_id: str | None
    embedder_id: str
    n_items: int
    n_classes: int
    classes: tuple[ClassCount, ...]
    entropy: float
    degenerate_share: float
    margin_quantiles: JsonObject | None
    report: JsonObject


@dataclass(frozen=True, kw_only=True)
class ModelAnswer(Answer):
    """A folder in the Hugging Face layout."""

    id: str
    name: str | None
    created_at: datetime
    job_id: str
    spec: JsonObject
    seconds: float | None
    images_per_second: float | None
    role: str
    revision: int
    arch: str
    image_size: int
    channels: int
    dim: int
    n_outputs: int
    parameters: int
    dataset_id: str | None
    labeling_id: str | None
    labeling_ids: tuple[str, ...]
    parent_model_id: str | None
    third_party_weights: bool
    metrics: JsonObject
    files: tuple[ModelFile, ...]


@dataclass(frozen=True, kw_only=True)
class Seconds(Answer):
    """An expected time with its range."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class StageEstimate(Answer):
    """One stage: what it is about, and what it would take; None where nobody knows."""

    role: str
    kind: str
    round: int
    images: int
    epochs: int | None
    images_per_second: float | None
    expected_seconds: Seconds | None
    basis: str


@dataclass(frozen=True, kw_only=True)
class PipelineEstimate(Answer):
    """A pipeline that was found right, and was not begun."""

    stages: tuple[StageEstimate, ...]
    expected_seconds: Seconds | None


@dataclass(frozen=True, kw_only=True)
class Round(Answer):
    """What one of the earlier rounds has made."""

    anchor_set_id: str
    labeling_id: str
    model_id: str


@dataclass(frozen=True, kw_only=True)
class Pipeline(Answer):
    """What a pipeline has made so far; None until made. Of several rounds, the last stands at the top."""

    id: str
    job_id: str
    name: str | None
    state: str
    dataset_id: str
    anchor_set_id: str | None
    labeling_id: str | None
    model_id: str | None
    forecast_id: str | None
    scratch_transfer_id: str | None
    transfer_id: str | None
    rounds: tuple[Round, ...]
    created_at: datetime
    spec: JsonObject


@dataclass(frozen=True, kw_only=True)
class StudyDifference(Answer):
    """How much more accurate a source is than the baseline, over pairs of runs with equal seeds.

    Attributes:
        target: None: the mean over all targets.
        wins: targets on which it is positive.
        losses: targets on which it is negative.
    """

    source: str
    baseline: str
    target: str | None
    label_budget: int | None
    difference: Interval
    n_pairs: int
    n_targets: int
    wins: int
    losses: int


@dataclass(frozen=True, kw_only=True)
class StudyForecast(Answer):
    """What was to be expected of a source on a target by all transfers on others, and what came out."""

    source: str
    target: str
    label_budget: int | None
    expected: Interval | None
    accuracy: float
    calibrated: bool


@dataclass(frozen=True, kw_only=True)
class StudyMean(Answer):
    """How accurate a source is: on a target, or on the mean over targets.

    Attributes:
        target: None: the mean over all targets.
    """

    source: str
    target: str | None
    label_budget: int | None
    accuracy: Interval
    n_runs: int
    n_targets: int


@dataclass(frozen=True, kw_only=True)
class StudyMissing(Answer):
    """A transfer that was asked for and is not there."""

    source: str
    pretraining_seed: int | None
    target: str
    label_budget: int | None
    seed: int


@dataclass(frozen=True, kw_only=True)
class StudySource(Answer):
    """A source, and what was made for it.

    Attributes:
        models: of each, model_id and pretraining_seed; target, None where one is trained for all;
            label_budget and seed of the labelled images that its anchors are made of, None where they are
            not.
    """

    name: str
    method: str
    models: tuple[JsonObject, ...]
    labeling_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Study(Answer):
    """What a study has found.

    Attributes:
        complete: whether all transfers are there that were asked for.
    """

    id: str
    name: str | None
    created_at: datetime
    job_id: str
    spec: JsonObject
    seconds: float | None
    images_per_second: float | None
    complete: bool
    n_transfers: int
    baseline: str
    sources: tuple[StudySource, ...]
    table: tuple[StudyMean, ...]
    differences: tuple[StudyDifference, ...]
    forecasts: tuple[StudyForecast, ...]
    missing: tuple[StudyMissing, ...]


@dataclass(frozen=True, kw_only=True)
class Twin(Answer):
    """A test image of the target, and the same one, perhaps altered, in what was trained on."""

    item: int
    other_item: int
    dataset_id: str
    similarity: float
    mirrored: bool


@dataclass(frozen=True, kw_only=True)
class Twins(Answer):
    """Test images that the weights were trained on, and the accuracy on the others."""

    n_with_pool: int | None
    n_with_train: int
    share: float
    accuracy_without: Accuracy | None
    dataset_ids: tuple[str, ...]
    unknown_model_ids: tuple[str, ...]
    pairs: tuple[Twin, ...]


@dataclass(frozen=True, kw_only=True)
class Transfer(Answer):
    """A source put to use on a target, and its measured error."""

    id: str
    name: str | None
    created_at: datetime
    job_id: str
    spec: JsonObject
    seconds: float | None
    images_per_second: float | None
    dataset_id: str
    model_id: str | None
    base_model_id: str | None
    arch: str
    label_budget: int | None
    epochs: int
    seed: int
    accuracy: Accuracy
    scratch_accuracy: Accuracy | None
    balanced_accuracy: float
    macro_f1: float
    per_class: tuple[JsonObject, ...]
    confusion: tuple[tuple[int, ...], ...]
    n_train: int | None
    learning_curve: tuple[JsonObject, ...]
    learning_rate: float | None
    divergence: float | None
    knn_accuracy: float | None
    scores: Scores | None
    divergences: Divergences | None
    twins: Twins | None


@dataclass(frozen=True, kw_only=True)
class Upload(Answer):
    """An upload that waits for its bytes, or for a request that takes it in."""

    id: str
    filename: str
    bytes: int
    offset: int
    created_at: datetime
    expires_at: datetime
