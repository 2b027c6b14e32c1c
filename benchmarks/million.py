"""Indexing archives of many tiny images: how the memory at its peak and the pace depend on their number.

Run: python -m benchmarks.million [zip|tar] [ENTRIES ...]
"""

import struct
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from benchmarks.machine import describe

SIZES = (10_000, 100_000, 1_000_000)
CLASSES = 100
LOCAL_BYTES = 30  # of a zip's local header, without the name

# In a process of its own, since a peak is never taken back. Packing a few items loads what packing needs.
PACK = """
import resource, sys, time
from pathlib import Path
from g2l.data.pack import write_pack
few, many, folder = map(Path, sys.argv[1:])
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
write_pack(few, few.name, folder / "few")
before, started = peak(), time.perf_counter()
summary = write_pack(many, many.name, folder / "many")
print(summary.n_items, time.perf_counter() - started, before, peak())
"""
LIST = """
import resource, sys, zipfile
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before = peak()
n_entries = len(zipfile.ZipFile(sys.argv[1]).infolist())
print(n_entries, 0, before, peak())
"""


def images(n_entries: int) -> Iterator[tuple[str, bytes]]:
    """Names in no order, and images of one pixel, all of them different."""
    for i in range(n_entries):
        number = i * 7_919 % n_entries
        pixel = bytes((number >> 16 & 255, number >> 8 & 255, number & 255))
        yield f"class{number % CLASSES:02d}/{number:07d}.ppm", b"P6 1 1 255\n" + pixel


def write_zip(path: Path, n_entries: int) -> None:
    """A zip without compression; `zipfile` would keep an object an entry."""
    with path.open("wb") as file, tempfile.TemporaryFile() as directory:
        offset = 0
        for name, data in images(n_entries):
            fields = (0, 0, 0, 0, zlib.crc32(data), len(data), len(data), len(name), 0)
            file.write(struct.pack("<4sH4H3L2H", b"PK\3\4", 20, *fields) + name.encode() + data)
            record = struct.pack("<4s2H4H3L2H", b"PK\1\2", 20, 20, *fields)
            directory.write(record + struct.pack("<3H2L", 0, 0, 0, 0, offset) + name.encode())
            offset += LOCAL_BYTES + len(name) + len(data)
        n_bytes = directory.tell()
        directory.seek(0)
        while chunk := directory.read(2**20):
            file.write(chunk)
        wide = (44, 45, 45, 0, 0, n_entries, n_entries, n_bytes, offset)
        file.write(struct.pack("<4sQ2H2L4Q", b"PK\6\6", *wide))
        file.write(struct.pack("<4sLQL", b"PK\6\7", 0, offset + n_bytes, 1))
        file.write(struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2**16 - 1, 2**16 - 1, 2**32 - 1, 2**32 - 1, 0))


def write_tar(path: Path, n_entries: int) -> None:
    """A plain tar."""
    with path.open("wb") as file:
        for name, data in images(n_entries):
            _write_member(file, name, data)
        file.write(bytes(2 * tarfile.BLOCKSIZE))


def _write_member(file: BinaryIO, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    file.write(info.tobuf(tarfile.USTAR_FORMAT) + data.ljust(tarfile.BLOCKSIZE, b"\0"))


def measured(code: str, *arguments: Path) -> tuple[int, float, float, float]:
    """(entries, seconds, MiB before, MiB at the peak) of a script."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    words = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return int(words[0]), float(words[1]), float(words[2]), float(words[3])


def main() -> None:
    kind = sys.argv[1] if len(sys.argv) > 1 else "zip"
    sizes = [int(word) for word in sys.argv[2:]] or SIZES
    write = {"zip": write_zip, "tar": write_tar}[kind]
    print(describe())
    print(
        f"| {kind} entries | entries/s | MiB at first | MiB more at the peak | bytes more an entry |", end=""
    )
    print(" bytes an entry of `zipfile`'s list |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(few := folder / f"few.{kind}", 100)
        for n_entries in sizes:
            write(many := folder / f"many.{kind}", n_entries)
            n, seconds, before, peak = measured(PACK, few, many, folder / f"packs{n_entries}")
            print(f"| {n:,} | {n / seconds:,.0f} | {before:.0f} | {peak - before:.1f} | ", end="")
            print(f"{(peak - before) * 2**20 / n:.0f} | {_zipfile_list(kind, many)} |", flush=True)


def _zipfile_list(kind: str, path: Path) -> str:
    if kind != "zip":
        return "none"
    n, _, before, peak = measured(LIST, path)
    return f"{(peak - before) * 2**20 / n:.0f}"


if __name__ == "__main__":
    main()
