"""What the client can use but does not need."""

from importlib import import_module
from typing import Any

from g2l.client.errors import MissingPackageError


def needed(purpose: str, *packages: str) -> tuple[Any, ...]:
    """The modules of packages that only one purpose needs.

    Raises:
        MissingPackageError: they are not all installed.
    """
    try:
        return tuple(import_module(package) for package in packages)
    except ImportError as error:
        raise MissingPackageError(purpose, *(name.partition(".")[0] for name in packages)) from error
