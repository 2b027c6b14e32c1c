"""What commands send, print, and exit with."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.g2l.cli.conftest import Run
from tests.g2l.client.scripted import Answer, Scripted, Seen, as_json, problem


def job(kind: str, state: str = "succeeded", **more: Any) -> dict[str, Any]:
    prefix = {"labeling": "lab", "model": "mdl", "transfer": "trf", "forecast": "fct", "anchor-set": "anc"}
    id_ = f"{prefix.get(kind, 'ds')}_1"
    made = {"kind": kind, "id": id_, "href": f"/made/{id_}"}
    return {"id": "job_1", "kind": kind, "state": state, "result": made, "spec": {}, **more}


def making(kind: str, resource: dict[str, Any]) -> Any:
    """A service whose jobs of a kind succeed at once."""

    def answer(seen: Seen) -> Answer:
        if seen.method == "POST":
            return as_json(job(kind, "queued", result=None), 202)
        return as_json(job(kind) if seen.path.startswith("/v1/jobs/") else resource)

    return answer


@pytest.mark.parametrize(
    ("words", "kind", "path", "body"),
    [
        (
            ["label", "create", "ds_1", "anc_1", "--length", "3", "--prefer", "near", "--unordered"],
            "labeling",
            "/v1/labelings",
            {"dataset_id": "ds_1", "anchor_set_id": "anc_1", "length": 3, "prefer": "near", "ordered": False},
        ),
        (
            ["label", "k-means", "ds_1", "--classes", "14"],
            "labeling",
            "/v1/labelings",
            {"method": "k-means", "dataset_id": "ds_1", "n_classes": 14},
        ),
        (
            ["label", "shuffle", "lab_0", "--seed", "7"],
            "labeling",
            "/v1/labelings",
            {"method": "shuffled", "labeling_id": "lab_0", "seed": 7},
        ),
        (
            ["pretrain", "create", "lab_0", "--epochs", "4"],
            "model",
            "/v1/models",
            {"labeling_id": "lab_0", "epochs": 4},
        ),
        (
            ["pretrain", "create", "ds_1", "--name", "human"],
            "model",
            "/v1/models",
            {"objective": "human-labels", "dataset_id": "ds_1", "name": "human"},
        ),
        (
            ["transfer", "create", "ds_2", "--model", "mdl_0", "--label-budget", "10"],
            "transfer",
            "/v1/transfers",
            {"dataset_id": "ds_2", "model_id": "mdl_0", "label_budget": 10},
        ),
        (
            ["forecast", "create", "ds_2", "mdl_0", "mdl_1"],
            "forecast",
            "/v1/forecasts",
            {"dataset_id": "ds_2", "model_ids": ["mdl_0", "mdl_1"]},
        ),
        (
            ["anchors", "create", "--discover", "ds_1", "--k", "14", "--metric", "hellinger"],
            "anchor-set",
            "/v1/anchor-sets",
            {"discover": {"dataset_id": "ds_1", "k": 14}, "metric": "hellinger"},
        ),
        (
            ["anchors", "create", "--labelled", "ds_1", "--label-budget", "5", "--seed", "3"],
            "anchor-set",
            "/v1/anchor-sets",
            {"labelled": {"dataset_id": "ds_1", "label_budget": 5, "seed": 3}, "seed": 3},
        ),
        (
            ["anchors", "create", "--anchor", "greek=ds_1:Greek", "--anchor", "all=ds_2"],
            "anchor-set",
            "/v1/anchor-sets",
            {
                "anchors": [
                    {"name": "greek", "dataset_id": "ds_1", "class": "Greek"},
                    {"name": "all", "dataset_id": "ds_2"},
                ]
            },
        ),
        (
            ["datasets", "create", "file:///data/pool.zip", "--name", "pool"],
            "dataset",
            "/v1/datasets",
            {"name": "pool", "uri": "file:///data/pool.zip"},
        ),
    ],
)
def test_only_what_was_given_is_sent(
    g2l: Run, service: Scripted, words: list[str], kind: str, path: str, body: dict[str, Any]
) -> None:
    service.answer = making(kind, {"id": "made"})
    done = g2l(*words, "--json")
    assert done.exit_code == 0, done.output
    assert (service.seen[0].path, service.seen[0].json()) == (path, body)
    assert json.loads(done.stdout) == {"id": "made"}
    assert f"{kind}: done" in done.stderr or kind in ("model", "anchor-set", "transfer")


def test_no_wait_prints_the_job(g2l: Run, service: Scripted) -> None:
    service.answer = making("labeling", {})
    done = g2l("label", "create", "ds_1", "anc_1", "--no-wait")
    assert done.stdout.splitlines() == ["id     job_1", "kind   labeling", "state  queued"]
    assert len(service.seen) == 1


def test_a_folder_is_uploaded_with_its_progress_on_stderr(
    g2l: Run, service: Scripted, tmp_path: Path
) -> None:
    (tmp_path / "1.png").write_bytes(b"x" * 5000)
    service.answer = making("dataset", {"id": "ds_1"})
    done = g2l("datasets", "create", str(tmp_path), "--name", "pool", "--json")
    assert json.loads(done.stdout) == {"id": "ds_1"}
    assert f"upload {tmp_path.name}: " in done.stderr


def test_lists_without_a_terminal_are_plain(g2l: Run, service: Scripted) -> None:
    items = [
        {
            "id": "ds_2",
            "name": "two",
            "n_items": 2,
            "n_rejected": 0,
            "channels": 3,
            "created_at": "2026-01-01",
        },
        {
            "id": "ds_1",
            "name": None,
            "n_items": 1,
            "n_rejected": 0,
            "channels": 1,
            "created_at": "2025-01-01",
        },
    ]
    service.in_turn(as_json({"items": items, "next_cursor": None}))
    assert g2l("datasets", "list").stdout == (
        "ds_2\ttwo\t2\t0\t3\t2026-01-01\nds_1\t-\t1\t0\t1\t2025-01-01\n"
    )
    assert json.loads(g2l("datasets", "list", "--json", "--limit", "1").stdout) == {"items": items[:1]}


def test_show_and_delete(g2l: Run, service: Scripted) -> None:
    service.in_turn(as_json({"id": "mdl_1", "metrics": {"a": 1}, "third_party_weights": False}))
    assert g2l("models", "show", "mdl_1").stdout.splitlines() == [
        "id                   mdl_1",
        'metrics              {"a": 1}',
        "third_party_weights  no",
    ]
    service.in_turn(Answer(status=204))
    assert json.loads(g2l("models", "delete", "mdl_1", "mdl_2", "--json").stdout) == {
        "deleted": ["mdl_1", "mdl_2"]
    }
    assert [seen.method for seen in service.seen] == ["GET", "DELETE", "DELETE"]


def test_a_dataset_says_what_it_is_like(g2l: Run, service: Scripted) -> None:
    nearest = [{"name": "texture", "squared_distance": 0.0126}, {"name": "plant", "squared_distance": 0.5}]
    label = {"anchor_set_id": "anc_1", "label": "texture-plant", "margin": 0.19, "anchors": nearest}
    service.in_turn(
        as_json({"id": "ds_1", "pseudo_label": label}), as_json({"id": "ds_1", "pseudo_label": None})
    )
    assert g2l("datasets", "show", "ds_1", "--anchor-set", "anc_1").stdout.splitlines() == [
        "id  ds_1",
        "",
        "like texture-plant (margin 0.19) under anc_1",
        "texture\t0.0126",
        "plant\t0.5",
    ]
    assert g2l("datasets", "show", "ds_1").stdout == "id  ds_1\n"
    assert [seen.path for seen in service.seen] == [
        "/v1/datasets/ds_1?anchor_set_id=anc_1",
        "/v1/datasets/ds_1",
    ]


def test_jobs_are_filtered(g2l: Run, service: Scripted) -> None:
    service.in_turn(as_json({"items": [job("model", "running")], "next_cursor": None}))
    done = g2l("jobs", "list", "--state", "running", "--parent", "job_0")
    assert done.stdout.startswith("job_1\tmodel\trunning\t")
    assert service.seen[0].path == "/v1/jobs?limit=50&state=running&parent_id=job_0"


def test_logs_and_events(g2l: Run, service: Scripted) -> None:
    service.in_turn(Answer("Läuft\n".encode(), headers={"Content-Type": "text/plain; charset=utf-8"}))
    assert g2l("jobs", "logs", "job_1").stdout == "Läuft\n"
    service.in_turn(Answer(b'id: 3\nevent: state\ndata: {"state": "succeeded"}\n\n'))
    done = g2l("jobs", "events", "job_1", "--after", "2", "--json")
    assert json.loads(done.stdout) == {"id": "3", "type": "state", "data": {"state": "succeeded"}}
    assert service.seen[-1].headers["last-event-id"] == "2"


def test_logs_are_followed_to_the_end_of_the_job(g2l: Run, service: Scripted) -> None:
    def answer(seen: Seen) -> Answer:
        if seen.path.endswith("/logs?follow=true"):
            return Answer(b"one\ntwo\n")
        return as_json(job("model", "succeeded"))

    service.answer = answer
    assert g2l("jobs", "logs", "job_1", "--follow").stdout == "one\ntwo\n"
    lines = g2l("jobs", "logs", "job_1", "-f", "--json").stdout.splitlines()
    assert [json.loads(line) for line in lines] == [{"line": "one"}, {"line": "two"}]


def estimated(*seconds: float | None) -> dict[str, Any]:
    def span(value: float | None) -> Any:
        return None if value is None else {"value": value, "low": value / 2, "high": value * 2}

    stages = [
        {
            "role": role,
            "kind": role,
            "round": 1,
            "images": 3000,
            "epochs": epochs,
            "images_per_second": None if value is None else 400.0,
            "expected_seconds": span(value),
            "basis": "unknown" if value is None else "measured here",
        }
        for role, epochs, value in zip(("labeling", "model"), (None, 6), seconds, strict=True)
    ]
    known = [value for value in seconds if value is not None]
    return {"stages": stages, "expected_seconds": span(sum(known)) if len(known) == 2 else None}


def test_a_dry_run_says_what_a_run_would_take(g2l: Run, service: Scripted) -> None:
    service.in_turn(as_json(estimated(8.0, 100.0)))
    done = g2l("run", "ds_1", "--rounds", "2", "--epochs", "6", "--dry-run")
    assert done.stdout.splitlines() == [
        "labeling\t3000\t-\t400\t8.0 s (4.0 s to 16 s)\tmeasured here",
        "model\t3000\t6\t400\t1 min 40 s (50 s to 3 min 20 s)\tmeasured here",
        "",
        "all together: 1 min 48 s (54 s to 3 min 36 s)",
    ]
    assert service.seen[0].path == "/v1/pipelines?dry_run=true"
    sent = {"dataset_id": "ds_1", "name": "ds_1", "rounds": 2, "model": {"name": "ds_1", "epochs": 6}}
    assert service.seen[0].json() == sent
    assert len(service.seen) == 1
    words = ["run", "ds_1", "--target", "ds_2", "--label-budget", "5", "--target-anchors", "--dry-run"]
    service.in_turn(as_json(estimated(8.0, 100.0)))
    assert g2l(*words).exit_code == 0
    sent = {"anchors": {"labelled": {}}, "transfer": {"dataset_id": "ds_2", "label_budget": 5}}
    assert service.seen[1].json() == {"dataset_id": "ds_1", "name": "ds_1", "model": {"name": "ds_1"}} | sent
    service.in_turn(as_json(estimated(8.0, None)))
    assert "all together: unknown" in g2l("run", "ds_1", "--dry-run").stdout
    assert json.loads(g2l("run", "ds_1", "--dry-run", "--json").stdout) == estimated(8.0, None)
    assert g2l("run", "job_1", "--dry-run").exit_code == 2


def test_labels_go_to_stdout_or_to_a_file(g2l: Run, service: Scripted, tmp_path: Path) -> None:
    service.in_turn(Answer('{"label": "é"}\n'.encode()))
    assert g2l("label", "labels", "lab_1").stdout == '{"label": "é"}\n'
    assert g2l("label", "labels", "lab_1", "--out", str(tmp_path / "x.parquet")).exit_code == 0
    assert service.seen[-1].path.endswith("?format=parquet")
    assert g2l("label", "labels", "lab_1", "--out", "labels.xlsx").exit_code == 2


def test_a_refusal_ends_with_1_and_names_the_field(g2l: Run, service: Scripted) -> None:
    errors = [{"pointer": "#/length", "detail": "at most 16"}]
    service.in_turn(problem(422, "invalid-request", "One field cannot be used.", errors=errors))
    done = g2l("label", "create", "ds_1", "anc_1", "--length", "99")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "error: invalid-request: One field cannot be used.\n  at #/length: at most 16\n"
    assert g2l("label", "create", "ds_1", "anc_1", "--length", "many").exit_code == 2
    done = g2l("label", "create", "ds_1", "anc_1", "--length", "99", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout) == {
        "type": "/problems/invalid-request",
        "title": "invalid-request",
        "status": 422,
        "detail": "One field cannot be used.",
        "errors": errors,
    }


def test_a_failed_job_ends_with_1_and_its_reason(g2l: Run, service: Scripted) -> None:
    error = {"type": "/problems/no-images", "title": "No images", "detail": "0 of 3 could be read"}
    service.in_turn(as_json(job("dataset", "failed", error=error)))
    done = g2l("jobs", "wait", "job_1")
    assert done.exit_code == 1
    assert done.stderr.endswith("error: No images: 0 of 3 could be read\n")


def test_a_job_that_lost_its_worker_can_be_tried_again(g2l: Run, service: Scripted) -> None:
    error = {"type": "/problems/worker-lost", "title": "Lost", "detail": "3 times"}
    service.in_turn(as_json(job("model", "failed", error=error)))
    assert "g2l jobs retry job_1" in g2l("jobs", "wait", "job_1").stderr


def test_a_missing_key_ends_with_a_hint(g2l: Run, service: Scripted) -> None:
    service.in_turn(problem(401, "unauthenticated"))
    done = g2l("jobs", "list")
    assert done.exit_code == 1
    assert "hint: show a key with --api-key or G2L_API_KEY" in done.stderr


def test_a_file_that_cannot_be_written_is_told(g2l: Run, service: Scripted, tmp_path: Path) -> None:
    service.in_turn(Answer(b"x"))
    (tmp_path / "file").touch()
    done = g2l("label", "labels", "lab_1", "--out", str(tmp_path / "file" / "labels.csv"))
    assert done.exit_code == 1
    assert "A file cannot be used" in done.stderr


def test_nobody_there_ends_with_3_and_a_hint(g2l: Run) -> None:
    done = g2l("jobs", "list", "--url", "http://127.0.0.1:1", "--json")
    assert done.exit_code == 3
    assert json.loads(done.stdout)["type"] == "/problems/unreachable"
    assert "g2l serve" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["anchors", "create"],
        ["anchors", "create", "--anchor", "a=ds_1", "--discover", "ds_1"],
        ["anchors", "create", "--labelled", "ds_1", "--discover", "ds_1"],
        ["anchors", "create", "--discover", "ds_1", "--label-budget", "5"],
        ["anchors", "create", "--anchor", "greek"],
        ["anchors", "create", "--anchor", "greek=nowhere"],
        ["datasets", "create", "nowhere.zip"],
        ["label", "create", "ds_1"],
        ["nonsense"],
    ],
)
def test_wrong_usage_ends_with_2(g2l: Run, service: Scripted, words: list[str]) -> None:
    assert g2l(*words).exit_code == 2
    assert service.seen == []


def test_the_key_is_shown(g2l: Run, service: Scripted) -> None:
    service.in_turn(as_json({"items": [], "next_cursor": None}))
    g2l("jobs", "list", "--api-key", "g2l_secret")
    assert service.seen[0].headers["authorization"] == "Bearer g2l_secret"


def test_help_names_the_operators_commands_too(g2l: Run) -> None:
    words = g2l("--help").stdout
    assert all(name in words for name in ("run", "datasets", "serve", "db", "keys", "Exit codes"))


def test_version(g2l: Run) -> None:
    assert g2l("--version").stdout.startswith("g2l 0.")


def test_a_forecast_shows_its_best_source_first(g2l: Run, service: Scripted) -> None:
    expected = {"value": 0.5, "low": 0.25, "high": 0.75, "level": 0.9}
    figures = {"scores": {"knn": 0.5, "leep": None}, "divergences": None, "expected_accuracy": expected}
    sources = [{"model_id": f"mdl_{rank}", "rank": rank, **figures} for rank in (2, 1)]
    service.answer = making("forecast", {"id": "fct_1", "calibrated": True, "sources": sources})
    shown = g2l("forecast", "show", "fct_1").stdout.splitlines()
    assert [line.split() for line in shown if line.startswith("model_id")] == [
        ["model_id", "mdl_1"],
        ["model_id", "mdl_2"],
    ]
    assert "scores             knn 0.5, leep -" in shown
    assert "expected_accuracy  50.0% (25.0% to 75.0% at 90%)" in shown
