"""Fractals: functions of the seed, classes that can be told apart, systems that stay in bounds."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from g2l.data.fractals import draw_fractals, draw_system, variants
from g2l.nn.patch_kmeans import fit_patch_kmeans
from g2l.transferability.knn import knn_accuracy


@given(seed=st.integers(0, 2**32 - 1))
def test_systems_contract_as_the_paper_wants(seed: int) -> None:
    system = draw_system(np.random.default_rng(seed))
    values = np.linalg.svd(system.matrices, compute_uv=False)
    n_maps = len(values)
    assert 2 <= n_maps <= 4
    assert values.max() < 1 + 1e-9
    assert (5 + n_maps) / 2 - 1e-6 <= (values @ (1, 2)).sum() <= (6 + n_maps) / 2 + 1e-6
    assert system.probabilities.sum() == pytest.approx(1)


def test_an_image_is_a_function_of_seed_class_and_number() -> None:
    few, more = (variants(1, range(2, stop), image_size=16, seed=5) for stop in (3, 5))
    assert np.array_equal(few[0], more[0])
    others = [*more[1:], variants(1, range(2, 3), image_size=16, seed=6)[0]]
    assert not any(np.array_equal(few[0], other) for other in others)


def test_classes_can_be_told_apart_and_colours_do_not_tell() -> None:
    images = np.stack([image for c in range(8) for image in variants(c, range(24), image_size=32, seed=0)])
    labels = np.repeat(np.arange(8), 24)
    responses = fit_patch_kmeans(images, seed=0).embed(images)
    assert knn_accuracy(responses, labels) > 0.3  # chance is 0.125
    means = images.mean(axis=(1, 2)).astype(np.float32)
    assert knn_accuracy(means, labels) < 0.25


def test_a_tar_of_a_folder_a_class(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    for name in ("a.tar", "b.tar"):
        draw_fractals(
            tmp_path / name,
            n_classes=12,
            n_items=30,
            image_size=8,
            seed=1,
            on_progress=lambda *done: told.append(done),
        )
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as tar:
        names = tar.getnames()
    assert names[:4] == [f"fractal-00/00000{i}.png" for i in range(3)] + ["fractal-01/000000.png"]
    assert len(names) == 30
    assert told[-1] == (30, 30)
