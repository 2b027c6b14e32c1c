"""Training images are moved by chance, and by nothing but seed and step."""

import pytest
import torch

from g2l.nn.augmentation import AUGMENTATIONS, Augmentation, augment


@pytest.mark.parametrize("kind", AUGMENTATIONS)
def test_augmentation_is_a_function_of_seed_and_step(kind: Augmentation) -> None:
    pixels = torch.rand(16, 3, 16, 16)
    torch.manual_seed(0)
    first = augment(pixels, kind, seed=1, step=2)
    torch.manual_seed(99)
    assert first.shape == pixels.shape
    assert torch.equal(first, augment(pixels, kind, seed=1, step=2))
    assert not torch.equal(first, augment(pixels, kind, seed=1, step=3))
    assert not torch.equal(first, augment(pixels, kind, seed=2, step=2))


def test_cropping_shifts_and_mirrors_only_where_asked() -> None:
    ramp = torch.arange(16.0).repeat(200, 1, 16, 1)  # each pixel holds its column
    moved = augment(ramp, "crop-flip", seed=0, step=0)
    rising = (moved[:, 0, 0, 8] - moved[:, 0, 0, 7]).sign()
    assert set(rising.tolist()) == {-1.0, 1.0}
    assert 60 < int((rising < 0).sum()) < 140  # half of 200 are mirrored; six deviations are 42
    shifts = moved[rising > 0, 0, 0, 8] - 8
    assert set(shifts.int().tolist()) == {-2, -1, 0, 1, 2}
    unmirrored = augment(ramp, "crop", seed=0, step=0)
    assert ((unmirrored[:, 0, 0, 8] - unmirrored[:, 0, 0, 7]) == 1).all()


def test_affine_moves_turn_images_about_their_middle_and_never_mirror_them() -> None:
    ramp = torch.linspace(-1, 1, 33).repeat(400, 1, 33, 1)
    moved = augment(ramp, "affine", seed=0, step=0)
    across = moved[:, 0, 16, 20] - moved[:, 0, 16, 12]
    down = moved[:, 0, 20, 16] - moved[:, 0, 12, 16]
    assert (across > 0).all()
    assert (down.abs() < across).all()  # no turn comes near a quarter
    assert float(moved[:, 0, 16, 16].mean().abs()) < 0.02
    assert moved.min() >= -1
    assert moved.max() <= 1
