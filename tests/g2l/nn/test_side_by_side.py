"""Several embedders as one."""

from pathlib import Path

import numpy as np
import pytest

from g2l.nn.embedders import Embedder, NotEmbeddableError
from g2l.nn.identity import fit_identity
from g2l.nn.patch_kmeans import fit_patch_kmeans
from g2l.nn.side_by_side import fit_side_by_side
from g2l.standardization import Standardization, fit_standardization
from tests.g2l.nn.samples import noise


def test_no_part_outweighs_another_and_each_keeps_its_geometry(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    small = rng.normal(5, 1e-3, (50, 4)).astype(np.float32)
    large = (rng.normal(size=(50, 300)) * np.arange(1, 301)).astype(np.float32)
    fitted = fit_standardization([small, large])
    joined = fitted.join([small, large])
    assert joined.shape == (50, 304)
    for part, columns in ((small, joined[:, :4]), (large, joined[:, 4:])):
        assert (columns.astype(float) ** 2).sum(axis=1).mean() == pytest.approx(1, rel=1e-3)
        before, after = part - part[0], columns - columns[0]
        np.testing.assert_allclose(after / after.std(), before / before.std(), atol=1e-2)
    fitted.save(tmp_path / "fitted.npz")
    assert np.array_equal(Standardization.load(tmp_path / "fitted.npz").join([small, large]), joined)


def test_a_part_that_says_nothing_becomes_zeros() -> None:
    flat, other = np.full((5, 3), 7, np.float32), np.eye(5, dtype=np.float32)
    joined = fit_standardization([flat, other]).join([flat, other])
    assert not joined[:, :3].any()
    assert np.isfinite(joined).all()


def test_identity_stands_alone() -> None:
    parts: list[Embedder] = [
        fit_patch_kmeans(noise(9, 8, 3), seed=0, n_centroids=4),
        fit_identity(np.zeros((2, 3))),
    ]
    with pytest.raises(NotEmbeddableError):
        fit_side_by_side(parts, noise(9, 8, 3))
