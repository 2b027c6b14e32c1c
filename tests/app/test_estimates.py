"""`?dry_run=true` on a pipeline: refused as the request would be, else what it takes; nothing is done."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from sqlalchemy import func, select

from app.estimates.measured import Past, pace, start_of
from app.estimates.reference import TRAINING
from app.estimates.works import Likeness, Network
from core.db.jobs import IdempotencyKey, Job
from core.db.resources import Artifact, Responses
from core.db.session import transaction
from core.ids import new_id
from core.specs.models import Architecture
from tests.app.conftest import Api
from tests.app.made import Maker

AT = datetime(2026, 1, 1, tzinfo=UTC)
LIKE = Likeness("model", Network("resnet-tiny", 32))


@pytest.fixture
def pool(make: Maker) -> str:
    return make.dataset({"cat": 60, "dog": 60})


@pytest.fixture
def target(make: Maker) -> str:
    return make.dataset(
        {"a": 20, "b": 10, "c": 3}, splits={"train": 33, "test": 0, "derived": False}, n_items=33
    )


def estimate(api: Api, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = api.client.post("/v1/pipelines?dry_run=true", json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def stage(estimated: dict[str, Any], role: str) -> dict[str, Any]:
    found: dict[str, Any] = next(entry for entry in estimated["stages"] if entry["role"] == role)
    return found


def finished_job(kind: str, seconds: float, *, attempt: int = 1, finished_at: datetime = AT) -> str:
    with transaction() as session:
        job = Job(id=new_id("job"), kind=kind, spec={}, state="succeeded", attempt=attempt)
        job.started_at, job.finished_at = finished_at - timedelta(seconds=seconds), finished_at
        session.add(job)
        return job.id


def trained(make: Maker, seconds: float, *, arch: str, attempt: int = 1) -> str:
    """A model whose job went over 1,000 images."""
    metrics = {"n_train": 100, "history": [{}] * 10}
    job_id = finished_job("model", seconds, attempt=attempt)
    return make.model(arch=arch, metrics=metrics, job_id=job_id)


def count(table: type[Any]) -> int:
    with transaction() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_every_stage_of_every_round_is_there(api: Api, pool: str, target: str) -> None:
    transfer = {"dataset_id": target, "label_budget": 5, "epochs": 3}
    body = {"dataset_id": pool, "rounds": 2, "model": {"epochs": 4}, "transfer": transfer}
    found = estimate(api, body)
    assert [(s["role"], s["kind"], s["round"], s["images"], s["epochs"]) for s in found["stages"]] == [
        ("anchors", "anchor-set", 1, 120, None),
        ("labeling", "labeling", 1, 120, None),
        ("model", "model", 1, 120, 4),
        ("anchors-2", "anchor-set", 2, 120, None),
        ("labeling-2", "labeling", 2, 120, None),
        ("model-2", "model", 2, 120, 4),
        ("scratch", "transfer", 2, 12, 3),  # of 20, 10 and 3 images, 30 % test
        ("forecast", "forecast", 2, 33, None),
        ("transfer", "transfer", 2, 12, 3),
    ]
    for part in ("value", "low", "high"):
        parts = [s["expected_seconds"][part] for s in found["stages"]]
        assert found["expected_seconds"][part] == pytest.approx(sum(parts), abs=0.2)
    assert {s["basis"] for s in found["stages"]} == {"reference"}
    assert all(s["expected_seconds"]["low"] < s["expected_seconds"]["high"] for s in found["stages"])


def test_nothing_is_written_and_a_key_stays_free(api: Api, pool: str) -> None:
    body = {"dataset_id": pool}
    before = count(Job), count(IdempotencyKey)
    first = estimate(api, body, **{"Idempotency-Key": "dry"})
    assert estimate(api, body, **{"Idempotency-Key": "dry"}) == first
    assert (count(Job), count(IdempotencyKey)) == before
    real = api.client.post("/v1/pipelines", json=body, headers={"Idempotency-Key": "dry"})
    assert real.status_code == 202
    again = api.client.post("/v1/pipelines?dry_run=false", json=body, headers={"Idempotency-Key": "dry"})
    assert (again.status_code, again.text) == (202, real.text)
    assert count(Job) == before[0] + 2  # the parent and its first stage


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"dataset_id": "ds_none"}, "#/dataset_id"),
        ({"labeling": {"length": 0}}, "#/labeling/length"),
        ({"anchors": {"discover": {"k": 121}}}, "#/anchors/discover/k"),
        ({"rounds": 11}, "#/rounds"),
    ],
)
def test_what_the_request_would_be_refused_for_refuses_it(
    api: Api, pool: str, body: dict[str, Any], pointer: str
) -> None:
    asked = {"dataset_id": pool} | body
    assert api.pointers("/v1/pipelines?dry_run=true", asked) == [pointer]
    assert api.pointers("/v1/pipelines", asked) == [pointer]


def test_what_was_measured_here_counts_instead_of_the_reference(api: Api, make: Maker, pool: str) -> None:
    model = {"arch": "regnet-tiny", "epochs": 10}
    body = {"dataset_id": pool, "model": model}
    assert stage(estimate(api, body), "model")["basis"] == "reference"
    trained(make, 23.5, arch="regnet-tiny")  # 3.5 s to start, then 50 images/s
    trained(make, 500.0, arch="regnet-tiny", attempt=2)  # was interrupted: says nothing
    found = stage(estimate(api, body), "model")
    assert found["basis"] == "measured here"
    assert found["images_per_second"] == 50
    # 108 of 120 images are trained on, the others are held out.
    assert found["expected_seconds"] == {"value": 25.1, "low": 16.7, "high": 37.7}
    other_size = estimate(api, body | {"model": model | {"image_size": 64}})
    assert stage(other_size, "model")["basis"] == "reference"


@pytest.mark.parametrize(("derived", "images"), [(True, 12), (False, 8)])
def test_a_source_sees_the_train_part_that_the_archive_names(
    api: Api, make: Maker, derived: bool, images: int
) -> None:
    split = make.dataset(splits={"train": 8, "test": 4, "derived": derived})
    assert stage(estimate(api, {"dataset_id": split}), "model")["images"] == images


def test_a_reference_is_scaled_by_the_area_of_the_images(api: Api, pool: str) -> None:
    rates = [
        stage(estimate(api, {"dataset_id": pool, "model": {"arch": "vit-tiny", "image_size": side}}), "model")
        for side in (32, 64)
    ]
    assert rates[0]["images_per_second"] == pytest.approx(4 * rates[1]["images_per_second"], rel=0.01)


def test_responses_that_are_kept_are_not_computed_again(api: Api, make: Maker) -> None:
    pool = make.dataset({"cat": 60_000, "dog": 60_000})
    first = stage(estimate(api, {"dataset_id": pool}), "anchors")["expected_seconds"]["value"]
    embedder = make.embedder(spec={"embedder": "patch-kmeans", "fit_on": [pool], "seed": 0})
    artifact = "a" * 64
    with transaction() as session:
        session.merge(Artifact(digest=artifact, files={}, bytes=0))
        session.flush()
        session.add(Responses(dataset_id=pool, embedder_id=embedder, artifact=artifact))
    kept = stage(estimate(api, {"dataset_id": pool}), "anchors")["expected_seconds"]["value"]
    assert kept < first / 2
    other_seed = stage(estimate(api, {"dataset_id": pool, "anchors": {"seed": 1}}), "anchors")
    assert other_seed["expected_seconds"]["value"] == first


def test_every_view_is_embedded(api: Api, pool: str) -> None:
    one, four = (
        stage(estimate(api, {"dataset_id": pool, "labeling": {"views": views}}), "labeling")
        for views in (1, 4)
    )
    assert four["expected_seconds"]["value"] > one["expected_seconds"]["value"]
    assert four["images"] == one["images"]


def test_given_anchors_are_no_stage_and_an_unknown_embedder_makes_no_guess(
    api: Api, make: Maker, pool: str
) -> None:
    embedder = make.embedder(kind="of-the-future")
    anchors = make.anchor_set(
        embedder, k=4, spec={"embedder": embedder, "discover": {"dataset_id": pool, "k": 4}}
    )
    found = estimate(api, {"dataset_id": pool, "rounds": 2, "anchors": {"anchor_set_id": anchors}})
    roles = [s["role"] for s in found["stages"]]
    assert roles == ["labeling", "model", "anchors-2", "labeling-2", "model-2"]
    unknown = stage(found, "labeling")
    assert (unknown["basis"], unknown["expected_seconds"], unknown["images_per_second"]) == (
        "unknown",
        None,
        None,
    )
    assert stage(found, "labeling-2")["basis"] == "reference"
    assert found["expected_seconds"] is None


def test_anchors_of_labelled_images_are_estimated_in_every_round(api: Api, make: Maker, pool: str) -> None:
    target = make.dataset({"cat": 60, "dog": 60})
    inline = {"anchors": {"labelled": {"dataset_id": target}}, "labeling": {"length": 1}, "rounds": 2}
    found = estimate(api, {"dataset_id": pool} | inline)
    assert all(s["expected_seconds"] is not None for s in found["stages"])
    assert stage(found, "anchors")["images"] == stage(found, "labeling")["images"]  # the metric is the pool's
    embedder = make.embedder()
    row = make.anchor_set(embedder, spec={"embedder": embedder, "labelled": {"dataset_id": target}})
    given = estimate(api, {"dataset_id": pool, "rounds": 2, "anchors": {"anchor_set_id": row}})
    assert stage(given, "anchors-2")["expected_seconds"] is not None


def test_every_architecture_has_a_reference() -> None:
    assert TRAINING.keys() == set(get_args(Architecture))


def past(passes: int, seconds: float) -> Past:
    return Past(LIKE, passes, seconds)


def test_the_pace_is_the_median_of_the_newest_and_its_spread_that_of_them() -> None:
    assert pace([], 1.0) is None
    jobs = [past(100, seconds) for seconds in (3.0, 3.0, 3.0, 3.0, 30.0)]
    known = pace(jobs, 2.0)
    assert known is not None
    assert (known.start, known.images_per_second) == (2.0, 100.0)
    assert known.spread > 1.5
    newest = pace([past(100, 3.0)] * 20 + [past(1, 3.0)] * 100, 2.0)
    assert newest is not None
    assert newest.images_per_second == 100.0
    assert 1 < newest.spread < 1.2


def test_a_job_that_was_over_sooner_shows_that_processes_start_sooner() -> None:
    assert start_of([]) == start_of([past(1, 60.0)]) == 3.5
    assert start_of([past(1, 60.0), past(1, 0.5)]) == 0.5
    known = pace([past(10, 0.5)], 0.5)
    assert known is not None
    assert 0 < known.images_per_second < 1000
