"""The demo's images: an unlabelled pool of glyphs of many scripts, and handwritten digits as its target.

`python -m benchmarks.demo_data FOLDER` writes `pool.zip` (a folder a script, drawn from the DejaVu fonts that
matplotlib ships) and `target.zip` (scikit-learn's 8x8 digits in `train/` and `test/`). No digit, and nothing
that looks like one in print, is in the pool.
"""

from __future__ import annotations

import argparse
import functools
import io
import unicodedata
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from fontTools.ttLib import TTFont  # type: ignore[import-untyped]
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from sklearn.datasets import load_digits

SCRIPTS = {
    "latin": (0x0041, 0x024F),
    "phonetic": (0x0250, 0x02AF),
    "greek": (0x0370, 0x03FF),
    "cyrillic": (0x0400, 0x052F),
    "armenian": (0x0530, 0x058F),
    "hebrew": (0x05D0, 0x05EA),
    "arabic": (0x0620, 0x06FF),
    "nko": (0x07C0, 0x07FF),
    "lao": (0x0E80, 0x0EFF),
    "georgian": (0x10A0, 0x10FF),
    "syllabics": (0x1400, 0x167F),
    "currency": (0x20A0, 0x20CF),
    "arrows": (0x2190, 0x21FF),
    "math": (0x2200, 0x22FF),
    "box": (0x2500, 0x257F),
    "geometric": (0x25A0, 0x25FF),
    "dingbats": (0x2700, 0x27BF),
    "braille": (0x2800, 0x28FF),
    "tifinagh": (0x2D30, 0x2D7F),
    "old_italic": (0x10300, 0x1032F),
}
"""Script -> first and last code point of the Unicode block (or blocks) it is drawn from."""

FONTS = (
    "Sans",
    "Sans-Bold",
    "Sans-Oblique",
    "Serif",
    "Serif-Bold",
    "Serif-Italic",
    "SansMono",
    "SansMono-Bold",
)
GLYPH_SIZE = 64
CANVAS = 64
IMAGE_SIZE = 32
DETAIL = (8, 8, 10, 12, 16, 24, 32)  # pixels of real detail; the target's digits have 8
TOO_DIGIT_LIKE = 0.9
TRAIN_IMAGES_A_DIGIT = 50

Grey = NDArray[np.uint8]


@dataclass(frozen=True)
class Glyph:
    """A character in one font, drawn once and cropped to its ink."""

    character: str
    ink: Image.Image


def font_path(name: str) -> str:
    return str(Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"DejaVu{name}.ttf")


def is_drawable(code: int) -> bool:
    """Letters and symbols; no numbers of any kind, and no letter that is another one with an accent."""
    character = chr(code)
    category = unicodedata.category(character)[0]  # numbers are N, but for CJK ones, which have a value
    is_number = unicodedata.numeric(character, None) is not None
    return category in "LS" and not is_number and not unicodedata.decomposition(character)


def draw(character: str, font: ImageFont.FreeTypeFont) -> Image.Image | None:
    """The character in white on black, cropped to its ink; None if it has none."""
    image = Image.new("L", (4 * GLYPH_SIZE, 3 * GLYPH_SIZE))
    ImageDraw.Draw(image).text((GLYPH_SIZE, GLYPH_SIZE), character, fill=255, font=font)
    box = image.getbbox()
    return image.crop(box) if box else None


def likeness_vector(ink: Image.Image) -> NDArray[np.float64]:
    """The ink centred on a 16x16 square, blurred, as a unit vector: for comparing shapes."""
    side = max(ink.size)
    square = Image.new("L", (side, side))
    square.paste(ink, ((side - ink.width) // 2, (side - ink.height) // 2))
    blurred = square.resize((16, 16), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(0.7))
    pixels = np.asarray(blurred, dtype=np.float64).ravel()
    unit: NDArray[np.float64] = pixels / max(float(np.linalg.norm(pixels)), 1e-9)
    return unit


@functools.cache
def printed_digits() -> NDArray[np.float64]:
    """0 to 9 in every font, as rows to hold a glyph against."""
    fonts = [ImageFont.truetype(font_path(name), GLYPH_SIZE) for name in FONTS]
    drawn = [draw(digit, font) for digit in "0123456789" for font in fonts]
    return np.stack([likeness_vector(ink) for ink in drawn if ink is not None])


def looks_like_a_digit(ink: Image.Image) -> bool:
    """Whether a printed digit has nearly the same shape, as for O, l, Z or Cyrillic Ze."""
    return float((printed_digits() @ likeness_vector(ink)).max()) > TOO_DIGIT_LIKE


@functools.cache
def glyphs_of(script: str) -> tuple[Glyph, ...]:
    """Every glyph of a script, in every font that has it, digits and their likenesses left out."""
    first, last = SCRIPTS[script]
    drawn: dict[int, list[Image.Image]] = {}
    for name in FONTS:
        with TTFont(font_path(name), lazy=True) as table:
            covered = table.getBestCmap()
        font = ImageFont.truetype(font_path(name), GLYPH_SIZE)
        for code in range(first, last + 1):
            ink = draw(chr(code), font) if code in covered and is_drawable(code) else None
            if ink is not None:
                drawn.setdefault(code, []).append(ink)
    return tuple(
        Glyph(chr(code), ink)
        for code, inks in sorted(drawn.items())
        if not any(looks_like_a_digit(ink) for ink in inks)
        for ink in inks
    )


def thicken(ink: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Thicken the strokes by 0 to 6 pixels of 64, on a rim wide enough for it."""
    padded = Image.new("L", (ink.width + 8, ink.height + 8))
    padded.paste(ink, (4, 4))
    size = int(rng.choice([1, 1, 3, 5, 7]))
    return padded.filter(ImageFilter.MaxFilter(size)) if size > 1 else padded


def warp(ink: Image.Image, rng: np.random.Generator) -> Image.Image:
    """Lay the ink on the canvas by a random affine map, with a hand's wobble on a 4x4 grid."""
    angle, shear = np.deg2rad(rng.normal(0, 9)), rng.normal(0, 0.18)
    stretch = np.exp(rng.normal(0, 0.12))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shape = rotation @ np.array([[stretch, shear], [0, 1 / stretch]])
    extent = np.abs(shape) @ np.array(ink.size) / 2
    fill = CANVAS / 2 * rng.uniform(0.78, 1.0)
    to_canvas = shape * min(fill / extent.max(), 2.5)
    to_ink = np.linalg.inv(to_canvas)
    grid = np.stack(np.meshgrid(*[np.linspace(0, CANVAS, 4)] * 2, indexing="xy"), axis=-1)
    wobble = rng.normal(0, CANVAS * 0.022, grid.shape)
    centred = grid + wobble - CANVAS / 2 - rng.normal(0, 1.5, 2)
    source = centred @ to_ink.T + np.array(ink.size) / 2
    edges = np.linspace(0, CANVAS, 4).round().astype(int)
    mesh = [
        (
            (edges[i], edges[j], edges[i + 1], edges[j + 1]),
            tuple(np.concatenate([source[j, i], source[j + 1, i], source[j + 1, i + 1], source[j, i + 1]])),
        )
        for i in range(3)
        for j in range(3)
    ]
    return ink.transform((CANVAS, CANVAS), Image.Transform.MESH, mesh, Image.Resampling.BILINEAR)


def render(glyph: Glyph, rng: np.random.Generator) -> Grey:
    """One image of a glyph: thickness, shape, resolution, contrast and noise drawn at random."""
    warped = warp(thicken(glyph.ink, rng), rng)
    detail = int(rng.choice(DETAIL))
    small = warped.resize((detail, detail), Image.Resampling.BOX)
    pixels = np.asarray(small.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC), dtype=np.float64)
    contrast = 255 * rng.uniform(0.75, 1.0) / max(pixels.max(), 1.0)
    noisy = pixels * contrast + rng.normal(0, rng.uniform(0, 12), pixels.shape)
    clipped: Grey = np.clip(noisy, 0, 255).astype(np.uint8)
    return clipped


def pool_images(n_images: int, seed: int) -> Iterator[tuple[str, Grey]]:
    """(path, pixels) of the pool, `n_images` shared equally among the scripts."""
    counts = np.full(len(SCRIPTS), n_images // len(SCRIPTS))
    counts[: n_images % len(SCRIPTS)] += 1
    for index, (script, count) in enumerate(zip(SCRIPTS, counts, strict=True)):
        rng = np.random.default_rng([seed, index])
        glyphs = glyphs_of(script)
        order = [i for _ in range(-(-count // len(glyphs))) for i in rng.permutation(len(glyphs))][:count]
        for number, chosen in enumerate(order):
            glyph = glyphs[chosen]
            yield f"{script}/{number:04d}_u{ord(glyph.character):05x}.png", render(glyph, rng)


def target_images(seed: int) -> Iterator[tuple[str, Grey]]:
    """(path, pixels) of scikit-learn's digits: 50 a class to draw labelled ones from, the rest to test on."""
    digits = load_digits()
    rng = np.random.default_rng(seed)
    for digit in range(10):
        members = rng.permutation(np.flatnonzero(digits.target == digit))
        for place, item in enumerate(members):
            split = "train" if place < TRAIN_IMAGES_A_DIGIT else "test"
            pixels: Grey = np.round(digits.images[item] * (255 / 16)).astype(np.uint8)
            yield f"{split}/{digit}/{item:04d}.png", pixels


def write_zip(path: Path, images: Iterator[tuple[str, Grey]]) -> int:
    """Write the images as PNG, byte for byte the same each time; returns how many."""
    n_written = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, pixels in images:
            encoded = io.BytesIO()
            Image.fromarray(pixels).save(encoded, "PNG")
            archive.writestr(zipfile.ZipInfo(name), encoded.getvalue())
            n_written += 1
    return n_written


def write_demo_data(folder: Path, *, n_images: int = 6000, seed: int = 0) -> tuple[Path, Path]:
    """Write `pool.zip` and `target.zip` into a folder, made if need be; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    pool, target = folder / "pool.zip", folder / "target.zip"
    write_zip(pool, pool_images(n_images, seed))
    write_zip(target, target_images(seed))
    return pool, target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=6000, help="size of the pool")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for path in write_demo_data(arguments.folder, n_images=arguments.images, seed=arguments.seed):
        print(path)


if __name__ == "__main__":
    main()
