"""The client."""

import os
from functools import cached_property
from typing import Self

from g2l.client.jobs import Jobs
from g2l.client.models import Models
from g2l.client.resources import AnchorSets, Datasets, Embedders, Forecasts, Labelings, Pipelines, Transfers
from g2l.client.transport import Transport

DEFAULT_URL = "http://127.0.0.1:8000"


class Client:
    """A connection to a running service.

    Requests are repeated where connections break, which is safe: every POST carries an Idempotency-Key.

    Args:
        url: the service's address; by default ``G2L_URL``, else ``http://127.0.0.1:8000``.
        api_key: by default ``G2L_API_KEY``; a service on this machine may ask for none.
        timeout: seconds of silence after which a connection counts as broken.

    Examples:
        >>> client = Client()
        >>> job = client.datasets.upload("photos/")
        >>> pool = client.jobs.wait(job).result.id
        >>> pipeline = client.jobs.wait(client.pipelines.create(dataset_id=pool))
        >>> made = client.jobs.result(pipeline)
        >>> folder = client.models.pull(made["model_id"])
    """

    def __init__(self, url: str | None = None, api_key: str | None = None, timeout: float = 30.0) -> None:
        self._transport = Transport(
            url or os.environ.get("G2L_URL") or DEFAULT_URL,
            api_key or os.environ.get("G2L_API_KEY"),
            timeout,
        )

    @property
    def url(self) -> str:
        """The service's address."""
        return self._transport.url

    @cached_property
    def datasets(self) -> Datasets:
        """Images that were taken in."""
        return Datasets(self._transport)

    @cached_property
    def embedders(self) -> Embedders:
        """What can turn images into vectors."""
        return Embedders(self._transport)

    @cached_property
    def anchor_sets(self) -> AnchorSets:
        """Named anchors."""
        return AnchorSets(self._transport)

    @cached_property
    def labelings(self) -> Labelings:
        """Pseudo-labels."""
        return Labelings(self._transport)

    @cached_property
    def models(self) -> Models:
        """Source models, fine-tuned ones, and imports."""
        return Models(self._transport)

    @cached_property
    def transfers(self) -> Transfers:
        """Sources fine-tuned on targets."""
        return Transfers(self._transport)

    @cached_property
    def forecasts(self) -> Forecasts:
        """Expected accuracies."""
        return Forecasts(self._transport)

    @cached_property
    def pipelines(self) -> Pipelines:
        """The whole main job."""
        return Pipelines(self._transport)

    @cached_property
    def jobs(self) -> Jobs:
        """The work of the service."""
        return Jobs(self._transport)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()
