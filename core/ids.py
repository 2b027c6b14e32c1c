"""Identifiers: opaque, prefixed, and sorted by the time they were made."""

import secrets
import time
from typing import Literal

Prefix = Literal["ds", "emb", "anc", "lab", "mdl", "trf", "fct", "std", "job"]
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no letter that reads like another


def new_id(prefix: Prefix) -> str:
    """A fresh id: 48 bits of milliseconds, then 80 random bits, so that text order is time order."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    digits = [_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"
