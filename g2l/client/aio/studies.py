"""Studies: sources compared over targets and seeds."""

from os import PathLike
from pathlib import Path
from typing import Unpack

from g2l.client.aio.downloads import download
from g2l.client.aio.jobs import AsyncJob
from g2l.client.aio.resources import AsyncResources
from g2l.client.aio.rows import AsyncRows
from g2l.client.answers import Study
from g2l.client.requests import StudySpec
from g2l.client.values import JsonObject, read


class AsyncStudies(AsyncResources[Study]):
    """Grids of transfers, and what they say."""

    path = "/v1/studies"
    kind = "study"

    def read(self, body: JsonObject) -> Study:
        """The study that a JSON object spells."""
        return read(Study, body)

    async def create(self, **fields: Unpack[StudySpec]) -> AsyncJob[Study]:
        """Ask for sources to be compared; equal jobs of earlier studies are not run again.

        Args:
            fields: of `StudySpec`; what is not given, the service fills in.
        """
        return await self._ask(fields)

    def transfers(self, id_: str) -> AsyncRows:
        """The transfers of a study, streamed, or as a table: `source`, `target`, `seed`, `accuracy`, …."""
        return AsyncRows(self._transport, f"{self._of(id_)}/transfers")

    async def report(self, id_: str, path: str | PathLike[str]) -> Path:
        """Write the study's page to a file.

        Args:
            id_: of the study.
            path: of the file, which ends in .html for a browser to know it.

        Returns:
            the file.
        """
        return await download(self._transport, f"{self._of(id_)}/report", Path(path))
