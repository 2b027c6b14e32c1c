"""Celery's settings and nothing else: a thin solo worker that acknowledges early and hoards no message."""

import os
from typing import Any

from celery import Celery, signals
from celery.worker.consumer import Consumer
from kombu import Exchange, Queue

from core import tracing
from core.queue import broker_url
from core.settings import get_settings
from core.telemetry import configure_logging

# Titles of processes must not overwrite what /proc tells of their environment: leftovers are found by it.
os.environ.setdefault("SPT_NOENV", "1")
QUIET = {"without_gossip": True, "without_mingle": True, "without_heartbeat": True}


class QuietConsumer(Consumer):  # type: ignore[misc]
    """A consumer that tells other workers nothing, whatever the command line says: we beat in the database.

    Celery's heartbeat is published with retries that neither end nor listen: where Redis went away during a
    job, the worker would wait in it for Redis to come back, deaf to SIGTERM.
    """

    def __init__(self, *args: Any, worker_options: dict[str, Any] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, worker_options={**(worker_options or {}), **QUIET}, **kwargs)


app = Celery("workers", broker=broker_url())
app.conf.update(
    imports=("workers.runner", "workers.presence", "workers.reconciler"),
    result_backend=None,
    task_ignore_result=True,
    task_acks_late=False,
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in ("cpu", "gpu")],
    task_default_queue="cpu",
    worker_pool="solo",
    worker_consumer="workers.celery_app:QuietConsumer",
    # With a prefetch count, a connection cut at the wrong moment leaves a worker deaf for good.
    worker_disable_prefetch=True,
    worker_prefetch_multiplier=0,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    # Without a timeout, a Redis that went away in silence would hold the worker in a read for ever.
    broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 5, "socket_keepalive": True},
)


tracing.name_service("g2l-worker")


@signals.worker_shutdown.connect  # type: ignore[untyped-decorator]
def _send_the_last_traces(**_: object) -> None:
    tracing.flush()


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def _log_as_the_service_does(**_: object) -> None:
    configure_logging(get_settings().log_level)
