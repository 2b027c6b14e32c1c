"""How much an archive may ask of us: the bounds that turn a bomb into an error."""

from typing import ClassVar

from g2l.errors import G2LError

MAX_ENTRIES = 2_000_000
"""Entries of one archive, those that are ignored included."""

MAX_ITEM_BYTES = 128 * 2**20
"""Bytes of one encoded image, packed or unpacked; an item has to fit in memory."""

MAX_PIXELS = 64_000_000
"""Width x height of one image, read from its header before anything is decoded."""

MAX_SAMPLES = 3 * MAX_PIXELS
"""Width x height x channels of one image, likewise."""

MAX_EXPANSION = 100
"""How many times its own size an archive may unpack to; images hardly compress, bombs reach 1,000."""

FREE_BYTES = 2**30
"""What every archive may unpack to, whatever its size: small archives of blank images compress well."""


class HostileArchiveError(G2LError):
    """An archive that is built to exhaust its reader, or is too large by orders of magnitude."""

    code: ClassVar[str] = "archive-beyond-limits"
    title: ClassVar[str] = "The archive is beyond the limits"


class Allowance:
    """The bytes that an archive may still unpack to.

    Args:
        archive_bytes: the archive's own size; unpacking is allowed up to `MAX_EXPANSION` times that, and
            `FREE_BYTES` at least.
    """

    def __init__(self, archive_bytes: int) -> None:
        self.archive_bytes = archive_bytes
        self.total = max(FREE_BYTES, MAX_EXPANSION * archive_bytes)
        self.left = self.total

    def spend(self, n_bytes: int) -> None:
        """Count bytes that really came out.

        Raises:
            HostileArchiveError: the allowance is used up.
        """
        self.left -= n_bytes
        if self.left < 0:
            raise HostileArchiveError(
                f"the archive of {self.archive_bytes:,} bytes unpacks to more than {self.total:,} bytes; "
                f"that is a decompression bomb or needs to be sent as several archives",
                field="file",
            )


def check_entry_count(n_entries: int) -> None:
    """Refuse an archive of too many entries.

    Raises:
        HostileArchiveError: it has more than `MAX_ENTRIES`.
    """
    if n_entries > MAX_ENTRIES:
        raise HostileArchiveError(
            f"the archive has more than {MAX_ENTRIES:,} entries; send it as several archives", field="file"
        )
