from typing import Any

import yaml

from g2l.nn.cards import model_card, position_labels
from g2l.nn.images import Preprocessing


def card(name: str = "A model", *, third_party: bool = False, n_labels: int = 3) -> str:
    return model_card(
        name,
        arch="resnet-tiny",
        labels=[f"plant-sport-{number}" for number in range(n_labels)],
        preprocessing=Preprocessing((32, 32), (0.5,) * 3, (0.2,) * 3),
        summary="Trained on pseudo-labels.",
        provenance={"third_party_weights": third_party, "data": {"pool": "sha256:abc"}},
        results={"source accuracy": 0.4321},
    )


def metadata(text: str) -> dict[str, Any]:
    block: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return block


def test_a_card_has_the_metadata_block_of_the_hub() -> None:
    block = metadata(card())
    assert (block["license"], block["library_name"]) == ("apache-2.0", "transformers")
    assert block["pipeline_tag"] == "image-classification"


def test_a_card_says_data_labels_figures_licence_and_how_to_load() -> None:
    text = card()
    for part in (
        "sha256:abc",
        "plant-sport-2",
        "0.4321",
        "Apache License",
        "from_pretrained",
        "32 by 32",
        "no weights of third",
    ):
        assert part in text


def test_a_name_cannot_break_out_of_the_block() -> None:
    text = card('evil"\n---\nlicense: none')
    assert metadata(text)["license"] == "apache-2.0"
    assert metadata(text)["model_name"] == 'evil" --- license: none'


def test_third_party_weights_are_said() -> None:
    text = card(third_party=True)
    assert metadata(text)["license"] == "other"
    assert "no weights of third" not in text


def test_long_label_lists_are_cut() -> None:
    assert "and 150 more" in card(n_labels=250)


def test_positions_name_their_outputs_in_the_order_of_the_classifier() -> None:
    assert position_labels(["a", "b"], 2) == ("1-a", "1-b", "2-a", "2-b")
