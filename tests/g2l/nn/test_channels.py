"""Any number of channels and both depths, from files to weights to a transfer."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from g2l import passes
from g2l.data.ingest import MixedChannelsError
from g2l.data.pack import Pack, write_pack
from g2l.estimator import GeometryLabeler
from g2l.nn.models import load_model, save_model
from g2l.nn.patch_kmeans import fit_patch_kmeans
from g2l.nn.pretrain import pretrain
from g2l.nn.transfer import transfer
from tests.fixtures.images import encoded, write_zip

SIDE, EACH = 16, 10


def picture(seed: int, kind: int, channels: int, dtype: str) -> NDArray[Any]:
    """(H, W, C): stripes whose direction and strength in each band tell the kind."""
    rng = np.random.default_rng([seed, kind])
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    stripes = np.sin((x if kind else y)[..., None] * (0.5 + 0.1 * np.arange(channels)) + rng.uniform(0, 6))
    values = 0.5 + 0.35 * stripes + rng.normal(0, 0.05, (SIDE, SIDE, channels))
    return np.asarray((values.clip(0, 1) * np.iinfo(dtype).max).round(), dtype)


def tiff(pixels: NDArray[Any]) -> bytes:
    file = io.BytesIO()
    photometric = "rgb" if pixels.shape[2] == 3 else "minisblack"
    planar = None if pixels.shape[2] == 1 else "contig"
    tifffile.imwrite(file, pixels.squeeze(), photometric=photometric, planarconfig=planar, compression="zlib")
    return file.getvalue()


def packed(folder: Path, form: str, channels: int, dtype: str) -> Pack:
    pictures = {(kind, i): picture(i, kind, channels, dtype) for kind in range(2) for i in range(EACH)}
    if form == "npz":
        path = folder / "bands.npz"
        np.savez(path, images=np.stack([*pictures.values()]), labels=[f"kind{kind}" for kind, _ in pictures])
    else:
        path = folder / "bands.zip"
        write_zip(path, {f"kind{kind}/{i}.tif": tiff(pixels) for (kind, i), pixels in pictures.items()})
    write_pack(path, path.name, folder / "pack")
    return Pack(folder / "pack")


@pytest.mark.parametrize(
    ("form", "channels", "dtype"),
    [("tiff", 1, "uint16"), ("tiff", 3, "uint16"), ("npz", 4, "uint8"), ("tiff", 4, "uint16"),
     ("npz", 13, "uint16"), ("tiff", 13, "uint8")],
)  # fmt: skip
def test_from_files_to_a_transfer(
    form: str, channels: int, dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passes, "FEWEST_STEPS", 4)
    pack = packed(tmp_path, form, channels, dtype)
    assert (len(pack), pack.summary.channels, pack.summary.dtype) == (2 * EACH, channels, dtype)
    images = pack.resized(SIDE, channels)
    assert images.shape == (2 * EACH, SIDE, SIDE, channels)
    assert images.dtype.name == dtype

    responses = fit_patch_kmeans(images, seed=0, n_centroids=8).embed(images)
    assert np.isfinite(responses).all()
    labeler = GeometryLabeler(n_anchors=3, length=1).fit(responses)
    trained = pretrain(images, labeler.labels_, n_classes=len(labeler.classes_), epochs=1, batch_size=8)
    assert trained.preprocessing.bits == (16 if dtype == "uint16" else 8)
    assert trained.preprocessing.channels == channels
    assert all(0.2 < mean < 0.8 for mean in trained.preprocessing.mean)  # full scale is 1 at either depth
    save_model(tmp_path / "model", trained.model, labels=labeler.classes_.tolist(),
               preprocessing=trained.preprocessing, card="# Bands\n", provenance={})  # fmt: skip
    assert load_model(tmp_path / "model").model.config.num_channels == channels

    split = pack.target_split()
    result = transfer(
        images[split.train], pack.class_ids[split.train], images[split.test], pack.class_ids[split.test],
        class_names=pack.classes, init=tmp_path / "model", epochs=1, learning_rate=0.003,
    )  # fmt: skip
    assert result.n_test == len(split.test) == 6
    assert result.model.config.num_channels == channels

    thumbnail = np.asarray(Image.open(io.BytesIO(pack.thumbnail(0, 8))), float)
    assert thumbnail.shape == ((8, 8) if channels == 1 else (8, 8, 3))
    assert 30 < thumbnail.mean() < 220  # neither cut at 8 bits nor dark


def test_images_of_other_bands_are_no_one_dataset(tmp_path: Path) -> None:
    files = {"a.tif": tiff(picture(0, 0, 13, "uint8")), "b.png": encoded("png")}
    with pytest.raises(MixedChannelsError, match=r"'b.png' has 3 channels, and the images before it have 13"):
        write_pack(write_zip(tmp_path / "mixed.zip", files), "mixed.zip", tmp_path / "pack")
    assert not (tmp_path / "pack").exists()


def test_an_rgba_png_is_laid_over_white_and_four_bands_are_not(tmp_path: Path) -> None:
    write_pack(write_zip(tmp_path / "png.zip", {"a.png": encoded("rgba png")}), "png.zip", tmp_path / "png")
    assert Pack(tmp_path / "png").summary.channels == 3
    four = {"a.tif": tiff(picture(0, 0, 4, "uint8"))}
    write_pack(write_zip(tmp_path / "tif.zip", four), "tif.zip", tmp_path / "tif")
    assert Pack(tmp_path / "tif").summary.channels == 4
