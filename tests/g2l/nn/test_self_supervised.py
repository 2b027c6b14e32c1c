"""Training without labels: repeatable, resumable, for any channels, and worth something."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel

from g2l.nn.checkpoints import CheckpointMismatchError
from g2l.nn.contrast import METHODS, Method, criterion, evenly
from g2l.nn.heads import classifier_on
from g2l.nn.linear_probe import fit_probe
from g2l.nn.model_embedder import ModelEmbedder
from g2l.nn.models import load_model, quiet, save_model
from g2l.nn.pretrain import TooFewImagesError
from g2l.nn.self_supervised import SelfSupervised, pretrain_self_supervised
from g2l.nn.training import TrainingDivergedError
from g2l.nn.views import view
from tests.g2l.nn.samples import Labelled, noise


class Stop(Exception):
    """What a cancelled job raises from its progress."""


def train(images: Any, *, stop_at: int = -1, **settings: Any) -> SelfSupervised:
    def progress(done: int, total: int) -> None:
        assert 0 < done <= total
        if 0 < stop_at <= done:
            raise Stop

    recipe: dict[str, Any] = {"epochs": 3, "batch_size": 32, "seed": 7, "on_progress": progress} | settings
    return pretrain_self_supervised(images, **recipe)


def equal(one: SelfSupervised, other: SelfSupervised) -> bool:
    states = zip(one.model.state_dict().items(), other.model.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in states)


@pytest.mark.parametrize("method", METHODS)
def test_the_loss_falls_and_views_find_their_partners(digits: Labelled, method: Method) -> None:
    history = train(digits.images[:128], epochs=6, method=method).history
    assert [record.epoch for record in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1].loss < history[0].loss
    assert history[-1].matched > 2 / 64  # chance is one in 63


def test_a_resumed_run_gives_bit_equal_weights(digits: Labelled, tmp_path: Path) -> None:
    images, checkpoint = digits.images[:96], tmp_path / "checkpoint.pt"
    swav: dict[str, Any] = {"method": "swav"}  # whose prototypes are trained too
    whole = train(images, **swav)
    with pytest.raises(Stop):
        train(images, checkpoint=checkpoint, stop_at=150, **swav)
    epochs: list[int] = []
    swav["on_epoch"] = lambda record: epochs.append(record.epoch)
    resumed = train(images, checkpoint=checkpoint, **swav)
    assert epochs == [1, 2, 3]
    assert equal(whole, resumed)
    assert not equal(whole, train(images, seed=8, **swav))
    with pytest.raises(CheckpointMismatchError):
        train(images, checkpoint=checkpoint, learning_rate=1e-3, **swav)


@pytest.mark.parametrize("channels", [1, 3, 4, 13])
@pytest.mark.parametrize("augmentation", ["crop", "crop-flip", "affine"])
def test_views_are_functions_of_seed_step_and_number(channels: int, augmentation: Any) -> None:
    pixels = torch.randn(6, channels, 16, 16)
    first = view(pixels, augmentation, seed=1, step=2, number=0)
    assert first.shape == pixels.shape
    assert bool(torch.isfinite(first).all())
    assert torch.equal(first, view(pixels, augmentation, seed=1, step=2, number=0))
    for seed, step, number in ((2, 2, 0), (1, 3, 0), (1, 2, 1)):
        assert not torch.equal(first, view(pixels, augmentation, seed=seed, step=step, number=number))


def test_views_are_mirrored_only_where_asked() -> None:
    ramp = torch.linspace(-1, 1, 32).repeat(200, 1, 32, 1)
    for kind, shares in (("crop", (1, 1)), ("crop-flip", (0.3, 0.7))):
        seen = view(ramp, kind, seed=0, step=0, number=0)  # type: ignore[arg-type]
        rising = float((seen[:, 0, 16, 20] > seen[:, 0, 16, 12]).float().mean())
        assert shares[0] <= rising <= shares[1]


@pytest.mark.parametrize("method", METHODS)
def test_partners_that_are_alike_cost_less(method: Method) -> None:
    images, loss = torch.eye(8) - 1 / 8, criterion(method, 8, seed=0)
    assert loss(torch.cat([images, images])) < loss(torch.cat([images, images.flip(0)]))


def test_codes_fill_the_prototypes_that_few_images_are_near() -> None:
    noise, favour = torch.randn(256, 16, generator=torch.Generator().manual_seed(0)), torch.arange(16)
    codes = evenly(noise / 4 + favour / 32)
    nearest = torch.bincount((noise / 4 + favour / 32).argmax(dim=1), minlength=16)
    assert torch.allclose(codes.sum(dim=1), torch.ones(256))
    assert float(codes.sum(dim=0).std()) < float(nearest.float().std()) / 2


@pytest.mark.parametrize("arch", ["resnet-tiny", "vit-tiny"])
def test_the_saved_body_loads_with_stock_transformers_and_takes_a_head(arch: str, tmp_path: Path) -> None:
    made = train(noise(8, 16, 4), arch=arch, epochs=1)
    save_model(
        tmp_path / "model",
        made.model,
        labels=(),
        preprocessing=made.preprocessing,
        card="# A body\n",
        provenance={},
    )
    bare: dict[str, Any] = {"add_pooling_layer": False} if arch == "vit-tiny" else {}
    with quiet():
        stock = AutoModel.from_pretrained(tmp_path / "model", **bare)
    theirs, ours = stock.state_dict(), made.model.state_dict()
    assert theirs.keys() == ours.keys()  # no projection
    assert all(torch.equal(theirs[name], value) for name, value in ours.items())
    loaded = load_model(tmp_path / "model")
    assert loaded.labels == ()
    assert classifier_on(loaded.model, 5, seed=0)(torch.zeros(2, 4, 16, 16)).logits.shape == (2, 5)
    assert ModelEmbedder.of_folder(tmp_path / "model").dim == made.dim


def test_its_responses_tell_digits_apart(digits: Labelled) -> None:
    made = train(digits.images[:400], epochs=6)
    responses = ModelEmbedder(made.model, made.preprocessing).embed(digits.images[700:1100])
    probe = fit_probe(responses[:100], digits.labels[700:800], 10, seed=0)
    predicted = (torch.from_numpy(responses[100:]) @ probe.weight.T + probe.bias).argmax(dim=1).numpy()
    assert (predicted == digits.labels[800:1100]).mean() > 0.6  # chance is 0.1


def test_what_cannot_be_trained_is_refused() -> None:
    with pytest.raises(TooFewImagesError):
        train(noise(1, 16, 3))
    with pytest.raises(TrainingDivergedError) as caught:
        train(noise(40, 16, 3), learning_rate=1e30)
    assert caught.value.field == "learning_rate"


def test_images_without_content_do_no_harm() -> None:
    made = train(np.full((4, 8, 8, 1), 9, np.uint8))
    assert all(bool(torch.isfinite(value).all()) for value in made.model.state_dict().values())
