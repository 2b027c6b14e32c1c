"""The async client, driven as if it were the other one, so that every test holds of both."""

import asyncio
import inspect
from collections.abc import Iterator
from typing import Any, cast

from g2l.client import AsyncClient, Client


def driven(client: AsyncClient, loop: asyncio.AbstractEventLoop) -> Client:
    """A client whose methods run on a loop until they are done."""
    return cast(Client, _Driven(client, loop))


class _Driven:
    def __init__(self, wrapped: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._wrapped, self._loop = wrapped, loop

    def __getattr__(self, name: str) -> Any:
        return _drive(getattr(self._wrapped, name), self._loop)

    def __getitem__(self, name: str) -> Any:
        return self._wrapped[name]

    def __iter__(self) -> Iterator[Any]:
        return _iterate(aiter(self._wrapped), self._loop)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        args = tuple(arg._wrapped if isinstance(arg, _Driven) else arg for arg in args)
        return _drive(self._wrapped(*args, **kwargs), self._loop)


def _drive(value: Any, loop: asyncio.AbstractEventLoop) -> Any:
    if inspect.isawaitable(value):
        return _drive(loop.run_until_complete(value), loop)
    if inspect.isasyncgen(value):
        return _iterate(value, loop)
    ours = type(value).__module__.startswith("g2l.client.aio")
    return _Driven(value, loop) if ours or inspect.ismethod(value) else value


def _iterate(items: Any, loop: asyncio.AbstractEventLoop) -> Iterator[Any]:
    while True:
        try:
            yield _drive(loop.run_until_complete(anext(items)), loop)
        except StopAsyncIteration:
            return
