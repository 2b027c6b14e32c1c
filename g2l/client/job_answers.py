"""A job, and what follows from how it is."""

from dataclasses import dataclass

from g2l.client.answers import JobFields

FINISHED = frozenset({"succeeded", "failed", "cancelled"})


@dataclass(frozen=True, kw_only=True)
class JobAnswer(JobFields):
    """A piece of work in the service, as it was when asked.

    Attributes:
        kind: dataset, anchor-set, labeling, model, transfer, forecast or pipeline.
        state: queued, running, succeeded, failed or cancelled.
        stage: what it is doing; of a pipeline, which stage is under way.
        eta_seconds: to the end of the stage; of a pipeline, to its own.
        error: why it failed.
        result: what it made, and where to read that; None until it succeeds.
    """

    @property
    def finished(self) -> bool:
        """Whether it is over, well or not."""
        return self.state in FINISHED

    @property
    def seconds(self) -> float | None:
        """How long it ran; None until it is over."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()
