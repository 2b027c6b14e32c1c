"""Class probabilities of model folders."""

from pathlib import Path

import numpy as np
import pytest
import torch

from g2l.nn.heads import body
from g2l.nn.images import fit_preprocessing
from g2l.nn.models import load_model, save_network
from g2l.nn.outputs import class_probabilities
from g2l.nn.training import predict
from tests.g2l.nn.samples import noise, save_random_model


def test_each_softmax_is_of_its_own_outputs(tmp_path: Path) -> None:
    folder, images = save_random_model(tmp_path, n_outputs=5), noise(7, 16, 3)
    loaded = load_model(folder)
    logits = predict(loaded.model, images, loaded.preprocessing)
    seen: list[int] = []
    first, second = class_probabilities(
        folder, images, widths=[2, 3], batch_size=3, on_progress=lambda done, _: seen.append(done)
    )
    np.testing.assert_allclose(first, torch.softmax(logits[:, :2], 1), atol=1e-5)
    np.testing.assert_allclose(second, torch.softmax(logits[:, 2:], 1), atol=1e-5)
    assert seen == [3, 6, 7]
    (flat,) = class_probabilities(folder, images)
    np.testing.assert_allclose(flat.sum(1), 1, rtol=1e-12)
    assert flat.shape == (7, 5)
    with pytest.raises(ValueError, match="5 outputs"):
        class_probabilities(folder, images, widths=[4])


def test_a_body_without_classifier_has_none(tmp_path: Path) -> None:
    network = body(load_model(save_random_model(tmp_path / "whole")).model)
    save_network(tmp_path / "body", network, fit_preprocessing(noise(4, 16, 3)))
    assert class_probabilities(tmp_path / "body", noise(2, 16, 3)) == ()
