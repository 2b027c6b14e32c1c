"""Archives built to exhaust their reader."""

import contextlib
import gzip
import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from g2l.data import limits
from g2l.data.limits import HostileArchiveError
from g2l.data.zips import BrokenArchiveError
from tests.fixtures.images import encoded, write_tar, write_zip
from tests.g2l.data.test_archives import accepted, entries, rejected

LOCAL = struct.Struct("<4s5H3L2H")
RECORD = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")


def quoted_overlap_bomb(n_files: int, kernel_size: int) -> bytes:
    """Each file's deflate stream quotes the next one's header and goes on with its data (Fifield, 2019)."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = deflate.compress(b"\0" * kernel_size) + deflate.flush()
    crc, unpacked, tail = zlib.crc32(b"\0" * kernel_size), kernel_size, b""
    plain = b"\0" * kernel_size
    headers: list[tuple[bytes, int, int, int]] = []
    for i in reversed(range(n_files)):
        name = f"{i:04d}.png".encode()
        header = LOCAL.pack(b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(packed), unpacked, len(name), 0) + name
        headers.append((name, crc, len(packed), unpacked))
        tail = header + packed
        quote = b"\0" + struct.pack("<HH", len(header), len(header) ^ 0xFFFF) + header
        packed, plain = quote + packed, header + plain
        crc, unpacked = zlib.crc32(plain), len(plain)
    directory, offset = b"", 0
    for name, file_crc, n_packed, n_unpacked in reversed(headers):
        directory += RECORD.pack(
            b"PK\x01\x02",
            20,
            20,
            0,
            8,
            0,
            0,
            file_crc,
            n_packed,
            n_unpacked,
            len(name),
            0,
            0,
            0,
            0,
            0,
            offset,
        )
        directory += name
        offset += LOCAL.size + len(name) + 5
    return tail + directory + END.pack(b"PK\x05\x06", 0, 0, n_files, n_files, len(directory), len(tail), 0)


def test_an_overlapping_zip_bomb_is_refused(tmp_path: Path) -> None:
    bomb = quoted_overlap_bomb(50, 10_000_000)
    assert len(bomb) < 20_000
    (tmp_path / "bomb.zip").write_bytes(bomb)
    with zipfile.ZipFile(
        io.BytesIO(bomb)
    ) as archive:  # a real bomb: its directory adds up to half a gigabyte
        assert sum(info.file_size for info in archive.infolist()) > 500_000_000
    with pytest.raises(HostileArchiveError, match="overlap"):
        entries(tmp_path / "bomb.zip")


def test_two_entries_on_one_file_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "same.zip", {"a.png": encoded("png"), "b.png": encoded("png")})
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\x01\x02")
    data[second + 42 : second + 46] = b"\0" * 4
    path.write_bytes(data)
    with pytest.raises(HostileArchiveError, match="overlap"):
        entries(path)


def test_a_member_larger_than_an_image_may_be_is_rejected_unread(tmp_path: Path) -> None:
    zeros = b"\0" * (limits.MAX_ITEM_BYTES + 1)
    path = write_zip(
        tmp_path / "large.zip", {"zeros.png": zeros, "x.png": encoded("png")}, zipfile.ZIP_DEFLATED
    )
    assert list(accepted(path)) == ["x.png"]
    assert "more than 134,217,728" in rejected(path)["zeros.png"]


@pytest.mark.parametrize("declared", [10, 10**6])
def test_a_member_that_lies_about_its_size_is_rejected(declared: int, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "lie.zip", {"zeros.png": b"\0" * 5000}, zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    record = data.index(b"PK\x01\x02")
    data[record + 24 : record + 28] = declared.to_bytes(4, "little")
    path.write_bytes(data)
    assert accepted(path) == {}
    assert "zeros.png" in rejected(path)


def test_an_archive_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "FREE_BYTES", 2**20)
    files = {f"{i}.png": b"\0" * 2**20 for i in range(4)}
    with pytest.raises(HostileArchiveError, match="unpacks to more than"):
        entries(write_zip(tmp_path / "zeros.zip", files, zipfile.ZIP_DEFLATED))
    with pytest.raises(HostileArchiveError, match="unpacks to more than"):
        entries(write_tar(tmp_path / "zeros.tar.gz", files))


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_ENTRIES", 3)
    files = {f"{i}.png": encoded("png") for i in range(4)}
    for path in (write_zip(tmp_path / "many.zip", files), write_tar(tmp_path / "many.tar", files)):
        with pytest.raises(HostileArchiveError, match="more than 3 entries"):
            entries(path)


def test_a_gigabyte_of_pax_header_is_not_read(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 2**30
    with gzip.open(tmp_path / "pax.tar.gz", "wb", compresslevel=1) as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT))
        file.write(b"\0" * 2**22)
    with pytest.raises(BrokenArchiveError, match=r"1,073,741,824"):
        entries(tmp_path / "pax.tar.gz")


def test_a_chain_of_headers_does_not_end_in_a_crash(tmp_path: Path) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 0
    (tmp_path / "chain.tar").write_bytes(header.tobuf(tarfile.USTAR_FORMAT) * 20_000)
    with pytest.raises(BrokenArchiveError):
        entries(tmp_path / "chain.tar")


def test_a_negative_size_does_not_loop(tmp_path: Path) -> None:
    block = bytearray(tarfile.TarInfo("x.png").tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 8 + (-1024).to_bytes(4, "big", signed=True)
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + sum(block[156:512]) + 8 * 32)
    (tmp_path / "negative.tar").write_bytes(bytes(block) * 4)
    with pytest.raises(BrokenArchiveError):
        entries(tmp_path / "negative.tar")


def test_a_sparse_file_is_rejected(tmp_path: Path) -> None:
    block = bytearray(tarfile.TarInfo("x.png").tobuf(tarfile.GNU_FORMAT))
    block[156:157] = tarfile.GNUTYPE_SPARSE
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + sum(block[156:512]) + 8 * 32)
    (tmp_path / "sparse.tar").write_bytes(bytes(block) + b"\0" * 1024)
    assert "sparse" in rejected(tmp_path / "sparse.tar")["x.png"]


@pytest.mark.parametrize("place", [0, 4, 8, 10, 12, 16, 19])
def test_a_damaged_directory_is_broken_or_read(place: int, tmp_path: Path) -> None:
    path = write_zip(tmp_path / "end.zip", {"a.png": encoded("png"), "b.png": encoded("png")})
    whole = path.read_bytes()
    end = whole.rindex(b"PK\x05\x06")
    path.write_bytes(whole[: end + place] + b"\xff" + whole[end + place + 1 :])
    with contextlib.suppress(BrokenArchiveError, HostileArchiveError):
        assert set(accepted(path)) <= {"a.png", "b.png"}
