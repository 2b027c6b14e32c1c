from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from g2l import passes
from g2l.nn.fine_tune import with_enough_steps
from g2l.nn.images import fit_preprocessing
from g2l.nn.models import save_model, save_network
from g2l.nn.pretrain import pretrain
from g2l.nn.recipes import Recipe
from g2l.nn.starts import SizeNotTakenError
from g2l.nn.transfer import TransferError, TransferResult, transfer
from g2l.nn.zoo import build
from g2l.passes import LEARNING_RATES
from tests.g2l.nn.samples import Labelled, noise, save_random_model

NAMES = list("0123456789")


def run(
    digits: Labelled, *, n_train: int = 100, test_labels: np.ndarray | None = None, **options: object
) -> TransferResult:
    truth = digits.labels[1200:1500] if test_labels is None else test_labels
    settings = {"class_names": NAMES, "epochs": 4, **options}
    return transfer(
        digits.images[:n_train],
        digits.labels[:n_train],
        digits.images[1200:1500],
        truth,
        **settings,  # type: ignore[arg-type]
    )


@pytest.fixture(autouse=True)
def short_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transfer is seven trainings here, six of them to choose the rate: on digits short ones will do."""
    monkeypatch.setattr(passes, "FEWEST_STEPS", 40)


@pytest.fixture(scope="module")
def source(digits: Labelled, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that was trained to tell even digits from odd ones."""
    trained = pretrain(digits.images[200:1200], digits.labels[200:1200] % 5, epochs=5, batch_size=32)
    folder = tmp_path_factory.mktemp("source")
    save_model(
        folder,
        trained.model,
        labels=list("01234"),
        preprocessing=trained.preprocessing,
        card="# Source\n",
        provenance={},
    )
    return folder


@pytest.mark.parametrize("method", ["fine-tune", "linear-probe"])
def test_a_source_beats_chance_by_far_and_gives_a_model(digits: Labelled, source: Path, method: str) -> None:
    seen: list[tuple[int, int]] = []
    result = run(
        digits,
        init=source,
        method=method,
        batch_size=16,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    accuracy = result.evaluation.accuracy
    assert accuracy.low > 0.3  # chance is 0.1
    assert accuracy.low < accuracy.value < accuracy.high
    assert sum(map(sum, result.evaluation.confusion)) == result.n_test == 300
    assert result.n_train == 100
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    assert result.model.config.num_labels == 10
    if method == "fine-tune":
        expected = passes.fine_tuning(100, epochs=4, batch_size=16, chooses_rate=True)
        assert seen[-1][1] == pytest.approx(expected, rel=0.1)  # folds of unequal classes are not halves
        assert result.learning_rate in LEARNING_RATES
        assert [record.epoch for record in result.learning_curve] == [1, 2, 3, 4]
    else:
        assert (result.learning_rate, result.learning_curve) == (None, [])


def test_the_head_starts_anew_and_the_body_from_the_source(digits: Labelled, source: Path) -> None:
    tuned = run(digits, init=source, learning_rate=1e-9, epochs=1)
    probed = run(digits, init=source, method="linear-probe")
    assert tuned.evaluation.accuracy.value < 0.4  # a head of small random weights, not trained
    name = "resnet.encoder.stages.0.layers.0.layer.0.convolution.weight"
    assert torch.allclose(tuned.model.state_dict()[name], probed.model.state_dict()[name], atol=1e-6)


@pytest.mark.parametrize("method", ["fine-tune", "linear-probe"])
def test_a_source_takes_larger_images_than_it_was_trained_on(
    digits: Labelled, source: Path, method: str
) -> None:
    result = run(digits, init=source, method=method, learning_rate=1e-3, epochs=1, image_size=32)
    assert result.preprocessing.size == (32, 32)
    assert result.evaluation.accuracy.low > 0.2
    maps = result.model.resnet(result.preprocessing.tensor(digits.images[:1])).last_hidden_state
    assert maps.shape[-2:] == (2, 2)  # of the digits' own 8 pixels it is (1, 1)


def test_a_body_without_classifier_takes_larger_images_too(digits: Labelled, tmp_path: Path) -> None:
    network = build("resnet-tiny", n_outputs=2, channels=digits.images.shape[3], image_size=8).base_model
    save_network(tmp_path / "body", network, fit_preprocessing(digits.images))
    made = run(digits, init=tmp_path / "body", method="linear-probe", image_size=16)
    assert made.preprocessing.size == (16, 16)


def test_a_source_that_knows_places_takes_no_other_size(digits: Labelled, tmp_path: Path) -> None:
    network = build("vit-tiny", n_outputs=2, channels=digits.images.shape[3], image_size=16)
    save_network(tmp_path / "vit", network, fit_preprocessing(digits.images, image_size=16))
    run(digits, init=tmp_path / "vit", method="linear-probe", image_size=16)
    with pytest.raises(SizeNotTakenError, match="leave image_size out") as refused:
        run(digits, init=tmp_path / "vit", image_size=32)
    assert refused.value.field == "image_size"


def test_layer_decay_leaves_early_layers_nearer_to_the_source(digits: Labelled, source: Path) -> None:
    before = load_file(source / "model.safetensors")

    def moved(layer_decay: float) -> list[float]:
        made = run(
            digits, init=source, learning_rate=1e-3, epochs=1, layer_decay=layer_decay
        ).model.state_dict()
        names = [f"resnet.encoder.stages.{stage}.layers.0.layer.0.convolution.weight" for stage in range(3)]
        return [float((made[name] - before[name]).norm()) for name in names]

    evenly, slowly = moved(1), moved(0.25)
    shares = np.array(slowly) / evenly
    assert (np.diff(shares) > 0).all()  # the head has all of the rate, the last stage a quarter, and so on
    assert shares[0] < 0.1


@pytest.mark.parametrize("method", ["fine-tune", "linear-probe"])
def test_batch_norms_are_those_of_the_target(digits: Labelled, source: Path, method: str) -> None:
    result = run(digits, init=source, method=method, learning_rate=1e-3, epochs=1, batch_norms="re-estimated")
    assert result.evaluation.accuracy.low > 0.3
    model, seen = result.model, []
    norm = next(module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d))
    norm.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        model(result.preprocessing.tensor(digits.images[:100]))
    assert norm.running_mean is not None
    assert torch.allclose(norm.running_mean, seen[0].mean(dim=(0, 2, 3)), atol=1e-4)
    assert not model.training
    assert norm.momentum == 0.1


def test_nothing_is_chosen_by_the_test_labels(digits: Labelled) -> None:
    shuffled = np.random.default_rng(0).permutation(digits.labels[1200:1500])
    honest, lied_to = (run(digits, n_train=60, batch_size=8, test_labels=truth) for truth in (None, shuffled))
    assert honest.learning_rate == lied_to.learning_rate
    weights = lied_to.model.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in honest.model.state_dict().items())
    assert honest.evaluation.accuracy.value > lied_to.evaluation.accuracy.value


def test_one_image_a_class_trains_at_the_default_rate(digits: Labelled) -> None:
    rows = np.array([np.flatnonzero(digits.labels == label)[0] for label in range(10)])
    result = transfer(
        digits.images[rows],
        digits.labels[rows],
        digits.images[:50],
        digits.labels[:50],
        class_names=NAMES,
        epochs=2,
    )
    assert result.learning_rate == LEARNING_RATES[1]
    assert result.learning_curve[-1].loss < result.learning_curve[0].loss


@pytest.mark.parametrize("batch_size", [1, 32, 4096])
@pytest.mark.parametrize(("n_images", "epochs"), [(5, 1), (10, 10), (100, 10), (5000, 10)])
def test_small_budgets_get_enough_steps_and_large_ones_no_more_than_asked(
    n_images: int, epochs: int, batch_size: int
) -> None:
    recipe = with_enough_steps(Recipe(epochs=epochs, batch_size=batch_size, learning_rate=1e-3), n_images)
    steps = epochs * recipe.repeats * n_images / recipe.batch_size
    assert recipe.batch_size <= max(8, n_images)
    assert steps >= passes.FEWEST_STEPS
    assert recipe.repeats == 1 or steps - epochs * n_images / recipe.batch_size < passes.FEWEST_STEPS


def test_grey_targets_take_a_source_of_three_channels(tmp_path: Path) -> None:
    folder = save_random_model(tmp_path / "model", channels=3, side=16)
    images = noise(8, 16, 1)
    result = transfer(
        images,
        np.arange(8) % 2,
        images,
        np.arange(8) % 2,
        class_names=["a", "b"],
        init=folder,
        method="linear-probe",
    )
    assert result.preprocessing.channels == 3


@pytest.mark.parametrize(
    ("labels", "reason"),
    [([0, 0, 0, 0], "no training image"), ([0, 1, 2, 0], "there are 2 classes"), ([0, 1], "for 4")],
)
def test_labels_that_do_not_fit_are_refused(labels: list[int], reason: str) -> None:
    images = noise(4, 8, 1)
    with pytest.raises(TransferError, match=reason):
        transfer(images, np.array(labels), images, np.array([0, 1, 0, 1]), class_names=["a", "b"])
