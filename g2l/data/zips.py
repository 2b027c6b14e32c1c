"""Zip files read without trust: own directory parser, no extraction, every size checked against the bytes.

The standard library's reader takes overlapping entries (a 12 KB file unpacks to 510 MB) and fails on names
that claim UTF-8 and are not; both are common in hostile or old files.
"""

import os
import stat
import struct
import zlib
from array import array
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from g2l.data.limits import MAX_ITEM_BYTES, Allowance, HostileArchiveError, check_entry_count
from g2l.errors import G2LError

STORED, DEFLATED = 0, 8
_ENCRYPTED, _UTF8 = 0x1, 0x800
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_RECORD = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_COMMENT = 2**16
_UNIX = 3


class BrokenArchiveError(G2LError):
    """An archive that is cut short or damaged."""

    code: ClassVar[str] = "broken-archive"
    title: ClassVar[str] = "The archive is broken"


class UnreadableMemberError(ValueError):
    """One member cannot be read; the message says why. The rest of the archive may still be good."""


class Member(NamedTuple):
    """One regular file of a zip, as its directory describes it.

    Attributes:
        name: decoded; bytes that are neither UTF-8 nor CP437 are kept as surrogate escapes.
        offset: of the local header, from the file's start.
        packed, unpacked: bytes, as declared.
        record: where the directory describes it, from the file's start; see `ZipReader.member_at`.
    """

    name: str
    offset: int
    packed: int
    unpacked: int
    method: int
    encrypted: int
    crc: int
    record: int


class ZipReader:
    """The members of a zip file, listed and read one by one.

    Raises:
        BrokenArchiveError: it is cut short or its directory is damaged.
        HostileArchiveError: its entries overlap, or there are too many.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self.size = os.fstat(self._file.fileno()).st_size
            self.allowance = Allowance(self.size)
            self._shift, self._directory, self._n_entries, self._directory_size = _find_directory(
                self._file, self.size
            )
            check_entry_count(self._n_entries)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def members(self) -> Iterator[Member]:
        """All regular files, in the directory's order; symbolic links, devices and folders are left out.

        Raises:
            BrokenArchiveError: the directory is damaged.
            HostileArchiveError: entries share bytes of the file; known only once all are listed.
        """
        starts, ends = array("Q"), array("Q")
        record, end_of_directory = self._directory, self._directory + self._directory_size
        for _ in range(self._n_entries):
            self._file.seek(record)  # whoever takes the members may have read elsewhere meanwhile
            member, mode, length = self._next_record(record)
            record += length
            if record > end_of_directory:
                raise _broken("its directory is longer than it says")
            starts.append(member.offset)
            ends.append(member.offset + _LOCAL.size + member.packed)
            if ends[-1] > self._directory:
                raise _broken(
                    f"'{ascii(member.name)[1:-1]}' reaches beyond the data; the file is cut or damaged"
                )
            if not member.name.endswith("/") and stat.S_IFMT(mode) in (0, stat.S_IFREG):
                yield member
        _refuse_overlaps(np.frombuffer(starts, np.uint64), np.frombuffer(ends, np.uint64))

    def member_at(self, record: int) -> Member:
        """The member that the directory describes there; so that a list of members need not be kept."""
        self._file.seek(record)
        return self._next_record(record)[0]

    def _next_record(self, record: int) -> tuple[Member, int, int]:
        head = self._file.read(_RECORD.size)
        if len(head) < _RECORD.size or head[:4] != b"PK\x01\x02":
            raise _broken("its directory is damaged")
        _, made_by, _, flags, method, _, _, crc, packed, unpacked, *rest_of_head = _RECORD.unpack(head)
        n_name, n_extra, n_comment, _, _, attributes, offset = rest_of_head
        rest = self._file.read(n_name + n_extra + n_comment)
        if len(rest) < n_name + n_extra + n_comment:
            raise _broken("its directory is cut short")
        unpacked, packed, offset = _wide_sizes(rest[n_name : n_name + n_extra], unpacked, packed, offset)
        member = Member(
            name=_decode_name(rest[:n_name], flags),
            offset=offset + self._shift,
            packed=packed,
            unpacked=unpacked,
            method=method,
            encrypted=flags & _ENCRYPTED,
            crc=crc,
            record=record,
        )
        mode = attributes >> 16 if made_by >> 8 == _UNIX else 0
        return member, mode, len(head) + len(rest)

    def read(self, member: Member) -> bytes:
        """The bytes of one member, checked against its declared size and checksum.

        Raises:
            UnreadableMemberError: it is encrypted, too large, of unknown method, damaged, or of another size.
            HostileArchiveError: more came out of the archive than it is allowed.
        """
        if max(member.packed, member.unpacked) > MAX_ITEM_BYTES:
            raise UnreadableMemberError(
                f"{member.unpacked:,} bytes, more than {MAX_ITEM_BYTES:,} for one image"
            )
        data = self.stream(member).read(member.unpacked + 1)
        if len(data) != member.unpacked:
            raise UnreadableMemberError(
                f"the zip declares {member.unpacked:,} bytes for it, but holds another number"
            )
        return data

    def stream(self, member: Member) -> "MemberStream":
        """A member as a readable file, for those too large for memory; the checksum is checked at its end.

        Raises:
            UnreadableMemberError: it is encrypted or of an unknown method, or its local header is damaged.
        """
        if member.encrypted:
            raise UnreadableMemberError("it is encrypted; send an archive without a password")
        if member.method not in (STORED, DEFLATED):
            raise UnreadableMemberError(
                f"compression method {member.method} is unknown; use 'deflate' or 'store'"
            )
        local = os.pread(self._file.fileno(), _LOCAL.size, member.offset)
        if len(local) < _LOCAL.size or local[:4] != b"PK\x03\x04":
            raise UnreadableMemberError("its header in the zip is damaged")
        *_, n_name, n_extra = _LOCAL.unpack(local)
        start = member.offset + _LOCAL.size + n_name + n_extra
        return MemberStream(self._file.fileno(), start, member, self.allowance)


class MemberStream:
    """The unpacked bytes of one member, front to back."""

    _CHUNK = 2**18

    def __init__(self, descriptor: int, start: int, member: Member, allowance: Allowance) -> None:
        self._descriptor = descriptor
        self._position = start
        self._packed_left = member.packed
        self._member = member
        self._allowance = allowance
        self._crc = 0
        self._inflate = zlib.decompressobj(-zlib.MAX_WBITS) if member.method == DEFLATED else None

    def read(self, n_bytes: int, /) -> bytes:
        """Up to n bytes; fewer only at the end, where the checksum is compared.

        Raises:
            UnreadableMemberError: the data are damaged.
            HostileArchiveError: more came out of the archive than it is allowed.
        """
        parts, wanted = [], n_bytes
        while wanted:
            part = self._packed(wanted) if self._inflate is None else self._inflated(self._inflate, wanted)
            if not part:
                break
            self._allowance.spend(len(part))
            self._crc = zlib.crc32(part, self._crc)
            parts.append(part)
            wanted -= len(part)
        if wanted and self._crc != self._member.crc:
            raise UnreadableMemberError("its bytes do not match the zip's checksum; the file is damaged")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _packed(self, n_bytes: int) -> bytes:
        part = os.pread(self._descriptor, min(n_bytes, self._packed_left), self._position)
        self._position += len(part)
        self._packed_left -= len(part)
        return part

    def _inflated(self, inflate: "zlib._Decompress", n_bytes: int) -> bytes:
        while not inflate.eof:
            packed = inflate.unconsumed_tail or self._packed(self._CHUNK)
            try:
                part = inflate.decompress(packed, n_bytes)
            except zlib.error as error:
                raise UnreadableMemberError(f"its compressed data are damaged ({error})") from None
            if part:
                return part
            if not packed:
                raise UnreadableMemberError("its compressed data end too soon")
        return b""


def _broken(what: str) -> BrokenArchiveError:
    return BrokenArchiveError(
        f"the zip file cannot be read: {what}; make it again, or upload it again", field="file"
    )


def _find_directory(file: BufferedReader, size: int) -> tuple[int, int, int, int]:
    """(shift of all offsets, position, number of entries, bytes) of the central directory."""
    tail_start = max(0, size - _END.size - _MAX_COMMENT)
    file.seek(tail_start)
    tail = file.read()
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise _broken("its end is missing; it was cut short")
    _, _, _, _, n_entries, n_bytes, offset, _ = _END.unpack_from(tail, at)
    end = tail_start + at
    locator = tail[at - _END64_LOCATOR.size : at] if at >= _END64_LOCATOR.size else b""
    if locator[:4] == b"PK\x06\x07":
        end, n_entries, n_bytes, offset = _read_end64(file, end)
    shift = end - n_bytes - offset  # not 0 where something stands before the zip
    if shift < 0:
        raise _broken("its directory lies outside of the file; it was cut short")
    return shift, offset + shift, n_entries, n_bytes


def _read_end64(file: BufferedReader, end: int) -> tuple[int, int, int, int]:
    """(position of the zip64 end record, entries, directory's bytes, directory's offset)."""
    position = end - _END64_LOCATOR.size - _END64.size
    file.seek(max(0, position))
    record = file.read(_END64.size)
    if position < 0 or len(record) < _END64.size or record[:4] != b"PK\x06\x06":
        raise _broken("its zip64 end record is damaged")
    *_, n_entries, n_bytes, offset = _END64.unpack(record)
    return position, n_entries, n_bytes, offset


def _wide_sizes(extra: bytes, unpacked: int, packed: int, offset: int) -> tuple[int, int, int]:
    """The sizes and offset of a record, from its zip64 field where they do not fit in 32 bits."""
    values = [unpacked, packed, offset]
    while len(extra) >= 4:
        tag, length = struct.unpack_from("<2H", extra)
        if tag == 1:
            field = extra[4 : 4 + length]
            for i, value in enumerate(values):
                if value == 2**32 - 1 and len(field) >= 8:
                    values[i], field = int.from_bytes(field[:8], "little"), field[8:]
            break
        extra = extra[4 + length :]
    return values[0], values[1], values[2]


def _decode_name(raw: bytes, flags: int) -> str:
    """A name as its writer meant it: UTF-8, flagged or not; else CP437, which the format prescribes."""
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        name = raw.decode("utf-8", "surrogateescape") if flags & _UTF8 else raw.decode("cp437")
    return name.replace("\\", "/")  # written so by some Windows programs; also stops "..\\.." from passing


def _refuse_overlaps(starts: NDArray[np.uint64], ends: NDArray[np.uint64]) -> None:
    if (starts[1:] >= ends[:-1]).all():  # in the directory's order, as most are: nothing to sort
        return
    order = np.argsort(starts, kind="stable")
    if (starts[order][1:] < ends[order][:-1]).any():
        raise HostileArchiveError("entries of the zip overlap, as in a decompression bomb", field="file")
