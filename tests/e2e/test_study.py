"""A study by a real worker: in parallel where it can be, past what fails, and nothing twice."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from typer.testing import CliRunner

from g2l.cli.main import build
from g2l.client import Client, JobFailedError
from g2l.client.requests import StudySource
from tests.e2e.test_cli import write_images
from tests.fixtures.service import RunningService

POOL = f"pool-{uuid4()}"  # the session's service has other pools
BROKEN: StudySource = {
    "name": "broken",
    "model": {"objective": "human-labels", "learning_rate": 10, "batch_size": 4},
}
SOURCES: list[StudySource | str | None] = [
    None,
    {"name": "human", "model": {"objective": "human-labels"}},
    {"name": "g2l", "anchors": {"discover": {"k": 3}}, "labeling": {"length": 1}},
]


def request(client: Client, folder: Path) -> Any:
    """Two targets, two seeds, everything small."""
    ids = []
    for name, count, classes in ((POOL, 60, 4), ("two", 30, 2), ("three", 36, 3)):
        job = client.datasets.upload(write_images(folder / name, count, classes=classes))
        ids.append(job.wait().resource().id)
    return {
        "pool": ids[0],
        "targets": ids[1:],
        "seeds": [0, 1],
        "label_budgets": [4],
        "model": {"epochs": 1, "image_size": 16, "batch_size": 16},
        "transfer": {"epochs": 1, "learning_rate": 0.003},
    }


@pytest.fixture
def command(service: RunningService) -> Callable[..., str]:
    """`g2l study …`, and what it prints."""

    def run(*words: str) -> str:
        done = CliRunner().invoke(build(), ["study", *words, "--url", service.url])
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


@pytest.mark.e2e
@pytest.mark.slow
def test_a_study_goes_on_past_what_fails_and_does_nothing_twice(
    service: RunningService, tmp_path: Path, command: Callable[..., str]
) -> None:
    with Client(service.url) as client:
        asked = request(client, tmp_path)
        job = client.studies.create(name="small", sources=[*SOURCES, BROKEN], baseline="human", **asked)
        with pytest.raises(JobFailedError, match="model of broken"):
            job.wait()
        partial = job.refresh().resource()
        assert (partial.complete, partial.n_transfers, len(partial.missing)) == (False, 12, 4)
        assert {cell.source for cell in partial.missing} == {"broken"}

        again = client.studies.create(name="small", sources=SOURCES, baseline="human", **asked).wait()
        kinds = [client.jobs.get(id_).kind for id_ in again.children]
        assert kinds == ["report"]  # all else was there
        study = again.resource()
        assert (study.complete, study.n_transfers) == (True, 12)
        assert [source.name for source in study.sources] == ["scratch", "human", "g2l"]
        ahead = {(row.source, row.target): row for row in study.differences}
        assert set(ahead) == {(s, t) for s in ("scratch", "g2l") for t in (None, *asked["targets"])}
        assert (ahead["g2l", None].n_pairs, ahead["g2l", None].n_targets) == (4, 2)
        assert {(f.source, f.target) for f in study.forecasts} == {
            (s, t) for s in ("human", "g2l") for t in asked["targets"]
        }

        rows = list(client.studies.transfers(study.id))
        means = {(row.source, row.target): row.accuracy.value for row in study.table}
        for (source, target), mean in means.items():
            if target is not None:
                own = [row["accuracy"] for row in rows if (row["source"], row["target"]) == (source, target)]
                assert mean == pytest.approx(sum(own) / 2)
        assert client.studies.transfers(study.id).to_arrow().num_rows == 12
        (tmp_path / "study.json").write_text(
            json.dumps(asked | {"sources": SOURCES, "pool": POOL, "baseline": "human"})
        )
        shown = command("submit", str(tmp_path / "study.json"))  # the pool by name
        assert [line.split("\t")[0] for line in shown.splitlines()[-3:]] == ["scratch", "human", "g2l"]
        command("transfers", again.id, "--out", str(tmp_path / "transfers.csv"))
        assert len((tmp_path / "transfers.csv").read_text().splitlines()) == 13
        command("report", again.id, "--out", str(tmp_path / "study.html"))
        page = (tmp_path / "study.html").read_text()
        assert "Labels of g2l" in page
        assert "data:image/jpeg;base64," in page

        transfer = rows[0]["transfer_id"]
        with pytest.raises(Exception, match=study.id):  # the study stands on it
            client.transfers.delete(transfer)

        # Another seed: cancelled whole, it goes on where it was.
        job = client.studies.create(sources=SOURCES[:1], **asked | {"seeds": [7]})
        assert job.cancel().state == "cancelled"
        for id_ in job.refresh().children:
            with pytest.raises(JobFailedError):
                client.jobs.wait(id_)
        study = job.retry().wait().resource()
        assert (study.complete, study.n_transfers, study.baseline) == (True, 2, "scratch")


@pytest.mark.e2e
def test_a_source_of_several_labelings_names_its_embedders(
    service: RunningService, tmp_path: Path, command: Callable[..., str]
) -> None:
    with Client(service.url) as client:
        asked = request(client, tmp_path)
        name = f"seen-{uuid4()}"
        model = client.models.train(
            dataset_id=asked["pool"], objective="human-labels", name=name, epochs=1, image_size=16
        ).wait()
        labelings = [
            {"anchors": {"embedder": name, "discover": {"k": 3}}},
            {"labeling": {"method": "k-means", "embedder": ["patch-kmeans", name], "n_classes": 3}},
        ]
        body = asked | {"sources": [{"name": "two heads", "labelings": labelings}]}
        (tmp_path / "study.json").write_text(json.dumps(body))
        command("submit", str(tmp_path / "study.json"), "--no-wait")
        job = next(iter(client.jobs.list(kind="study", limit=1)))
        (source,) = job.spec["sources"]
        by_anchors, by_clusters = source["labelings"]
        assert by_anchors["anchors"]["embedder"] == model.resource().id
        assert by_clusters["labeling"]["embedder"] == ["patch-kmeans", model.resource().id]
        job.cancel()


@pytest.mark.e2e
def test_a_source_goes_on_for_each_target_on_images_of_its_kind(
    service: RunningService, tmp_path: Path, command: Callable[..., str]
) -> None:
    with Client(service.url) as client:
        asked = request(client, tmp_path) | {"seeds": [0]}
        pools = []
        for number in range(2):
            folder = write_images(tmp_path / f"more {number}", 40 + number, classes=1)
            pools.append(client.datasets.upload(folder, name=f"more-{number}-{uuid4()}").wait().resource())
        own = {
            "name": "own",
            "on_target_pools": True,
            "anchors": {"discover": {"k": 3}},
            "labeling": {"length": 1},
            "model": {"init_model_id": "source:human", "image_size": 24},
        }
        body = asked | {"sources": [SOURCES[1], own], "target_pools": [pool.name for pool in pools]}
        (tmp_path / "study.json").write_text(json.dumps(body))
        shown = command("submit", str(tmp_path / "study.json"))
        assert [line.split("\t")[0] for line in shown.splitlines()[-2:]] == ["human", "own"]
        study = next(iter(client.studies.list(limit=1)))
        human, tuned = study.sources
        (start,) = human.models
        assert [model["target"] for model in tuned.models] == asked["targets"]
        for pool, model in zip(pools, tuned.models, strict=True):
            trained = client.models.get(model["model_id"])
            assert (trained.dataset_id, trained.image_size) == (pool.id, 24)
            assert trained.parent_model_id == start["model_id"]
        rows = {row["target"]: row for row in client.studies.transfers(study.id) if row["source"] == "own"}
        assert [rows[target]["model_id"] for target in asked["targets"]] == [
            model["model_id"] for model in tuned.models
        ]


@pytest.mark.e2e
def test_anchors_of_a_targets_classes_follow_the_labelled_images_of_each_transfer(
    service: RunningService, tmp_path: Path
) -> None:
    with Client(service.url) as client:
        target = client.datasets.upload(write_images(tmp_path / "target", 40, classes=4)).wait().resource()
        pool = client.datasets.upload(write_images(tmp_path / "more", 40, classes=1)).wait().resource()
        named: StudySource = {
            "name": "named",
            "on_target_pools": True,
            "anchors": {"labelled": {}},
            "labeling": {"length": 1, "prefer": "near"},
            "model": {"image_size": 24},
        }
        job = client.studies.create(
            targets=[target.id],
            target_pools=[pool.id],
            sources=[named, named | {"name": "probed", "method": "linear-probe"}],
            seeds=[0, 1],
            label_budgets=[2, 4],
            model={"epochs": 1, "image_size": 16, "batch_size": 16},
            transfer={"epochs": 1, "learning_rate": 0.003},
        )
        study = job.wait().resource()
        assert (study.complete, study.n_transfers) == (True, 8)
        tuned, probed = study.sources
        assert probed.models == tuned.models  # trained once
        draws = {}
        for model in tuned.models:
            labeling = client.labelings.get(client.models.get(model["model_id"]).labeling_id or "")
            anchors = client.anchor_sets.get(labeling.anchor_set_id or "")
            assert list(anchors.names) == [entry["name"].replace(" ", "_") for entry in target.classes]
            labelled = anchors.spec["labelled"]
            assert (labelled["label_budget"], labelled["seed"]) == (model["label_budget"], model["seed"])
            draws[model["model_id"]] = (model["label_budget"], model["seed"])
        assert sorted(draws.values()) == [(2, 0), (2, 1), (4, 0), (4, 1)]
        for row in client.studies.transfers(study.id):
            assert draws[row["model_id"]] == (row["label_budget"], row["seed"])
