# Written by scripts/sync_client.py from g2l/client/aio/client.py; edit that, then `make generate`.
"""The client."""

import os
from typing import Self

from g2l.client.sync.jobs import Jobs
from g2l.client.sync.models import Models
from g2l.client.sync.resources import (
    AnchorSets,
    Datasets,
    Embedders,
    Forecasts,
    Labelings,
    Pipelines,
    Transfers,
)
from g2l.client.sync.studies import Studies
from g2l.client.sync.transport import Transport

DEFAULT_URL = "http://127.0.0.1:8000"


class Client:
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
        >>> with Client() as client:
        ...     job = client.datasets.upload("photos/")
        ...     job = job.wait(progress=True)
        ...     pool = job.resource()
        ...     job = client.pipelines.create(dataset_id=pool.id)
        ...     job = job.wait(progress=True)
        ...     made = job.resource()
        ...     network = client.models.load(made.model_id)
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        timeout: float = 30.0,
        *,
        retry_for: float = 60.0,
    ) -> None:
        self._transport = Transport(
            url or os.environ.get("G2L_URL") or DEFAULT_URL,
            api_key or os.environ.get("G2L_API_KEY"),
            timeout,
            retry_for=retry_for,
        )
        self.jobs = Jobs(self._transport)
        self.datasets = Datasets(self._transport, self.jobs)
        self.embedders = Embedders(self._transport, self.jobs)
        self.anchor_sets = AnchorSets(self._transport, self.jobs)
        self.labelings = Labelings(self._transport, self.jobs)
        self.models = Models(self._transport, self.jobs)
        self.transfers = Transfers(self._transport, self.jobs)
        self.forecasts = Forecasts(self._transport, self.jobs)
        self.pipelines = Pipelines(self._transport, self.jobs)
        self.studies = Studies(self._transport, self.jobs)

    @property
    def url(self) -> str:
        """The service's address."""
        return self._transport.url

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
