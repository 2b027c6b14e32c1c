"""The only sender of messages; a message is a job's id and nothing else."""

from functools import lru_cache

from celery import Celery

from core.settings import get_settings

TASK_NAME = "workers.run_job"


@lru_cache(maxsize=1)
def _producer() -> Celery:
    app = Celery("g2l", broker=get_settings().require_redis_url())
    app.conf.update(
        result_backend=None,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 5},
        task_publish_retry=False,
    )
    return app


def send(queue: str, job_id: str) -> None:
    """Hint to the workers of a queue that a job waits.

    Raises:
        kombu.exceptions.OperationalError: the broker is away; the row stays queued and is sent again later.
    """
    _producer().send_task(TASK_NAME, args=[job_id], queue=queue, ignore_result=True)
