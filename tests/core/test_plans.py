"""A pipeline goes from stage to stage, stops with a stage, and goes on after a retry."""

from typing import Any

import pytest
import structlog
from sqlalchemy import select, text

from core.db.jobs import Job, Outbox
from core.db.resources import Pipeline
from core.db.session import transaction
from core.errors import InvalidRequestError, JobFinishedError
from core.jobs import interruptions, plans, transitions
from core.jobs.transitions import Claim
from core.specs.kinds import parse_spec
from core.specs.pipelines import PipelineSpec
from tests.fixtures.rows import add_dataset, add_result

pytestmark = pytest.mark.usefixtures("database")


def started(**fields: Any) -> str:
    with transaction() as session:
        pool, target = add_dataset(session), add_dataset(session)
        if "transfer" in fields:
            fields["transfer"] = {"dataset_id": target} | fields["transfer"]
        spec = PipelineSpec.model_validate({"dataset_id": pool} | fields)
        parent = transitions.submit(session, "pipeline", spec)
        plans.begin(session, parent)
        return parent.id


def test_stages_come_from_the_request_that_asked_for_the_pipeline() -> None:
    with structlog.contextvars.bound_contextvars(request_id="request-1"):
        parent_id = started()
    assert {row(parent_id).request_id, current(parent_id).request_id} == {"request-1"}


def row(job_id: str) -> Job:
    with transaction() as session:
        return session.get_one(Job, job_id)


def pipeline(job_id: str) -> Pipeline:
    with transaction() as session:
        return session.get_one(Pipeline, job_id)


def children(parent_id: str) -> list[Job]:
    with transaction() as session:
        return list(session.scalars(select(Job).where(Job.parent_id == parent_id).order_by(Job.id)))


def current(parent_id: str) -> Job:
    return next(child for child in children(parent_id) if child.state in ("queued", "running"))


def claim(job_id: str) -> Claim:
    with transaction() as session:
        held = transitions.claim(session, job_id, "worker", 30)
    assert held is not None
    return held


def succeed(held: Claim) -> None:
    with transaction() as session:
        spec = dict(session.get_one(Job, held.job_id).spec)
        if held.kind == "transfer":
            spec["base_model_id"] = add_result(session, "model", held, {})["id"]
        result = add_result(session, held.kind, held, spec)
        transitions.succeed(session, held, result)
        plans.advance(session, held.job_id)


def fail(held: Claim) -> None:
    error = {
        "code": "too-few-images",
        "title": "t",
        "detail": "k is 1 to 3",
        "errors": [{"pointer": "#/discover/k"}],
    }
    with transaction() as session:
        transitions.fail(session, held, error)
        plans.advance(session, held.job_id)


def run_stages(parent_id: str, count: int) -> list[Job]:
    return [run_stage(parent_id) for _ in range(count)]


def run_stage(parent_id: str) -> Job:
    child = current(parent_id)
    succeed(claim(child.id))
    return child


def test_the_whole_chain_with_a_transfer() -> None:
    parent_id = started(anchors={"discover": {"k": 2}}, labeling={"length": 2}, transfer={"label_budget": 10})
    assert row(parent_id).state == "running"
    assert row(parent_id).queue is None
    stages = []
    while row(parent_id).state == "running":
        stages.append((row(parent_id).stage, run_stage(parent_id).kind))
    assert stages == [
        ("anchors", "anchor-set"),
        ("labeling", "labeling"),
        ("model", "model"),
        ("scratch", "transfer"),
        ("forecast", "forecast"),
        ("transfer", "transfer"),
    ]
    parent, made = row(parent_id), pipeline(parent_id)
    assert parent.state == "succeeded"
    assert parent.result == {"kind": "pipeline", "id": parent_id, "href": f"/v1/pipelines/{parent_id}"}
    by_role = {child.role: child for child in children(parent_id)}
    assert (by_role["model"].result or {})["id"] == made.model_id
    assert by_role["transfer"].spec["model_id"] == made.model_id
    assert by_role["scratch"].spec["model_id"] is None
    assert by_role["forecast"].spec["model_ids"] == [made.model_id]
    for role in ("scratch", "transfer"):
        assert by_role[role].spec["label_budget"] == 10
    assert all(child.state == "succeeded" for child in by_role.values())


def test_without_a_transfer_it_ends_with_the_model() -> None:
    parent_id = started()
    kinds = [run_stage(parent_id).kind for _ in range(3)]
    assert kinds == ["anchor-set", "labeling", "model"]
    assert row(parent_id).state == "succeeded"
    assert pipeline(parent_id).transfer_id is None


def test_given_anchors_make_the_first_stage_needless() -> None:
    with transaction() as session:
        held = Claim("job_x", "anchor-set", 1)
        anchors = add_result(session, "anchor-set", held, {})["id"]
    parent_id = started(anchors={"anchor_set_id": anchors})
    assert current(parent_id).kind == "labeling"
    assert current(parent_id).spec["anchor_set_id"] == anchors


def test_children_are_promised_in_the_transaction_that_ends_the_one_before() -> None:
    parent_id = started()
    run_stage(parent_id)
    child = current(parent_id)
    with transaction() as session:
        assert session.scalars(select(Outbox.queue).where(Outbox.job_id == child.id)).all() == ["cpu"]


def test_a_failed_stage_fails_the_pipeline_and_says_why() -> None:
    parent_id = started()
    fail(claim(current(parent_id).id))
    parent = row(parent_id)
    assert parent.state == "failed"
    assert parent.error is not None
    assert parent.error["code"] == "stage-failed"
    assert "`anchors`" in str(parent.error["detail"])
    assert "k is 1 to 3" in str(parent.error["detail"])
    assert parent.error["errors"] == [{"pointer": "#/anchors/discover/k"}]
    assert len(children(parent_id)) == 1


@pytest.mark.parametrize("of", ["parent", "child"])
def test_a_retry_goes_on_with_what_is_unfinished(of: str) -> None:
    parent_id = started()
    first = run_stage(parent_id)
    stage = current(parent_id)
    fail(claim(stage.id))
    with transaction() as session:
        plans.retry(session, parent_id if of == "parent" else stage.id)
    assert row(parent_id).state == "running"
    assert row(stage.id).state == "queued"
    assert row(first.id).state == "succeeded"
    run_stage(parent_id)
    run_stage(parent_id)
    assert row(parent_id).state == "succeeded"
    assert [child.role for child in children(parent_id)] == ["anchors", "labeling", "model"]


def test_cancel_ends_the_unfinished_and_keeps_the_finished() -> None:
    parent_id = started()
    done = run_stage(parent_id)
    waiting = current(parent_id)
    with transaction() as session:
        plans.cancel(session, parent_id)
    assert [row(id_).state for id_ in (parent_id, waiting.id, done.id)] == [
        "cancelled",
        "cancelled",
        "succeeded",
    ]
    assert pipeline(parent_id).anchor_set_id is not None
    with pytest.raises(JobFinishedError), transaction() as session:
        plans.cancel(session, parent_id)


def test_cancel_of_a_stage_cancels_the_pipeline() -> None:
    parent_id = started()
    with transaction() as session:
        plans.cancel(session, current(parent_id).id)
    assert row(parent_id).state == "cancelled"


def test_a_retry_while_the_stage_still_stops_does_not_lose_the_pipeline() -> None:
    """Cancel, then retry before the worker has noticed: its stop becomes a hand-back."""
    parent_id = started()
    held = claim(current(parent_id).id)
    with transaction() as session:
        plans.cancel(session, parent_id)
    assert row(held.job_id).cancel_requested
    with transaction() as session:
        plans.retry(session, parent_id)
    with transaction() as session:
        assert interruptions.stop(session, held) == "queued"
    run_stage(parent_id)
    run_stage(parent_id)
    run_stage(parent_id)
    assert row(parent_id).state == "succeeded"


def test_a_stage_that_ended_while_its_parent_was_over_is_not_run_again() -> None:
    parent_id = started()
    held = claim(current(parent_id).id)
    with transaction() as session:
        plans.cancel(session, parent_id)
    succeed(held)  # it was faster than its worker's beat
    assert pipeline(parent_id).anchor_set_id is None
    with transaction() as session:
        plans.retry(session, parent_id)
    assert pipeline(parent_id).anchor_set_id is not None
    assert current(parent_id).kind == "labeling"


def test_a_pipeline_whose_input_vanished_fails_instead_of_hanging() -> None:
    parent_id = started()
    held = claim(current(parent_id).id)
    with transaction() as session:
        pool = parse_spec("pipeline", session.get_one(Job, parent_id).spec).dataset_id
        session.execute(text("DELETE FROM uses WHERE used_id = :id"), {"id": pool})
        session.execute(text("DELETE FROM datasets WHERE id = :id"), {"id": pool})
    with transaction() as session:
        result = add_result(session, "anchor-set", held, {})
        transitions.succeed(session, held, result)
        plans.advance(session, held.job_id)
    assert row(held.job_id).state == "succeeded"
    parent = row(parent_id)
    assert parent.state == "failed"
    assert parent.error is not None
    assert pool in str(parent.error["detail"])


def stored(parent_id: str, role: str) -> dict[str, Any]:
    return next(child.spec for child in children(parent_id) if child.role == role)


def made_by(parent_id: str, role: str) -> str:
    child = next(child for child in children(parent_id) if child.role == role)
    return str((child.result or {})["id"])


def add_anchor_set(spec: dict[str, Any]) -> str:
    with transaction() as session:
        return add_result(session, "anchor-set", Claim("job_x", "anchor-set", 1), spec)["id"]


def test_a_later_round_embeds_labels_and_trains_with_the_source_before_it() -> None:
    parent_id = started(
        rounds=2, anchors={"discover": {"k": 2}, "seed": 7, "fit_on": None}, transfer={"label_budget": 5}
    )
    stages = []
    while (parent := row(parent_id)).state == "running":
        stages.append((parent.stage, parent.progress_done, parent.progress_total))
        run_stage(parent_id)
    roles = [
        "anchors",
        "labeling",
        "model",
        "anchors-2",
        "labeling-2",
        "model-2",
        "scratch",
        "forecast",
        "transfer",
    ]
    assert stages == [(role, done, 9) for done, role in enumerate(roles)]
    first, last = made_by(parent_id, "model"), made_by(parent_id, "model-2")
    again = stored(parent_id, "anchors-2")
    assert again == stored(parent_id, "anchors") | {"embedder": first}
    assert stored(parent_id, "labeling-2")["anchor_set_id"] == made_by(parent_id, "anchors-2")
    assert stored(parent_id, "model-2")["labeling_id"] == made_by(parent_id, "labeling-2")
    assert [stored(parent_id, role)["init_model_id"] for role in ("model", "model-2")] == [None, first]
    assert stored(parent_id, "forecast")["model_ids"] == [last]
    assert stored(parent_id, "transfer")["model_id"] == last
    made = pipeline(parent_id)
    assert made.rounds == [
        {
            "anchor_set_id": made_by(parent_id, "anchors"),
            "labeling_id": made_by(parent_id, "labeling"),
            "model_id": first,
        }
    ]
    assert (made.anchor_set_id, made.model_id) == (made_by(parent_id, "anchors-2"), last)


def test_what_stands_at_the_top_is_the_round_under_way() -> None:
    parent_id = started(rounds=3)
    run_stages(parent_id, 4)
    made = pipeline(parent_id)
    assert (made.anchor_set_id, made.labeling_id, made.model_id) == (
        made_by(parent_id, "anchors-2"),
        None,
        None,
    )
    run_stages(parent_id, 5)
    assert row(parent_id).state == "succeeded"
    sources = [made_by(parent_id, role) for role in ("model", "model-2", "model-3")]
    made = pipeline(parent_id)
    assert [*(r["model_id"] for r in made.rounds), made.model_id] == sources
    assert stored(parent_id, "anchors-3")["embedder"] == sources[1]


def test_given_anchors_keep_names_and_images_in_every_round() -> None:
    with transaction() as session:
        anchors = [{"name": name, "dataset_id": add_dataset(session)} for name in ("a", "b")]
    parent_id = started(rounds=2, anchors={"anchors": anchors, "metric": "hellinger"})
    run_stages(parent_id, 3)
    before, again = stored(parent_id, "anchors"), stored(parent_id, "anchors-2")
    assert again == before | {"embedder": made_by(parent_id, "model")}
    assert len(again["fit_on"]) == 3  # what the metric is fitted on: the pool and the anchors


def test_an_anchor_set_of_before_is_made_again_in_the_new_embedding() -> None:
    with transaction() as session:
        other = add_dataset(session)
    discover = {"dataset_id": other, "k": 2, "names": ["left", "right"]}
    known = add_anchor_set({"discover": discover, "metric": "hellinger", "fit_on": [other], "seed": 3})
    parent_id = started(rounds=2, anchors={"anchor_set_id": known})
    assert current(parent_id).role == "labeling"
    assert row(parent_id).progress_done == 1
    run_stages(parent_id, 2)
    again = stored(parent_id, "anchors-2")
    assert again["discover"] == discover
    assert (again["metric"], again["seed"], again["fit_on"]) == ("hellinger", 3, None)
    assert again["embedder"] == made_by(parent_id, "model")
    run_stages(parent_id, 3)
    assert row(parent_id).state == "succeeded"
    assert pipeline(parent_id).rounds[0]["anchor_set_id"] == known
    assert pipeline(parent_id).anchor_set_id == made_by(parent_id, "anchors-2")


@pytest.mark.parametrize("of", ["parent", "child"])
def test_a_failure_in_the_second_round_is_told_and_retried_there(of: str) -> None:
    parent_id = started(rounds=2)
    before = run_stages(parent_id, 3)
    stage = current(parent_id)
    fail(claim(stage.id))
    parent = row(parent_id)
    assert parent.state == "failed"
    assert "`anchors-2`" in str((parent.error or {})["detail"])
    assert (parent.error or {})["errors"] == [{"pointer": "#/anchors/discover/k"}]
    with transaction() as session:
        plans.retry(session, parent_id if of == "parent" else stage.id)
    assert row(stage.id).state == "queued"
    assert all(row(child.id).state == "succeeded" for child in before)
    run_stages(parent_id, 3)
    assert row(parent_id).state == "succeeded"
    assert len(children(parent_id)) == 6


def test_a_round_that_ended_while_its_parent_was_cancelled_is_not_run_again() -> None:
    parent_id = started(rounds=2)
    run_stages(parent_id, 2)
    held = claim(current(parent_id).id)
    with transaction() as session:
        plans.cancel(session, parent_id)
    succeed(held)
    assert (pipeline(parent_id).model_id, pipeline(parent_id).rounds) == (None, [])
    with transaction() as session:
        plans.retry(session, parent_id)
    assert pipeline(parent_id).rounds[0]["model_id"] == made_by(parent_id, "model")
    assert current(parent_id).role == "anchors-2"
    assert row(parent_id).progress_done == 3


def test_a_cancel_in_the_second_round_keeps_the_first() -> None:
    parent_id = started(rounds=2)
    run_stages(parent_id, 4)
    with transaction() as session:
        plans.cancel(session, parent_id)
    assert [child.state for child in children(parent_id)] == ["succeeded"] * 4 + ["cancelled"]
    assert len(pipeline(parent_id).rounds) == 1
    with transaction() as session:
        plans.retry(session, parent_id)
    run_stages(parent_id, 2)
    assert row(parent_id).state == "succeeded"
    assert len(pipeline(parent_id).rounds) == 1


def test_a_result_that_was_deleted_between_fails_the_retry_with_its_id() -> None:
    parent_id = started(rounds=2)
    run_stages(parent_id, 3)
    anchors = run_stage(parent_id)
    with transaction() as session:
        plans.cancel(session, parent_id)
        gone = str((session.get_one(Job, anchors.id).result or {})["id"])
        session.execute(text("DELETE FROM anchor_sets WHERE id = :id"), {"id": gone})
    with pytest.raises(InvalidRequestError, match=gone), transaction() as session:
        plans.retry(session, parent_id)
    assert row(parent_id).state == "cancelled"
