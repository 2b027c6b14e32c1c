"""Twins are found through coding, size and mirror; what is merely alike, or flat, is none."""

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from g2l.twins import find_twins, signatures
from tests.fixtures.images import photographs

SEEDS = st.integers(0, 2**32 - 1)
QUICK = settings(max_examples=25, deadline=None)


def recoded(image: np.ndarray, side: int, quality: int) -> np.ndarray:
    """What is left of an image after a JPEG of another size."""
    file = io.BytesIO()
    Image.fromarray(image).resize((side, side)).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).resize((32, 32), Image.Resampling.BILINEAR))


@QUICK
@given(seed=SEEDS, n=st.integers(1, 40), rolled=st.integers(0, 39))
def test_identical_and_mirrored_images_are_found(seed: int, n: int, rolled: int) -> None:
    images = photographs(seed, n)
    shown = np.arange(n) % 2 == 1
    pool = np.where(shown[:, None, None, None], images[:, :, ::-1], images)
    twins = find_twins(signatures(np.roll(pool, rolled, axis=0)), signatures(images))
    np.testing.assert_array_equal(twins.items, np.arange(n))
    np.testing.assert_array_equal(twins.others, (np.arange(n) + rolled) % n)
    np.testing.assert_array_equal(twins.mirrored, shown)
    np.testing.assert_allclose(twins.similarities, 1, atol=1e-5)


@QUICK
@given(seed=SEEDS, sides=st.lists(st.integers(20, 64), min_size=8, max_size=8), quality=st.integers(30, 90))
def test_it_is_the_same_the_other_way_round(seed: int, sides: list[int], quality: int) -> None:
    ours = photographs(seed, 20)
    theirs = np.stack([recoded(image, side, quality) for image, side in zip(ours, sides, strict=False)])
    there, back = (
        find_twins(signatures(theirs), signatures(ours)),
        find_twins(signatures(ours), signatures(theirs)),
    )
    np.testing.assert_array_equal(there.items, np.arange(8))
    np.testing.assert_array_equal(there.others, back.items)
    np.testing.assert_array_equal(there.items, back.others)
    np.testing.assert_allclose(there.similarities, back.similarities, atol=1e-5)


@QUICK
@given(seed=SEEDS, gain=st.floats(0.4, 1), shift=st.integers(0, 40))
def test_a_signature_knows_no_size_and_little_of_light(seed: int, gain: float, shift: int) -> None:
    images = photographs(seed, 10)
    large = images.repeat(2, axis=1).repeat(3, axis=2)  # 64 by 96
    np.testing.assert_allclose(signatures(large)[:, :4, :4], signatures(images)[:, :4, :4], atol=1)
    darker = (images * gain * 0.8 + shift).astype(np.uint16) * 257  # and of 16 bits
    assert len(find_twins(signatures(darker), signatures(images)).items) == 10


def test_strangers_and_flat_images_have_no_twins() -> None:
    images = photographs(0, 60)
    assert not len(find_twins(signatures(images[:40]), signatures(images[40:])).items)
    flat = np.full((5, 32, 32, 3), 90, np.uint8)
    assert not len(find_twins(signatures(flat), signatures(flat)).items)
    common = photographs(9, 1) * 0.8  # what all images of a kind show
    alike = (common + photographs(100, 60) * 0.2).astype(np.uint8)
    assert not len(find_twins(signatures(alike[:40]), signatures(alike[40:])).items)


def test_no_images_have_no_twins() -> None:
    none, some = np.zeros((0, 32, 32, 3), np.uint8), photographs(0, 3)
    assert not len(find_twins(signatures(none), signatures(some)).items)
    assert not len(find_twins(signatures(some), signatures(none)).items)
