"""A study asks for all that can be done, goes on past what failed, and does nothing twice."""

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core.db.jobs import Job
from core.db.resources import RESOURCE_TABLES, Labeling, Model, Study, StudyPart, Transfer
from core.db.session import transaction
from core.errors import InvalidRequestError
from core.ids import new_id
from core.jobs import plans, study_plan, transitions
from core.jobs.transitions import Claim
from core.specs.studies import StudySpec
from core.specs.transfers import TransferSpec
from tests.fixtures.rows import ARTIFACT, add_dataset, add_result

pytestmark = pytest.mark.usefixtures("database")
G2L = {"name": "g2l", "anchors": {"discover": {"k": 2}}}
HUMAN = {"name": "human", "model": {"objective": "human-labels"}}


def dataset() -> str:
    with transaction() as session:
        return add_dataset(session)


def started(*sources: Any, **fields: Any) -> str:
    asked = {"pool": dataset(), "targets": [dataset()], "seeds": [0, 1], "sources": list(sources)}
    with transaction() as session:
        parent = transitions.submit(session, "study", StudySpec.model_validate(asked | fields))
        plans.begin(session, parent)
        return parent.id


def row(job_id: str) -> Job:
    with transaction() as session:
        return session.get_one(Job, job_id)


def children(parent_id: str, *, state: str | None = None) -> list[Job]:
    with transaction() as session:
        found = session.scalars(select(Job).where(Job.parent_id == parent_id).order_by(Job.id))
        return [child for child in found if state is None or child.state == state]


def kinds(parent_id: str, state: str = "queued") -> list[str]:
    return sorted(child.kind for child in children(parent_id, state=state))


def claim(job: Job) -> Claim:
    with transaction() as session:
        held = transitions.claim(session, job.id, "worker", 30)
    assert held is not None
    return held


def succeed(held: Claim, **values: Any) -> None:
    with transaction() as session:
        spec = dict(session.get_one(Job, held.job_id).spec)
        if held.kind == "report":
            id_ = new_id("std")
            study = {"complete": True, "n_transfers": 0, "baseline": "g2l", "results": {}}
            session.add(Study(id=id_, job_id="x", spec={}, artifact=ARTIFACT, **study))
            session.flush()
            result = {"kind": "study", "id": id_, "href": f"/v1/studies/{id_}"}
        else:
            result = _made(session, held, spec)
        for name, value in values.items():
            setattr(session.get_one(Model, result["id"]), name, value)
        transitions.succeed(session, held, result)
        plans.advance(session, held.job_id)


def _made(session: Session, held: Claim, spec: dict[str, Any]) -> dict[str, str]:
    more: dict[str, Any] = {}
    if held.kind == "transfer":
        more = {"base_model_id": add_result(session, "model", held, spec)["id"]}
    elif spec.get("method") == "shuffled":
        shuffled = session.get_one(Labeling, spec["labeling_id"])
        more = {"dataset_id": shuffled.dataset_id, "anchor_set_id": None}
    result = add_result(session, held.kind, held, spec | more)
    session.get_one(RESOURCE_TABLES[result["id"][:3]], result["id"]).spec = spec
    return result


def fail(held: Claim) -> None:
    with transaction() as session:
        error = {"code": "too-few-images", "title": "t", "detail": "too dark", "errors": []}
        transitions.fail(session, held, error)
        plans.advance(session, held.job_id)


def run(parent_id: str, *kinds_: str) -> None:
    """All that is queued of these kinds, or all there is until the end."""
    while waiting := [c for c in children(parent_id, state="queued") if not kinds_ or c.kind in kinds_]:
        for child in waiting:
            succeed(claim(child))


def test_all_that_can_be_done_is_asked_for_at_once() -> None:
    parent_id = started(None, G2L, HUMAN, pretraining_seeds=[0, 1])
    assert kinds(parent_id) == ["anchor-set", "model", "model", "transfer", "transfer"]
    run(parent_id, "anchor-set", "labeling")
    assert kinds(parent_id) == ["model"] * 4 + ["transfer"] * 2
    succeed(claim(next(child for child in children(parent_id, state="queued") if child.kind == "model")))
    assert kinds(parent_id) == ["model"] * 3 + ["transfer"] * 4
    assert (row(parent_id).stage, row(parent_id).progress_total) == ("sources", 10)
    run(parent_id)
    parent = row(parent_id)
    assert parent.state == "succeeded"
    assert (parent.result or {})["kind"] == "study"
    assert (parent.progress_done, parent.stage) == (10, "report")
    assert kinds(parent_id, "succeeded").count("transfer") == 10


def test_sources_that_share_parts_share_their_jobs() -> None:
    soft = {**G2L, "name": "soft", "model": {"targets": "soft"}}
    hard = {**G2L, "name": "hard", "model": {"targets": "hard"}}
    longer = {**G2L, "name": "longer", "labeling": {"length": 1}, "model": {"targets": "soft"}}
    again = {**soft, "name": "soft again"}
    parent_id = started(soft, hard, longer, again, {**again, "name": "probe", "method": "linear-probe"})
    run(parent_id)
    made = kinds(parent_id, "succeeded")
    assert [made.count(kind) for kind in ("anchor-set", "labeling", "model", "transfer")] == [1, 2, 3, 8]


def test_a_source_may_stand_on_another() -> None:
    sources = [
        G2L,
        {"name": "shuffled", "labeling": {"method": "shuffled", "labeling_id": "source:g2l"}, "model": {}},
        {"name": "second round", "anchors": {"embedder": "source:g2l", "discover": {"k": 2}}},
        {"name": "on top", "model": {"objective": "human-labels", "init_model_id": "source:g2l"}},
    ]
    parent_id = started(*sources, pretraining_seeds=[3, 4])
    assert kinds(parent_id) == ["anchor-set"]
    run(parent_id, "anchor-set", "labeling", "model")
    with transaction() as session:
        models = {model.id: model for model in session.scalars(select(Model))}
        shuffled = session.scalars(
            select(Job).where(Job.parent_id == parent_id, Job.kind == "labeling").order_by(Job.id)
        ).all()
        assert [job.spec["labeling_id"] for job in shuffled if job.spec["method"] == "shuffled"] == [
            (job.result or {})["id"] for job in shuffled if job.spec["method"] == "geometry"
        ][:1]
    tops = [c for c in children(parent_id) if c.kind == "model" and c.spec["objective"] == "human-labels"]
    assert [(top.spec["seed"], models[top.spec["init_model_id"]].spec["seed"]) for top in tops] == [
        (3, 3),
        (4, 4),
    ]


def test_what_stands_on_two_sources_at_every_step_does_not_double() -> None:
    sources: list[dict[str, Any]] = [HUMAN, HUMAN | {"name": "0"}]
    for number in range(1, 60):
        below = [f"source:{sources[-1]['name']}", f"source:{sources[-2]['name']}"]
        labelings = [{"anchors": {"embedder": name, "discover": {"k": 2}}} for name in below]
        sources.append({"name": str(number), "labelings": labelings, "model": {"init_model_id": below[0]}})
    parent_id = started(*sources)
    assert kinds(parent_id) == ["model"]  # human labels, twice the same
    run(parent_id, "model")
    assert kinds(parent_id) == ["anchor-set", "transfer", "transfer"]


def test_a_source_on_target_pools_is_trained_for_each_target_on_its_own() -> None:
    targets, pools = [dataset(), dataset()], [dataset(), dataset()]
    tuned = {**G2L, "name": "tuned", "on_target_pools": True, "model": {"init_model_id": "source:human"}}
    onward = {"objective": "self-supervised", "init_model_id": "source:tuned"}
    further = {"name": "further", "on_target_pools": True, "model": onward}
    parent_id = started(
        HUMAN, tuned, further, targets=targets, target_pools=pools, seeds=[0], pretraining_seeds=[0, 1]
    )
    assert kinds(parent_id) == ["anchor-set", "anchor-set", "model", "model"]
    run(parent_id)
    assert row(parent_id).state == "succeeded"
    with transaction() as session:
        models = {model.id: model for model in session.scalars(select(Model))}
        labelled = {labeling.id: labeling.dataset_id for labeling in session.scalars(select(Labeling))}
    used = [child.spec for child in children(parent_id) if child.kind == "transfer"]
    assert len(used) == 12
    for spec in used:
        source = models[spec["model_id"]].spec
        if source["objective"] == "self-supervised":
            assert source["dataset_id"] == pools[targets.index(spec["dataset_id"])]
            below = models[source["init_model_id"]].spec
            assert below["seed"] == source["seed"]
            assert labelled[below["labeling_id"]] == source["dataset_id"]
        elif source["objective"] == "pseudo-labels":
            assert labelled[source["labeling_id"]] == pools[targets.index(spec["dataset_id"])]
            assert models[source["init_model_id"]].spec["objective"] == "human-labels"


def test_a_failed_source_stops_nothing_but_itself() -> None:
    parent_id = started(None, G2L, HUMAN)
    broken = next(child for child in children(parent_id) if child.kind == "anchor-set")
    fail(claim(broken))
    assert row(parent_id).state == "running"
    run(parent_id)
    parent = row(parent_id)
    assert parent.state == "failed"
    assert "anchor-set of g2l" in str((parent.error or {})["detail"])
    assert "too dark" in str((parent.error or {})["detail"])
    assert (parent.result or {})["kind"] == "study"  # what there is was reported
    assert kinds(parent_id, "succeeded").count("transfer") == 4
    with transaction() as session:
        plans.retry(session, parent_id)
    assert kinds(parent_id) == ["anchor-set"]
    run(parent_id)
    assert row(parent_id).state == "succeeded"
    assert row(parent_id).error is None
    assert kinds(parent_id, "succeeded").count("transfer") == 6
    assert kinds(parent_id, "succeeded").count("report") == 2


def test_the_retry_of_a_failed_child_goes_on_with_the_study() -> None:
    parent_id = started(None, HUMAN)
    model = next(child for child in children(parent_id) if child.kind == "model")
    fail(claim(model))
    run(parent_id)
    assert row(parent_id).state == "failed"
    with transaction() as session:
        plans.retry(session, model.id)
    assert row(parent_id).state == "running"
    run(parent_id)
    assert row(parent_id).state == "succeeded"


def test_a_report_that_something_was_retried_under_is_not_the_last() -> None:
    parent_id = started(None, HUMAN)
    model = next(child for child in children(parent_id) if child.kind == "model")
    fail(claim(model))
    run(parent_id, "transfer")
    first = claim(next(child for child in children(parent_id, state="queued") if child.kind == "report"))
    with transaction() as session:
        plans.retry(session, model.id)
    run(parent_id, "model", "transfer")
    second = claim(next(child for child in children(parent_id, state="queued") if child.kind == "report"))
    assert row(first.job_id).cancel_requested
    succeed(first)  # it was faster than its worker's beat
    assert row(parent_id).state == "running"
    succeed(second)
    assert row(parent_id).state == "succeeded"
    assert row(parent_id).result == row(second.job_id).result


def test_nothing_measured_is_a_failure_without_a_report() -> None:
    parent_id = started(HUMAN)
    fail(claim(children(parent_id)[0]))
    parent = row(parent_id)
    assert (parent.state, parent.result) == ("failed", None)
    assert [child.kind for child in children(parent_id)] == ["model"]


def test_cancel_ends_all_children_and_a_retry_goes_on() -> None:
    parent_id = started(None, HUMAN)
    model, *_ = [child for child in children(parent_id) if child.kind == "model"]
    held = claim(model)
    with transaction() as session:
        plans.cancel(session, parent_id)
    assert row(parent_id).state == "cancelled"
    assert {child.state for child in children(parent_id)} == {"cancelled", "running"}
    succeed(held)  # it was faster than its worker's beat
    assert row(parent_id).state == "cancelled"
    with transaction() as session:
        plans.retry(session, parent_id)
    assert kinds(parent_id) == ["transfer"] * 4
    run(parent_id)
    assert row(parent_id).state == "succeeded"


def test_a_study_of_more_targets_takes_what_an_earlier_one_made() -> None:
    pool, first, second = dataset(), dataset(), dataset()
    run(started(None, {**G2L, "model": {"name": "a"}}, pool=pool, targets=[first]))
    parent_id = started(G2L, None, HUMAN, pool=pool, targets=[first, second])
    assert kinds(parent_id) == ["model"] + ["transfer"] * 4  # on the second target; human labels are new
    assert row(parent_id).progress_done == 4
    run(parent_id)
    assert kinds(parent_id, "succeeded").count("transfer") == 8
    with transaction() as session:
        assert len(session.scalars(select(StudyPart).where(StudyPart.job_id == parent_id)).all()) == 16


def test_a_transfer_that_was_asked_for_by_itself_counts_too() -> None:
    pool, target = dataset(), dataset()
    alone = TransferSpec(dataset_id=target, label_budget=10, image_size=32)
    with transaction() as session:
        made = add_result(session, "model", Claim("job_x", "transfer", 1), {})["id"]
        spec = alone.model_dump(mode="json")
        id_ = add_result(session, "transfer", Claim("job_x", "transfer", 1), spec | {"base_model_id": made})[
            "id"
        ]
        session.get_one(Transfer, id_).spec = spec
    parent_id = started(None, pool=pool, targets=[target], seeds=[0])
    assert [child.kind for child in children(parent_id)] == ["report"]


def test_what_a_study_stands_on_is_kept_while_it_runs() -> None:
    parent_id = started(G2L)
    run(parent_id, "anchor-set", "labeling")
    with transaction() as session:
        labeling = session.scalars(select(Labeling).order_by(Labeling.id.desc())).first()
        assert labeling is not None
        users = session.execute(select(StudyPart.role).where(StudyPart.resource_id == labeling.id)).all()
        assert len(users) == 1


def test_a_deleted_part_refuses_the_retry() -> None:
    parent_id = started(HUMAN)
    succeed(claim(children(parent_id)[0]))
    for child in children(parent_id, state="queued"):
        fail(claim(child))
    assert row(parent_id).state == "failed"
    with transaction() as session:
        gone = session.scalars(select(StudyPart.resource_id).where(StudyPart.job_id == parent_id)).one()
        session.delete(session.get_one(Model, gone))
    with pytest.raises(InvalidRequestError, match=gone), transaction() as session:
        plans.retry(session, parent_id)
    assert row(parent_id).state == "failed"


def test_a_sweep_is_decided_by_the_held_out_loss_and_once() -> None:
    parent_id = started(HUMAN, pretraining_seeds=[0, 1], model={"learning_rates": [0.1, 0.01, 0.001]})
    losses = {0.1: 2.0, 0.01: 0.5, 0.001: 1.0}
    assert kinds(parent_id) == ["model"] * 3
    for child in children(parent_id):
        history = [{"loss": 0.0, "held_out_loss": losses[child.spec["learning_rate"]]}]
        succeed(claim(child), metrics={"history": history})
    (second,) = [c for c in children(parent_id, state="queued") if c.kind == "model"]
    assert (second.spec["seed"], second.spec["learning_rate"]) == (1, 0.01)
    run(parent_id)
    used = {c.spec["model_id"] for c in children(parent_id) if c.kind == "transfer"}
    assert len(used) == 2


def test_no_more_than_a_window_is_unfinished_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_plan, "WINDOW", 3)
    parent_id = started(None, seeds=list(range(8)))
    seen = []
    while waiting := children(parent_id, state="queued"):
        seen.append(len(waiting))
        succeed(claim(waiting[0]))
    assert seen == [3, 3, 3, 3, 3, 3, 2, 1, 1]
    assert row(parent_id).state == "succeeded"
