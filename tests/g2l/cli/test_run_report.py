"""The table at the end of `g2l run`."""

from typing import Any

from g2l.cli.run_report import rows


def estimate(value: float, low: float, high: float, level: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high, "level": level}


def summary(**more: Any) -> dict[str, Any]:
    labeling = {
        "n_items": 100,
        "n_classes": 3,
        "degenerate_share": 0.021,
        "classes": [{"name": "a-b", "count": 20}, {"name": "b", "count": 70}, {"name": "c", "count": 10}],
    }
    metrics = {"source_accuracy": 0.5, "images_per_second": 321.4}
    model = {"id": "mdl_1", "metrics": metrics}
    made = {"pipeline": {"rounds": []}, "labeling": labeling, "model": model}
    none = dict.fromkeys(("label_accuracy", "forecast", "transfer"))
    return made | none | {"seconds": 75.2} | more


def test_without_a_target() -> None:
    assert rows(summary()) == {
        "labels made": "100 images, 3 classes",
        "largest classes": "b (70), a-b (20), c (10)",
        "degenerate share": "2.1%",
        "source accuracy": "50.0% of pseudo-labels held out",
        "time": "1 min 15 s",
        "training speed": "321 images/s",
    }


def test_with_anchors_of_labelled_images() -> None:
    shown = rows(summary(label_accuracy=estimate(0.8, 0.7, 0.9, 0.95)))
    assert shown["label accuracy"] == "80.0% (70.0% to 90.0% at 95%) of labelled images left out"


def test_with_rounds() -> None:
    earlier = [{"anchor_set_id": "anc_1", "labeling_id": "lab_1", "model_id": f"mdl_{n}"} for n in (7, 8)]
    assert rows(summary(pipeline={"rounds": earlier}))["earlier rounds"] == "mdl_7, mdl_8"


def test_with_a_target() -> None:
    sources = [{"model_id": "mdl_1", "expected_accuracy": estimate(0.7, 0, 1, 0.9)}]
    shown = rows(
        summary(
            forecast={"sources": sources, "calibrated": False, "n_past_targets": 2},
            transfer={
                "accuracy": estimate(0.8, 0.75, 0.85, 0.95),
                "scratch_accuracy": None,
                "base_model_id": "mdl_2",
            },
        )
    )
    assert shown["forecast"] == "70.0% (0.0% to 100.0% at 90%), not calibrated: 2 past targets"
    assert shown["target accuracy"] == "80.0% (75.0% to 85.0% at 95%)"
    assert shown["from scratch"] == "unknown"
    assert shown["fine-tuned model"].startswith("mdl_2 ")


def test_a_calibrated_forecast_needs_no_excuse() -> None:
    sources = [
        {"model_id": "mdl_0", "expected_accuracy": estimate(0.1, 0, 0.2, 0.9)},
        {"model_id": "mdl_1", "expected_accuracy": estimate(0.7, 0.6, 0.8, 0.9)},
    ]
    forecast = {"sources": sources, "calibrated": True, "n_past_targets": 12}
    assert rows(summary(forecast=forecast))["forecast"] == "70.0% (60.0% to 80.0% at 90%)"
