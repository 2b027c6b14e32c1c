"""The Python client of the service; its names are loaded when they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from g2l.client.errors import (
        ApiError,
        ClientError,
        DigestError,
        JobFailedError,
        UnreachableError,
        WaitTimeoutError,
    )
    from g2l.client.packing import PackingError
    from g2l.client.sync import Client
    from g2l.client.values import Job, Problem

__all__ = [
    "ApiError",
    "Client",
    "ClientError",
    "DigestError",
    "Job",
    "JobFailedError",
    "PackingError",
    "Problem",
    "UnreachableError",
    "WaitTimeoutError",
]

_HOMES = {
    "errors": (
        "ApiError",
        "ClientError",
        "DigestError",
        "JobFailedError",
        "UnreachableError",
        "WaitTimeoutError",
    ),
    "packing": ("PackingError",),
    "sync": ("Client",),
    "values": ("Job", "Problem"),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"g2l.client.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
