"""The async client."""

import os
from typing import Self

from g2l.client.aio.jobs import AsyncJobs
from g2l.client.aio.models import AsyncModels
from g2l.client.aio.resources import (
    AsyncAnchorSets,
    AsyncDatasets,
    AsyncEmbedders,
    AsyncForecasts,
    AsyncLabelings,
    AsyncPipelines,
    AsyncTransfers,
)
from g2l.client.aio.studies import AsyncStudies
from g2l.client.aio.transport import AsyncTransport

DEFAULT_URL = "http://127.0.0.1:8000"


class AsyncClient:
    """A connection to a running service.

    Requests are repeated where connections break or the service is busy, which is safe: every POST carries an
    Idempotency-Key.

    Args:
        url: the service's address; by default ``G2L_URL``, else ``http://127.0.0.1:8000``.
        api_key: by default ``G2L_API_KEY``; a service on this machine may ask for none.
        timeout: seconds of silence after which a connection counts as broken.
        retry_for: seconds for which a request is tried again; enough for a restart of the service.

    Attributes:
        datasets: images that were taken in.
        embedders: what can turn images into vectors.
        anchor_sets: named anchors.
        labelings: pseudo-labels.
        models: source models, fine-tuned ones, and imports.
        transfers: sources fine-tuned on targets.
        forecasts: expected accuracies.
        pipelines: the whole main job.
        studies: sources compared over targets and seeds.
        jobs: the work of the service.

    Examples:
        >>> async with AsyncClient() as client:
        ...     job = await client.datasets.upload("photos/")
        ...     job = await job.wait(progress=True)
        ...     pool = await job.resource()
        ...     job = await client.pipelines.create(dataset_id=pool.id)
        ...     job = await job.wait(progress=True)
        ...     made = await job.resource()
        ...     network = await client.models.load(made.model_id)
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        timeout: float = 30.0,
        *,
        retry_for: float = 60.0,
    ) -> None:
        self._transport = AsyncTransport(
            url or os.environ.get("G2L_URL") or DEFAULT_URL,
            api_key or os.environ.get("G2L_API_KEY"),
            timeout,
            retry_for=retry_for,
        )
        self.jobs = AsyncJobs(self._transport)
        self.datasets = AsyncDatasets(self._transport, self.jobs)
        self.embedders = AsyncEmbedders(self._transport, self.jobs)
        self.anchor_sets = AsyncAnchorSets(self._transport, self.jobs)
        self.labelings = AsyncLabelings(self._transport, self.jobs)
        self.models = AsyncModels(self._transport, self.jobs)
        self.transfers = AsyncTransfers(self._transport, self.jobs)
        self.forecasts = AsyncForecasts(self._transport, self.jobs)
        self.pipelines = AsyncPipelines(self._transport, self.jobs)
        self.studies = AsyncStudies(self._transport, self.jobs)

    @property
    def url(self) -> str:
        """The service's address."""
        return self._transport.url

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()
