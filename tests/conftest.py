"""Fixtures for the whole suite, and the order of its rooms."""

from pathlib import Path

import pytest

pytest_plugins = [
    "tests.fixtures.buckets",
    "tests.fixtures.clients",
    "tests.fixtures.collector",
    "tests.fixtures.engines",
    "tests.fixtures.service",
]

ROOT = Path(__file__).parent
LONG_FIRST = ("e2e", "workers", "chaos")  # else one process still has the longest files to do when all end


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the rooms of long tests first; within a room the order stays."""
    rooms = {room: number for number, room in enumerate(LONG_FIRST)}
    items.sort(key=lambda item: rooms.get(item.path.relative_to(ROOT).parts[0], len(rooms)))
