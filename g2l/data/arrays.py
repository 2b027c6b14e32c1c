"""`.npz` files: stacks of images or of embeddings, read row by row."""

from collections.abc import Iterator
from typing import IO, Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from g2l.data.columns import Columns, several_labels, unknown_label
from g2l.data.entries import Entry, RawPixels, Rejected
from g2l.data.groups import no_groups
from g2l.data.limits import MAX_ITEM_BYTES, MAX_PIXELS
from g2l.data.zips import Member, MemberStream, UnreadableMemberError, ZipReader
from g2l.errors import G2LError

ARRAY_NAMES = ("images.npy", "embeddings.npy", "labels.npy")
_PIXELS = ("images.npy", "embeddings.npy")
_MAX_HEADER = 10_000
_ROWS_BYTES = 2**22


class BadArraysError(G2LError):
    """Arrays of the wrong shape or type, or labels that do not fit them."""

    code: ClassVar[str] = "bad-arrays"
    title: ClassVar[str] = "The arrays are not a dataset"


class NotFiniteError(G2LError):
    """Embeddings with NaN or infinite values, which have no distances."""

    code: ClassVar[str] = "embeddings-not-finite"
    title: ClassVar[str] = "The embeddings are not finite"


class NpzImages:
    """The array `images` of an npz, uint8 or uint16, N x H x W [x C]; each image an entry of bare pixels.

    Attributes:
        has_folders: False: labels come from the array `labels`, if there is one.
        size: bytes of pixels.
        position: bytes of them read so far.

    Raises:
        BadArraysError: shape, type or labels are wrong.
    """

    has_folders: ClassVar[bool] = False

    def __init__(self, reader: ZipReader, members: dict[str, Member], columns: Columns) -> None:
        self._reader = reader
        self._array = _Array(reader, members["images.npy"])
        shape, dtype = self._array.shape, self._array.dtype
        if dtype.name not in ("uint8", "uint16") or len(shape) not in (3, 4) or 0 in shape[1:]:
            raise _bad(
                f"'images' must be uint8 or uint16, N x H x W or N x H x W x C; it is {_say(dtype, shape)}"
            )
        height, width, channels = shape[1], shape[2], (*shape, 1)[3]
        if height * width > MAX_PIXELS or self._array.row_bytes > MAX_ITEM_BYTES:
            raise _bad(
                f"an image of 'images' has {height:,} x {width:,} x {channels:,} values; that is too many"
            )
        self._raw = RawPixels(height, width, channels, dtype.name)
        self._labels = _labels(reader, members, shape[0], columns.label_by)
        self._groups = _groups(reader, members, shape[0], columns.group_by)
        self.size = shape[0] * self._array.row_bytes
        self.position = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.__exit__()

    def __iter__(self) -> Iterator[Entry | Rejected]:
        """The images in order; nothing is rejected.

        Raises:
            BadArraysError: the data end too soon or are damaged.
        """
        row = 0
        for block in self._array.blocks():
            for image in block:
                self.position += image.nbytes
                label = None if self._labels is None else self._labels[row]
                group = None if self._groups is None else self._groups[row]
                yield Entry(f"images/{row:07d}", image.tobytes(), label, self._raw, group=group)
                row += 1


class NpzEmbeddings:
    """The array `embeddings` of an npz, float, N x D.

    Attributes:
        n_items, dim: N and D.
        labels: class names, one an item; None without the array `labels`.
        groups: names of groups, one an item; None where none are asked for.

    Raises:
        BadArraysError: shape, type or labels are wrong.
    """

    def __init__(self, reader: ZipReader, members: dict[str, Member], columns: Columns) -> None:
        self._reader = reader
        self._array = _Array(reader, members["embeddings.npy"])
        shape, dtype = self._array.shape, self._array.dtype
        if dtype.kind != "f" or len(shape) != 2 or shape[1] == 0:
            raise _bad(f"'embeddings' must be float, N x D; it is {_say(dtype, shape)}")
        if self._array.row_bytes > MAX_ITEM_BYTES:
            raise _bad(f"'embeddings' has {shape[1]:,} values an item; that is too many")
        self.n_items, self.dim = shape
        self.labels = _labels(reader, members, self.n_items, columns.label_by)
        self.groups = _groups(reader, members, self.n_items, columns.group_by)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.__exit__()

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """The rows in order, a few MB at a time, (n, D) float32.

        Raises:
            NotFiniteError: a value is NaN or infinite, also after rounding to float32.
            BadArraysError: the data end too soon or are damaged.
        """
        start = 0
        for block in self._array.blocks():
            with np.errstate(over="ignore"):
                rows = block.astype(np.float32)
            require_finite(rows, start, self.n_items)
            yield rows
            start += len(rows)


def require_finite(rows: NDArray[np.float32], start: int, n_items: int) -> None:
    """Refuse embeddings that have no distances.

    Args:
        rows: (n, D).
        start: the number of the first of them.
        n_items: of all.

    Raises:
        NotFiniteError: a value is NaN or infinite.
    """
    bad = ~np.isfinite(rows).all(axis=1)
    if bad.any():
        raise NotFiniteError(
            f"embeddings must be finite float32 numbers; row {start + int(bad.argmax())} (of "
            f"{n_items}, from 0) has NaN or an infinite value: drop or mend such rows",
            field="file",
        )


class _Array:
    """One `.npy` member: its header, and its rows in blocks."""

    def __init__(self, reader: ZipReader, member: Member) -> None:
        self._reader, self._member = reader, member
        self.shape, self.dtype = self._open()[1:]
        self.row_bytes = int(np.prod(self.shape[1:], dtype=object)) * self.dtype.itemsize

    def _open(self) -> tuple[MemberStream, tuple[int, ...], np.dtype[Any]]:
        try:
            stream = self._reader.stream(self._member)
            file = cast(IO[bytes], stream)  # numpy asks for read(n) alone
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[np.lib.format.read_magic(file)]
            shape, fortran, dtype = read_header(file, max_header_size=_MAX_HEADER)
        except (ValueError, KeyError) as error:
            raise _bad(f"'{self._member.name}' is not an array that numpy.save writes ({error})") from error
        if dtype.hasobject:
            raise _bad(f"'{self._member.name}' holds Python objects; save plain numbers or text")
        if fortran and len(shape) > 1:
            raise _bad(f"'{self._member.name}' is in Fortran order; save numpy.ascontiguousarray of it")
        return stream, shape, dtype

    def blocks(self) -> Iterator[NDArray[Any]]:
        """The rows, as many at a time as a few MB hold, in the machine's byte order."""
        stream, shape, dtype = self._open()
        step = max(1, _ROWS_BYTES // max(1, self.row_bytes))
        for start in range(0, shape[0], step):
            n_rows = min(step, shape[0] - start)
            try:
                data = stream.read(n_rows * self.row_bytes)
            except UnreadableMemberError as error:
                raise _bad(f"'{self._member.name}' cannot be read: {error}") from error
            if len(data) < n_rows * self.row_bytes:
                raise _bad(
                    f"'{self._member.name}' ends before its {shape[0]:,} rows; the file is cut or damaged"
                )
            yield (
                np.frombuffer(data, dtype)
                .reshape(n_rows, *shape[1:])
                .astype(dtype.newbyteorder("="), copy=False)
            )


def _labels(
    reader: ZipReader, members: dict[str, Member], n_items: int, label_by: str | None
) -> list[str] | None:
    """One class name an item, from the array `labels`, or the one that `label_by` names."""
    member = members.get(f"{label_by or 'labels'}.npy")
    if member is not None and member.name not in _PIXELS:
        return _texts(reader, member, n_items)
    if label_by is not None:
        raise unknown_label(label_by, "arrays", [n.removesuffix(".npy") for n in members if n not in _PIXELS])
    return None


def _groups(
    reader: ZipReader, members: dict[str, Member], n_items: int, group_by: str | None
) -> list[str] | None:
    """One group an item, from the array that `group_by` names."""
    if group_by is None:
        return None
    member = members.get(f"{group_by}.npy")
    if member is None or member.name in _PIXELS:
        there = [name.removesuffix(".npy") for name in members]
        raise no_groups(group_by, "arrays", [name for name in there if name not in ("images", "embeddings")])
    return _texts(reader, member, n_items)


def _texts(reader: ZipReader, member: Member, n_items: int) -> list[str]:
    array, name = _Array(reader, member), member.name.removesuffix(".npy")
    if array.shape[:1] == (n_items,) and len(array.shape) == 2 and array.shape[1] > 1:
        raise several_labels(f"the array '{name}' of shape {_say(array.dtype, array.shape)}")
    if array.dtype.kind not in "iuUS" or array.shape != (n_items,):
        raise _bad(f"'{name}' must be {n_items} integers or texts; it is {_say(array.dtype, array.shape)}")
    if array.row_bytes > _MAX_HEADER:
        raise _bad(f"'{name}' has texts of {array.row_bytes:,} bytes; that is too long for a name")
    names: list[str] = []
    for block in array.blocks():
        text = np.char.decode(block, "utf-8", "backslashreplace") if array.dtype.kind == "S" else block
        names.extend(str(label) for label in text)
    return names


def _say(dtype: np.dtype[Any], shape: tuple[int, ...]) -> str:
    return f"{dtype}, {' x '.join(map(str, shape)) or 'a single value'}"


def _bad(what: str) -> BadArraysError:
    return BadArraysError(what, field="file")
