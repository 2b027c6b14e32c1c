"""Crops: of an image's own size, half of them mirrored, by the image's number alone."""

from typing import Any

import numpy as np
import pytest

from g2l.data.crops import crops


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 3), (np.uint8, 1), (np.uint16, 5)])
def test_a_crop_depends_on_the_images_number_and_its_own(dtype: Any, channels: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 12, 16, channels)).astype(dtype)
    items = np.arange(10, 16)
    made = crops(images, items, 1)
    assert (made.shape, made.dtype) == (images.shape, images.dtype)
    assert np.array_equal(made[3:], crops(images[3:], items[3:], 1))
    assert not np.array_equal(made, crops(images, items, 2))
    assert not np.array_equal(made, crops(images, items + 1, 1))


def test_crops_show_half_of_the_area_and_more_and_half_are_mirrored() -> None:
    ramp = np.broadcast_to(np.arange(0, 256, 4, dtype=np.uint8)[None, None, :, None], (200, 64, 64, 1))
    made = crops(ramp, np.arange(200), 1)[:, 32, :, 0].astype(int)
    spans = np.abs(made[:, -1] - made[:, 0]) / 252
    assert 0.68 < spans.min() < 0.75  # the root of a half
    assert spans.max() > 0.97
    assert 0.4 < (made[:, -1] < made[:, 0]).mean() < 0.6
