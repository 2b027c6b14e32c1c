"""Who asks in `benchmarks.load`: a locust user for each thing that is asked for."""

# Locust patches the standard library as it is imported, so that this runs in a process of its own.

import json
import os
import random
from typing import Any
from uuid import uuid4

from locust import FastHttpUser, constant_throughput, events, task

GIVEN = json.loads(os.environ["G2L_LOAD"])  # what there is to ask for


class Asking(FastHttpUser):  # type: ignore[misc]  # locust says nothing of its types
    """One client that keeps a pace, on a connection that it keeps."""

    abstract = True
    wait_time = constant_throughput(GIVEN["pace"])
    network_timeout = 20.0

    @task  # type: ignore[untyped-decorator]
    def once(self) -> None:
        """Ask one time, and take the whole answer."""
        self.ask()

    def ask(self) -> None:
        """What this one asks."""
        raise NotImplementedError

    def of_a_job(self, rest: str = "") -> None:
        """Ask of any of the jobs that are over."""
        self.client.get(f"/v1/jobs/{random.choice(GIVEN['finished'])}{rest}", name="job")


class Poll(Asking):
    """Reads a job that is over."""

    def ask(self) -> None:
        """The job as it is."""
        self.of_a_job()


class Events(Asking):
    """Hears all events of a job that is over."""

    def ask(self) -> None:
        """A stream that ends by itself."""
        self.of_a_job("/events")


class Wait(Asking):
    """Waits a second for a change of a job that waits."""

    def ask(self) -> None:
        """A request that is held."""
        self.client.get(f"/v1/jobs/{GIVEN['waiting']}?wait=1")


class List(Asking):
    """Reads the newest jobs."""

    def ask(self) -> None:
        """A page."""
        self.client.get("/v1/jobs")


class Download(Asking):
    """Takes a model's weights."""

    def ask(self) -> None:
        """A whole file."""
        self.client.get(f"/v1/models/{GIVEN['model']}/weights")


class Submit(Asking):
    """Has a small archive taken in."""

    def ask(self) -> None:
        """A job of its own each time."""
        body = {"name": "pool", "uri": GIVEN["uri"]}
        self.client.post("/v1/datasets", json=body, headers={"Idempotency-Key": uuid4().hex})


@events.quitting.add_listener  # type: ignore[untyped-decorator]
def say(environment: Any, **_: Any) -> None:
    """What was counted, as a line."""
    total = environment.stats.total
    said = {
        "per_second": total.total_rps,
        "p50": total.get_response_time_percentile(0.5),
        "p99": total.get_response_time_percentile(0.99),
        "errors": {str(error.error): error.occurrences for error in environment.stats.errors.values()},
    }
    print(json.dumps(said))
