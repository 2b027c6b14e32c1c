"""Which of a great many texts were met before, in eight bytes each."""

from bisect import bisect_left
from hashlib import blake2b

import numpy as np

_RECENT = 2**15


class Seen:
    """A set of texts that keeps a 64-bit digest of each; two of a million are mixed up once in 40 million."""

    def __init__(self) -> None:
        self._sorted = np.empty(0, np.uint64)
        self._numbers = self._sorted.data
        self._recent: set[int] = set()

    def __len__(self) -> int:
        return len(self._sorted) + len(self._recent)

    def add(self, text: str) -> bool:
        """Note a text; whether it is new."""
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        number = int.from_bytes(digest, "big")
        if number in self._recent or self._was_merged(number):
            return False
        self._recent.add(number)
        if len(self._recent) == _RECENT:
            self._merge()
        return True

    def _was_merged(self, number: int) -> bool:
        place = bisect_left(self._numbers, number)
        return place < len(self._numbers) and self._numbers[place] == number

    def _merge(self) -> None:
        recent = np.fromiter(self._recent, np.uint64, len(self._recent))
        self._sorted = np.concatenate([self._sorted, recent])
        self._sorted.sort()
        self._numbers = self._sorted.data
        self._recent.clear()
