from pathlib import Path

import numpy as np
import pytest
import torch

from g2l.nn.images import (
    ChannelMismatchError,
    NotImagesError,
    Preprocessing,
    fit_preprocessing,
    match_channels,
)
from tests.g2l.nn.samples import noise


@pytest.mark.parametrize(("dtype", "bits"), [(np.uint8, 8), (np.uint16, 16)])
def test_fitted_preprocessing_gives_zero_mean_and_unit_variance(dtype: type, bits: int) -> None:
    images = noise(40, 12, 3, dtype=dtype)
    preprocessing = fit_preprocessing(images)
    pixels = preprocessing.tensor(images)
    assert preprocessing.bits == bits
    assert torch.allclose(pixels.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(pixels.std(dim=(0, 2, 3)), torch.ones(3), atol=1e-3)


def test_both_depths_of_one_picture_give_the_same_input() -> None:
    shallow = noise(4, 10, 1)
    deep = shallow.astype(np.uint16) * 257  # 255 * 257 = 65535
    preprocessing = fit_preprocessing(shallow)
    assert torch.allclose(preprocessing.tensor(shallow), preprocessing.tensor(deep), atol=1e-5)


def test_a_channel_that_never_changes_stays_finite() -> None:
    images = np.full((5, 8, 8, 2), 7, dtype=np.uint8)
    assert torch.isfinite(fit_preprocessing(images).tensor(images)).all()


def test_other_sizes_are_resized_and_memmaps_are_read(tmp_path: Path) -> None:
    stored = np.memmap(tmp_path / "images.bin", dtype=np.uint8, mode="w+", shape=(6, 20, 14, 3))
    stored[:] = np.random.default_rng(0).integers(0, 256, stored.shape)
    preprocessing = fit_preprocessing(stored, image_size=16)
    assert preprocessing.tensor(stored[:4]).shape == (4, 3, 16, 16)


def test_grey_is_repeated_and_colour_is_averaged() -> None:
    grey, colour = torch.rand(2, 1, 4, 4), torch.rand(2, 3, 4, 4)
    assert torch.equal(match_channels(grey, 3), torch.cat([grey] * 3, dim=1))
    assert torch.allclose(match_channels(colour, 1)[:, 0], colour.mean(dim=1))
    assert match_channels(colour, 3) is colour


@pytest.mark.parametrize(("given", "wanted"), [(5, 3), (3, 5), (1, 2), (4, 1)])
def test_other_channels_are_refused(given: int, wanted: int) -> None:
    preprocessing = Preprocessing((8, 8), (0.5,) * wanted, (0.5,) * wanted)
    with pytest.raises(ChannelMismatchError, match=f"have {given} channels and the model takes {wanted}"):
        preprocessing.tensor(noise(2, 8, given))


@pytest.mark.parametrize(
    "array", [np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8, 3)), np.zeros((0, 8, 8, 3), np.uint8)]
)
def test_what_is_no_batch_of_images_is_refused(array: np.ndarray) -> None:
    with pytest.raises(NotImagesError, match=r"\(N, H, W, C\)"):
        fit_preprocessing(array)
