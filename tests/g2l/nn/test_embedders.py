"""One list of checks over every embedder, then what each is for."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from g2l.nn.embedders import Embedder, NotAnEmbedderError, NotEmbeddableError, load_embedder
from g2l.nn.identity import fit_identity
from g2l.nn.images import ChannelMismatchError, NotImagesError
from g2l.nn.linear_probe import fit_probe
from g2l.nn.model_embedder import ModelEmbedder, fit_anchor_network
from g2l.nn.onnx_embedder import OnnxPreprocessing, import_onnx
from g2l.nn.patch_kmeans import PATCH, fit_patch_kmeans, normalized
from g2l.nn.self_supervised import pretrain_self_supervised
from g2l.nn.side_by_side import fit_side_by_side
from tests.g2l.nn.onnx_graphs import save_network
from tests.g2l.nn.samples import Labelled, noise, save_random_model

ITEMS = noise(20, 16, 3, seed=3)


def patch_kmeans(_: Path) -> Embedder:
    return fit_patch_kmeans(ITEMS, seed=0, n_centroids=12)


def patch_kmeans_with_flips(_: Path) -> Embedder:
    return fit_patch_kmeans(ITEMS, seed=0, n_centroids=12, flips=True)


def convolutional(folder: Path) -> Embedder:
    return ModelEmbedder.of_folder(save_random_model(folder / "resnet"))


def transformer_with_flips(folder: Path) -> Embedder:
    return ModelEmbedder.of_folder(save_random_model(folder / "vit", arch="vit-tiny"), flips=True)


def convnext(folder: Path) -> Embedder:
    return ModelEmbedder.of_folder(save_random_model(folder / "next", arch="convnextv2-atto", side=32))


def anchor_network(_: Path) -> Embedder:
    return fit_anchor_network(ITEMS, np.arange(20) % 2, seed=0, epochs=1)


def self_supervised(_: Path) -> Embedder:
    made = pretrain_self_supervised(ITEMS, epochs=1)
    return ModelEmbedder(made.model, made.preprocessing, kind="self-supervised")


def onnx_network(folder: Path) -> Embedder:
    return import_onnx(save_network(folder / "network.onnx"), OnnxPreprocessing())


def side_by_side(folder: Path) -> Embedder:
    return fit_side_by_side([patch_kmeans(folder), convolutional(folder)], ITEMS)


EMBEDDERS = [
    patch_kmeans,
    patch_kmeans_with_flips,
    convolutional,
    transformer_with_flips,
    convnext,
    anchor_network,
    self_supervised,
    onnx_network,
    side_by_side,
]


@pytest.mark.parametrize("make", EMBEDDERS, ids=lambda make: make.__name__)
def test_every_embedder_keeps_the_protocol(make: Callable[[Path], Embedder], tmp_path: Path) -> None:
    embedder = make(tmp_path)
    seen: list[tuple[int, int]] = []
    responses = embedder.embed(
        ITEMS, batch_size=6, on_progress=lambda done, total: seen.append((done, total))
    )
    assert responses.shape == (20, embedder.dim)
    assert responses.dtype == np.float32
    assert np.isfinite(responses).all()
    assert seen == [(6, 20), (12, 20), (18, 20), (20, 20)]
    scale = np.abs(responses).max()
    for batch_size in (1, 20):  # float32 sums in another order
        assert np.abs(embedder.embed(ITEMS, batch_size=batch_size) - responses).max() <= 1e-5 * max(1, scale)
    assert np.array_equal(embedder.embed(ITEMS, batch_size=6), responses)
    embedder.save(tmp_path / "saved")
    loaded = load_embedder(tmp_path / "saved")
    assert (loaded.kind, loaded.dim, loaded.image_size) == (embedder.kind, embedder.dim, embedder.image_size)
    assert np.array_equal(loaded.embed(ITEMS, batch_size=6), responses)


@pytest.mark.parametrize("make", EMBEDDERS, ids=lambda make: make.__name__)
def test_every_embedder_of_images_refuses_what_it_cannot_take(
    make: Callable[[Path], Embedder], tmp_path: Path
) -> None:
    embedder = make(tmp_path)
    with pytest.raises(ChannelMismatchError):
        embedder.embed(noise(2, 16, 5))
    with pytest.raises(NotImagesError):
        embedder.embed(np.zeros((2, 7), np.float32))
    assert embedder.embed(noise(2, 24, 1)).shape == (2, embedder.dim)


@pytest.mark.parametrize(
    "make", [patch_kmeans_with_flips, transformer_with_flips], ids=lambda make: make.__name__
)
def test_with_flips_an_image_and_its_mirror_image_are_one(
    make: Callable[[Path], Embedder], tmp_path: Path
) -> None:
    embedder = make(tmp_path)
    mirrored = embedder.embed(np.ascontiguousarray(ITEMS[:, :, ::-1]))
    assert np.allclose(embedder.embed(ITEMS), mirrored, atol=1e-5)


def test_patch_kmeans_is_a_function_of_its_seed() -> None:
    one, same, other = (fit_patch_kmeans(ITEMS, seed=s, n_centroids=12).embed(ITEMS) for s in (4, 4, 5))
    assert np.array_equal(one, same)
    assert not np.allclose(one, other)


def test_patch_kmeans_equals_its_definition() -> None:
    """Patch by patch in float64, as the paper words it."""
    embedder = fit_patch_kmeans(ITEMS, seed=0, n_centroids=12)
    white, mean, centres = (t.double() for t in (embedder._whitening, embedder._mean, embedder._centroids))
    pixels = torch.from_numpy(ITEMS[:1]).permute(0, 3, 1, 2).double()[0] / 255
    n = 16 - PATCH + 1
    maps = torch.empty(n, n, 12, dtype=torch.float64)
    for row in range(n):
        for column in range(n):
            patch = pixels[:, row : row + PATCH, column : column + PATCH].reshape(1, -1)
            gaps = torch.cdist((normalized(patch) - mean) @ white, centres)[0]
            maps[row, column] = (gaps.mean() - gaps).clamp_min(0)
    quarters = [
        maps[a, b].mean(dim=(0, 1)) for a in (slice(0, 6), slice(5, n)) for b in (slice(0, 6), slice(5, n))
    ]
    assert np.allclose(embedder.embed(ITEMS[:1])[0], torch.cat(quarters), atol=1e-4)


@pytest.mark.parametrize("fit", ["patches", "anchors"])
def test_fitted_responses_tell_digits_apart(digits: Labelled, fit: str) -> None:
    data = digits.first(700)
    if fit == "patches":
        embedder: Embedder = fit_patch_kmeans(data.images, seed=0, n_centroids=32)
    else:
        embedder = fit_anchor_network(data.images, data.labels, seed=0, epochs=6)
    responses = embedder.embed(digits.images[700:1100])
    probe = fit_probe(responses[:100], digits.labels[700:800], 10, seed=0)
    predicted = (torch.from_numpy(responses[100:]) @ probe.weight.T + probe.bias).argmax(dim=1).numpy()
    assert (predicted == digits.labels[800:1100]).mean() > 0.6  # chance is 0.1


def test_constant_and_tiny_images_give_finite_responses() -> None:
    flat = np.full((4, 8, 8, 1), 9, dtype=np.uint8)
    assert np.isfinite(fit_patch_kmeans(flat, seed=0, n_centroids=8).embed(flat)).all()


def test_identity_gives_embeddings_back_and_refuses_images(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(9, 5))
    identity = fit_identity(vectors)
    identity.save(tmp_path)
    assert np.allclose(load_embedder(tmp_path).embed(vectors, batch_size=4), vectors)
    for other in (ITEMS, vectors[:, :3], np.zeros((2, 5), int)):
        with pytest.raises(NotEmbeddableError) as caught:
            identity.embed(other)
        assert caught.value.field == "embedder"


def test_an_embedder_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "embedder.json").write_text('{"kind": "telepathy"}')
    with pytest.raises(NotAnEmbedderError, match="telepathy"):
        load_embedder(tmp_path)
