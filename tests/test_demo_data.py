"""The demo's data: reproducible, free of digits, and laid out as the service reads it."""

from __future__ import annotations

import io
import unicodedata
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFont

from benchmarks.demo_data import (
    SCRIPTS,
    draw,
    font_path,
    glyphs_of,
    is_drawable,
    looks_like_a_digit,
    write_demo_data,
)


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_demo_data(tmp_path_factory.mktemp("demo"), n_images=203, seed=3)


def read(path: Path) -> dict[str, Image.Image]:
    with zipfile.ZipFile(path) as archive:
        return {name: Image.open(io.BytesIO(archive.read(name))) for name in archive.namelist()}


def test_the_pool_has_a_folder_a_script_and_the_images_asked_for(archives: tuple[Path, Path]) -> None:
    images = read(archives[0])
    per_script = Counter(name.split("/")[0] for name in images)
    assert set(per_script) == set(SCRIPTS)
    assert len(images) == 203
    assert max(per_script.values()) - min(per_script.values()) <= 1
    assert {(image.size, image.mode) for image in images.values()} == {((32, 32), "L")}


def test_every_image_shows_something(archives: tuple[Path, Path]) -> None:
    assert all(np.asarray(image).std() > 5 for image in read(archives[0]).values())


def test_the_target_is_the_whole_of_the_digits_with_fifty_a_class_to_train_on(
    archives: tuple[Path, Path],
) -> None:
    images = read(archives[1])
    counts = Counter(tuple(name.split("/")[:2]) for name in images)
    assert len(images) == 1797
    assert {digit: counts["train", digit] for digit in "0123456789"} == dict.fromkeys("0123456789", 50)
    assert {(image.size, image.mode) for image in images.values()} == {((8, 8), "L")}


def test_one_seed_gives_the_same_bytes_and_another_seed_others(
    archives: tuple[Path, Path], tmp_path: Path
) -> None:
    same = write_demo_data(tmp_path / "same", n_images=203, seed=3)
    other = write_demo_data(tmp_path / "other", n_images=203, seed=4)
    assert [path.read_bytes() for path in same] == [path.read_bytes() for path in archives]
    assert other[0].read_bytes() != archives[0].read_bytes()


@pytest.mark.parametrize("script", SCRIPTS)
def test_no_glyph_is_a_number_or_the_likeness_of_a_digit(script: str) -> None:
    glyphs = glyphs_of(script)
    assert len({glyph.character for glyph in glyphs}) >= 20
    assert not [g.character for g in glyphs if unicodedata.numeric(g.character, None) is not None]
    assert not [g.character for g in glyphs if looks_like_a_digit(g.ink)]


@pytest.mark.parametrize("character", "OoIlSs\u01b7")
def test_letters_that_read_as_digits_are_left_out(character: str) -> None:
    assert character not in {glyph.character for glyph in glyphs_of("latin")}


def test_a_printed_digit_is_told_from_an_arrow() -> None:
    font = ImageFont.truetype(font_path("Sans"), 64)
    eight, arrow = draw("8", font), draw("\u2192", font)
    assert eight is not None
    assert arrow is not None
    assert looks_like_a_digit(eight)
    assert not looks_like_a_digit(arrow)


@pytest.mark.parametrize("character", "7²③Ⅷ٤½é")
def test_numbers_of_any_kind_and_accented_letters_are_not_drawn(character: str) -> None:
    assert not is_drawable(ord(character))
