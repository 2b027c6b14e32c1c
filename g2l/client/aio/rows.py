"""The rows of a table of the service, such as labels or transfers: one by one, as a table, in a file."""

import json
import tempfile
from collections.abc import AsyncIterator
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from g2l.client.aio.downloads import save
from g2l.client.aio.transport import AsyncTransport, lines
from g2l.client.errors import UnreachableError
from g2l.client.extras import needed
from g2l.client.messages import Message, reason
from g2l.client.values import JsonObject
from g2l.client.waiting import async_call

if TYPE_CHECKING:
    import pandas
    import pyarrow


class AsyncRows:
    """The rows of one table; iterating over them streams one object each."""

    def __init__(self, transport: AsyncTransport, path: str) -> None:
        self._transport = transport
        self._path = path

    async def __aiter__(self) -> AsyncIterator[JsonObject]:
        """Each row as it comes.

        Raises:
            UnreachableError: the connection was cut; begin again, or save them to a file.
        """
        message = Message("GET", self._path, {"format": "jsonl"}, streamed=True)
        try:
            async with self._transport.answer(message) as answer:
                async for line in lines(answer):
                    yield json.loads(line)
        except httpx.TransportError as error:
            raise UnreachableError(self._transport.url, reason(error)) from error

    async def save(self, path: str | PathLike[str], format_: str | None = None) -> Path:
        """Write them to a file, as `jsonl`, `csv` or `parquet`: by default what the file's name ends with.

        A connection that is cut is begun anew; the file is there whole, or not at all.
        """
        out = Path(path)
        chosen = format_ or out.suffix.removeprefix(".").lower()
        return await save(self._transport, self._path, out, params={"format": chosen})

    async def to_arrow(self) -> "pyarrow.Table":
        """All of them as one Arrow table, with columns that lines of text leave out (soft targets).

        Raises:
            MissingPackageError: pyarrow is not installed.
        """
        (parquet,) = needed("to_arrow", "pyarrow.parquet")
        return await self._table(parquet)

    async def to_pandas(self) -> "pandas.DataFrame":
        """All of them as one data frame, with columns that lines of text leave out (soft targets).

        Raises:
            MissingPackageError: pandas or pyarrow is not installed.
        """
        parquet, _ = needed("to_pandas", "pyarrow.parquet", "pandas")
        return (await self._table(parquet)).to_pandas()

    async def _table(self, parquet: Any) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = await self.save(Path(folder) / "rows.parquet")
            return await async_call(parquet.read_table, path)
