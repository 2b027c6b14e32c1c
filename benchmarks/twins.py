"""How many planted twins are found, and what is taken for a twin without being one.

    python -m benchmarks.twins [FOLDER] [--most 1000] [--sheet OUT.png]

FOLDER has archives with a folder a class in `train` and `test`; without it the demo's glyphs and digits are
made. Each test image without a twin in its archive's training part is hidden there: coded as JPEG of quality
30 to 90, resized by 0.5 to 2, every other one mirrored. False alarms are twins that it has in the training
part of another archive. Pairs that an archive's own parts are said to share are counted, and shown side by
side on the sheet. Prints a Markdown table.
"""

import argparse
import io
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.demo_data import write_demo_data
from benchmarks.machine import describe
from g2l.data.pack import Pack, write_pack
from g2l.data.splits import ClassTooSmallError, Indices
from g2l.twins import SIDE, Signatures, find_twins, signatures

CROPS = (0.0, 0.02, 0.05)  # of a side, cut off in all
FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


@dataclass(frozen=True)
class Archive:
    """A pack with what its two parts are told apart by."""

    name: str
    pack: Pack
    train: Indices
    test: Indices
    train_signatures: Signatures
    test_signatures: Signatures


def altered(image: Image.Image, rng: np.random.Generator, *, crop: float, mirrored: bool) -> bytes:
    """A twin of an image, as JPEG."""
    width, height = image.size
    cut_x, cut_y = round(width * crop), round(height * crop)
    left, top = int(rng.integers(0, cut_x + 1)), int(rng.integers(0, cut_y + 1))
    image = image.crop((left, top, left + width - cut_x, top + height - cut_y))
    factor = 2 ** rng.uniform(-1, 1)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    image = image.resize(size, FILTERS[rng.integers(len(FILTERS))])
    if mirrored:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    file = io.BytesIO()
    image.save(file, "JPEG", quality=int(rng.integers(30, 91)))
    return file.getvalue()


def planted(archive: Archive, folder: Path, *, crop: float) -> Signatures:
    """Signatures of altered test images, in their order, that came the way of all images."""
    rng, path = np.random.default_rng(0), folder / f"{archive.name}-{crop}.zip"
    with zipfile.ZipFile(path, "w") as file:
        for number, item in enumerate(archive.test):
            pixels = archive.pack.image(int(item))
            image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels).convert("RGB")
            file.writestr(f"{number:06d}.jpg", altered(image, rng, crop=crop, mirrored=number % 2 == 1))
    write_pack(path, path.name, folder / path.stem)
    return signed(Pack(folder / path.stem))


def signed(pack: Pack, items: Indices | None = None) -> Signatures:
    return signatures(pack.resized(SIDE, pack.summary.channels, items))


def opened(path: Path, folder: Path, most: int) -> Archive:
    write_pack(path, path.name, folder / path.stem)
    pack = Pack(folder / path.stem)
    rng = np.random.default_rng(0)
    try:
        split = pack.target_split()
        train, test = split.train, split.test
    except ClassTooSmallError:  # a pool
        train, test = np.array_split(rng.permutation(len(pack)), [4 * len(pack) // 5])
    test = np.sort(rng.permutation(test)[:most])
    return Archive(path.stem, pack, train, test, signed(pack, train), signed(pack, test))


def shares_found(archive: Archive, alone: Indices, folder: Path) -> list[float]:
    """Of planted twins, for each crop, of the test images that have no other twin."""
    shares = []
    for crop in CROPS:
        pool = np.concatenate([archive.train_signatures, planted(archive, folder, crop=crop)])
        found = np.isin(alone, find_twins(pool, archive.test_signatures).items)
        shares.append(float(found.mean()))
    return shares


def sheet(archives: Sequence[Archive], path: Path, *, most: int = 24) -> None:
    """Pairs that archives are said to share, a row of pairs an archive."""
    whole = Image.new("RGB", (most * 100, len(archives) * 100), "white")
    for row, archive in enumerate(archives):
        twins = find_twins(archive.train_signatures, archive.test_signatures)
        for place in range(min(most, len(twins.items))):
            pair = (archive.test[twins.items[place]], archive.train[twins.others[place]])
            for half, item in enumerate(pair):
                thumbnail = Image.open(io.BytesIO(archive.pack.thumbnail(int(item), 48)))
                whole.paste(thumbnail, (place * 100 + half * 48, row * 100))
    whole.save(path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", type=Path, help="of zip archives")
    parser.add_argument("--most", type=int, default=1000, help="test images of an archive")
    parser.add_argument("--sheet", type=Path, help="where a picture of the pairs found goes")
    given = parser.parse_args()
    print(f"{describe()}\n")
    with TemporaryDirectory() as name:
        scratch = Path(name)
        paths = sorted(given.folder.glob("*.zip")) if given.folder else write_demo_data(scratch / "demo")
        archives = [opened(path, scratch, given.most) for path in paths]
        report(archives, scratch)
        if given.sheet:
            sheet(archives, given.sheet)


def report(archives: Sequence[Archive], scratch: Path) -> None:
    crops = " | ".join(f"cut by {crop:.0%}" for crop in CROPS[1:])
    print(f"| archive | tested | found, % | {crops} | false alarms, of pairs with others | own parts share |")
    print("|---|---|---|---|---|---|---|")
    n_found, n_tested, n_false, n_asked = 0.0, 0, 0, 0
    for archive in archives:
        own = find_twins(archive.train_signatures, archive.test_signatures).items
        alone = np.setdiff1d(np.arange(len(archive.test)), own)
        shares, tested = shares_found(archive, alone, scratch), len(alone)
        others = [other for other in archives if other is not archive]
        false = sum(
            len(find_twins(other.train_signatures, archive.test_signatures[alone]).items) for other in others
        )
        found = " | ".join(f"{share * 100:.1f}" for share in shares)
        false_of = f"{false} of {tested * len(others):,}"
        print(f"| {archive.name} | {tested:,} | {found} | {false_of} | {len(own)} |", flush=True)
        n_found, n_tested = n_found + shares[0] * tested, n_tested + tested
        n_false, n_asked = n_false + false, n_asked + tested * len(others)
    print(f"\nIn all {n_found / n_tested:.2%} found of {n_tested:,};", end=" ")
    print(f"false alarms {n_false} of {n_asked:,} ({n_false / n_asked:.3%}).\n")
    print_cost(max(archives, key=lambda archive: len(archive.train)))


def print_cost(archive: Archive) -> None:
    """What a transfer pays: the first two once for a dataset, the last each time."""
    pack = archive.pack
    marks = [(time.perf_counter(), time.process_time())]

    def mark() -> str:
        marks.append((time.perf_counter(), time.process_time()))
        (wall, cpu), (last_wall, last_cpu) = marks[-1], marks[-2]
        return f"{wall - last_wall:.2f} s ({cpu - last_cpu:.2f} s of processor time)"

    images = pack.resized(SIDE, pack.summary.channels, archive.train)
    print(f"Decoding {len(images):,} images of {archive.name}: {mark()};", end=" ")
    pool = signatures(images)
    print(f"their signatures: {mark()};", end=" ")
    find_twins(pool, archive.test_signatures)
    print(f"twins among them of {len(archive.test):,}: {mark()}.")


if __name__ == "__main__":
    main()
