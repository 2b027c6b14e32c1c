"""What `g2l run` asks for."""

from pathlib import Path
from typing import Any

import pytest

from g2l.cli.anchor_words import AnchorWord
from g2l.cli.run_report import check_folder
from g2l.cli.run_request import Request, Upload
from g2l.cli.session import UsageError


def request(images: str = "ds_pool", **fields: Any) -> Request:
    empty: dict[str, Any] = {
        "target": None,
        "anchors": (),
        "name": None,
        "anchor_options": {},
        "labeling_options": {},
        "model_options": {},
        "transfer_options": {},
        "seed": None,
    }
    return Request(images=images, **(empty | fields))


def test_the_least_is_a_dataset_and_a_name() -> None:
    assert request(name="mine").body({}) == {
        "dataset_id": "ds_pool",
        "name": "mine",
        "model": {"name": "mine"},
    }


def test_what_must_be_sent_first() -> None:
    anchors = (AnchorWord("greek", path="g"), AnchorWord("other", dataset_id="ds_9"))
    asked = request("a/images", target="b/images", anchors=anchors, name="mine")
    assert asked.uploads() == [
        Upload("a/images", "pool", "mine"),
        Upload("g", "anchor greek", "greek"),
        Upload("b/images", "target", None),
    ]
    assert request("ds_1", target="ds_2").uploads() == []
    assert request("same", target="same").uploads() == [Upload("same", "pool", None)]


def test_everything_has_its_place() -> None:
    anchors = (AnchorWord("greek", path="g"), AnchorWord("other", dataset_id="ds_9", class_="x"))
    body = request(
        "pool.zip",
        target="digits.zip",
        anchors=anchors,
        anchor_options={"metric": "hellinger", "seed": 3},
        labeling_options={"length": 2},
        model_options={"epochs": 4, "seed": 3},
        transfer_options={"label_budget": 10},
        seed=3,
    ).body({"pool.zip": "ds_1", "digits.zip": "ds_2", "g": "ds_3"})
    assert body == {
        "dataset_id": "ds_1",
        "name": "pool",
        "anchors": {
            "metric": "hellinger",
            "seed": 3,
            "anchors": [
                {"name": "greek", "dataset_id": "ds_3"},
                {"name": "other", "dataset_id": "ds_9", "class": "x"},
            ],
        },
        "labeling": {"length": 2},
        "model": {"name": "pool", "epochs": 4, "seed": 3},
        "transfer": {"dataset_id": "ds_2", "label_budget": 10, "seed": 3},
    }


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"images": "nowhere"}, "IMAGES: there is no nowhere"),
        ({"target": "nowhere"}, "--target: there is no nowhere"),
        ({"transfer_options": {"label_budget": 1}}, "need a --target"),
        ({"anchor_options": {"discover": {"k": 3}, "anchor_set_id": "anc_1"}}, "--anchors and --anchor-set"),
        ({"anchors": (AnchorWord("a"),), "anchor_options": {"discover": {"k": 3}}}, "--anchor and --anchors"),
        ({"anchor_options": {"labelled": {}}}, "--target-anchors needs a --target"),
        (
            {"anchor_options": {"labelled": {}, "discover": {"k": 3}}, "target": "ds_2"},
            "--anchors and --target-anchors",
        ),
    ],
)
def test_what_does_not_fit_together_is_refused_first(fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        request(**fields).check()


def test_a_folder_of_other_things_is_left_alone(tmp_path: Path) -> None:
    check_folder(tmp_path)
    check_folder(tmp_path / "new")
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError, match="holds no earlier run"):
        check_folder(tmp_path)
    with pytest.raises(UsageError, match="holds no earlier run"):
        check_folder(tmp_path / "thesis.tex")
    (tmp_path / "run.json").touch()
    check_folder(tmp_path)
