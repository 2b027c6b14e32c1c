"""A dataset of patients is taken in, labelled, and grows; its labels live on under their ids."""

from typing import Any

import httpx
import pytest

from tests.fixtures.service import RunningService
from tests.workers.archives import png, zipped

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def client(service: RunningService) -> Any:
    with httpx.Client(base_url=service.url, timeout=120) as client:
        yield client


def patients(first: int, n_patients: int) -> dict[str, bytes]:
    """Images of `kind/patient/`; a patient has four, of one kind or of two."""
    return {
        f"kind{kind}/p{patient}/{image}.png": png(10 * patient + image, kind=kind)
        for patient in range(first, first + n_patients)
        for image in range(4)
        for kind in [patient % 2 if image < 3 else 0]
    }


def ended(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 202, answer.text
    while (job := client.get(f"{answer.headers['location']}?wait=30").json())["state"] in (
        "queued",
        "running",
    ):
        pass
    return dict(job)


def made(client: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    job = ended(client, answer)
    assert job["state"] == "succeeded", job["error"]
    return dict(client.get(job["result"]["href"]).json())


def sent(client: httpx.Client, members: dict[str, bytes], **fields: str) -> httpx.Response:
    files = {"file": ("patients.zip", zipped(members))}
    return client.post("/v1/datasets", data={"name": "patients", **fields}, files=files)


def labels(client: httpx.Client, labeling: dict[str, Any]) -> list[int]:
    table = client.get(f"/v1/labelings/{labeling['id']}/labels?format=csv").text.splitlines()
    column = table[0].split(",").index("class_id")
    return [int(line.split(",")[column]) for line in table[1:]]


@pytest.fixture(scope="module")
def first(client: httpx.Client) -> dict[str, Any]:
    return made(client, sent(client, patients(0, 20), group_by="folder"))


@pytest.fixture(scope="module")
def second(client: httpx.Client, first: dict[str, Any]) -> dict[str, Any]:
    """Ten more patients, and two that are there already."""
    return made(client, sent(client, patients(18, 12), extends=first["id"]))


@pytest.fixture(scope="module")
def anchors(client: httpx.Client, first: dict[str, Any]) -> str:
    body = {"name": "anchors", "discover": {"dataset_id": first["id"], "k": 5}}
    return str(made(client, client.post("/v1/anchor-sets", json=body))["id"])


@pytest.fixture(scope="module")
def labeling(client: httpx.Client, first: dict[str, Any], anchors: str) -> dict[str, Any]:
    body = {
        "dataset_id": first["id"],
        "anchor_set_id": anchors,
        "length": 2,
        "prefer": "far",
        "min_class_size": 5,
    }
    return made(client, client.post("/v1/labelings", json=body))


def items(client: httpx.Client, dataset: dict[str, Any]) -> list[dict[str, Any]]:
    return list(client.get(f"/v1/datasets/{dataset['id']}/items?limit=200").json()["items"])


def test_groups_are_kept(client: httpx.Client, first: dict[str, Any]) -> None:
    assert (first["n_items"], first["n_groups"], first["version"], first["parent_id"]) == (80, 20, 1, None)
    assert first["splits"]["derived"]
    assert 16 <= first["splits"]["test"] <= 32
    assert {item["group"] for item in items(client, first)} == {f"p{i}" for i in range(20)}


def test_a_version_begins_with_what_was_there(
    client: httpx.Client, first: dict[str, Any], second: dict[str, Any]
) -> None:
    assert (second["n_items"], second["n_groups"]) == (120, 30)
    assert (second["version"], second["parent_id"]) == (2, first["id"])
    assert (second["n_duplicates"], second["n_rejected"]) == (8, 8)
    assert second["spec"]["group_by"] == "folder"  # the parent's, since none was asked for
    shown = ("item_id", "path", "label", "group")
    old, new = (
        [[item[name] for name in shown] for item in items(client, dataset)] for dataset in (first, second)
    )
    assert new[:80] == old
    refused = client.delete(f"/v1/datasets/{first['id']}")
    assert refused.status_code == 409
    assert second["id"] in refused.json()["detail"]


def test_labelling_the_same_images_again_changes_no_id(
    client: httpx.Client, first: dict[str, Any], anchors: str, labeling: dict[str, Any]
) -> None:
    body = {"dataset_id": first["id"], "anchor_set_id": anchors, "classes_of": labeling["id"]}
    again = made(client, client.post("/v1/labelings", json=body))
    assert again["classes"] == labeling["classes"]
    assert labels(client, again) == labels(client, labeling)
    assert again["report"]["unmatched_share"] == 0
    assert [again["spec"][name] for name in ("length", "prefer", "min_class_size")] == [2, "far", 5]


def test_new_images_are_labelled_under_the_ids_of_the_old(
    client: httpx.Client, second: dict[str, Any], anchors: str, labeling: dict[str, Any]
) -> None:
    body = {"dataset_id": second["id"], "anchor_set_id": anchors, "classes_of": labeling["id"]}
    grown = made(client, client.post("/v1/labelings", json=body))
    assert [c["name"] for c in grown["classes"]] == [c["name"] for c in labeling["classes"]]
    assert labels(client, grown)[:80] == labels(client, labeling)
    assert grown["n_items"] == 120
    # A third set, of new patients alone, by the labels of the second: their classes are the first's.
    other = made(client, sent(client, patients(40, 3), group_by="folder"))
    body = {"dataset_id": other["id"], "anchor_set_id": anchors, "classes_of": grown["id"]}
    few = made(client, client.post("/v1/labelings", json=body))
    assert [c["name"] for c in few["classes"]] == [c["name"] for c in labeling["classes"]]
    assert sum(c["count"] for c in few["classes"]) == 12
    assert client.delete(f"/v1/labelings/{labeling['id']}").status_code == 409


def test_a_length_that_was_found_is_kept_by_later_labels(
    client: httpx.Client, first: dict[str, Any], second: dict[str, Any], anchors: str
) -> None:
    body = {"dataset_id": first["id"], "anchor_set_id": anchors, "length": "auto", "prefer": "near"}
    found = made(client, client.post("/v1/labelings", json=body))
    length = len(found["report"]["bits_per_position"])
    assert 1 <= length <= 4
    assert found["spec"]["length"] == "auto"
    again = made(client, client.post("/v1/labelings", json=body | {"length": length}))
    assert labels(client, again) == labels(client, found)
    body = {"dataset_id": second["id"], "anchor_set_id": anchors, "classes_of": found["id"]}
    grown = made(client, client.post("/v1/labelings", json=body))
    assert len(grown["report"]["bits_per_position"]) == length
    assert labels(client, grown)[:80] == labels(client, found)


def test_kept_clusters_label_new_images(
    client: httpx.Client, first: dict[str, Any], second: dict[str, Any]
) -> None:
    body = {"method": "k-means", "dataset_id": first["id"], "n_classes": 4}
    clusters = made(client, client.post("/v1/labelings", json=body))
    body = {"method": "k-means", "dataset_id": second["id"], "classes_of": clusters["id"]}
    grown = made(client, client.post("/v1/labelings", json=body))
    assert grown["embedder_id"] == clusters["embedder_id"]
    assert labels(client, grown)[:80] == labels(client, clusters)


@pytest.mark.parametrize(
    ("members", "fields", "code"),
    [
        ({"a/x.png": png(1), "b/y.png": png(2)}, {"group_by": "folder"}, "no-groups"),
        ({"kind0/p1/0.png": png(10, kind=1)}, {"extends": "first"}, "nothing-new"),
    ],
)
def test_what_cannot_be_taken_in_says_why(
    client: httpx.Client, first: dict[str, Any], members: dict[str, bytes], fields: dict[str, str], code: str
) -> None:
    if "extends" in fields:
        fields = {"extends": first["id"]}
    job = ended(client, sent(client, members, **fields))
    assert job["state"] == "failed"
    assert job["error"]["type"] == f"/problems/{code}"


def test_a_class_of_one_group_is_no_target(client: httpx.Client) -> None:
    members = {f"a/p1/{i}.png": png(i) for i in range(4)}
    members |= {f"b/p{i}/x.png": png(i, kind=1) for i in range(4)}
    dataset = made(client, sent(client, members, group_by="folder"))
    assert dataset["splits"] == {"train": 8, "test": 0, "derived": False}
    refused = client.post("/v1/transfers", json={"dataset_id": dataset["id"]}).json()
    assert refused["errors"][0]["pointer"] == "#/dataset_id"
    assert "groups stay on one side" in refused["detail"]
    assert "'a'" in refused["detail"]
