"""The Python client of the service; its names are loaded when they are first used."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from g2l.client.aio.client import AsyncClient
    from g2l.client.aio.jobs import AsyncJob
    from g2l.client.errors import (
        ApiError,
        ClientError,
        DigestError,
        JobFailedError,
        MissingPackageError,
        NotMadeError,
        UnreachableError,
        WaitTimeoutError,
    )
    from g2l.client.packing import PackingError
    from g2l.client.sync.client import Client
    from g2l.client.sync.jobs import Job
    from g2l.client.values import Problem

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncJob",
    "Client",
    "ClientError",
    "DigestError",
    "Job",
    "JobFailedError",
    "MissingPackageError",
    "NotMadeError",
    "PackingError",
    "Problem",
    "UnreachableError",
    "WaitTimeoutError",
]

_HOMES = {
    "AsyncClient": "aio.client",
    "AsyncJob": "aio.jobs",
    "Client": "sync.client",
    "Job": "sync.jobs",
    "PackingError": "packing",
    "Problem": "values",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"g2l.client.{_HOMES.get(name, 'errors')}"), name)
