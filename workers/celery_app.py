"""Celery's settings and nothing else: a thin solo worker that acknowledges early and hoards no message."""

from celery import Celery, signals
from kombu import Exchange, Queue

from core.queue import broker_url
from core.settings import get_settings
from core.telemetry import configure_logging

app = Celery("workers", broker=broker_url())
app.conf.update(
    imports=("workers.runner", "workers.presence", "workers.reconciler"),
    result_backend=None,
    task_ignore_result=True,
    task_acks_late=False,
    task_queues=[Queue(name, Exchange(name), routing_key=name) for name in ("cpu", "gpu")],
    task_default_queue="cpu",
    worker_pool="solo",
    # With a prefetch count, a connection cut at the wrong moment leaves a worker deaf for good.
    worker_disable_prefetch=True,
    worker_prefetch_multiplier=0,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"socket_connect_timeout": 5, "socket_keepalive": True},
)


@signals.setup_logging.connect  # type: ignore[untyped-decorator]
def _log_as_the_service_does(**_: object) -> None:
    configure_logging(get_settings().log_level)
