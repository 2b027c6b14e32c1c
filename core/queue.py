"""The only sender of messages; a message is a job's id and nothing else."""

from functools import lru_cache

import redis
from celery import Celery

from core.settings import Settings, get_settings

TASK_NAME = "workers.run_job"


def broker_url() -> str:
    """The broker as Celery words it; a socket may be given as Celery or as redis-py words it."""
    url = get_settings().require_redis_url()
    return (
        url.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1)
        if _local(url)
        else url
    )


def redis_url(settings: Settings) -> str:
    """The broker as redis-py words it."""
    url = settings.require_redis_url()
    return (
        url.replace("redis+socket://", "unix://", 1).replace("?virtual_host=", "?db=", 1)
        if _local(url)
        else url
    )


def _local(url: str) -> bool:
    return url.startswith(("unix://", "redis+socket://"))


@lru_cache(maxsize=1)
def _producer() -> Celery:
    app = Celery("g2l", broker=broker_url())
    app.conf.update(
        result_backend=None,
        broker_connection_retry_on_startup=True,
        # No retries here: the outbox tries again, and holds its rows while it sends.
        broker_transport_options={"socket_timeout": 5, "socket_connect_timeout": 5, "max_retries": 0},
        task_publish_retry=False,
    )
    return app


def send(queue: str, job_id: str) -> None:
    """Hint to the workers of a queue that a job waits.

    Raises:
        kombu.exceptions.OperationalError: the broker is away; the row stays queued and is sent again later.
    """
    _producer().send_task(TASK_NAME, args=[job_id], queue=queue, ignore_result=True)


def waiting(queue: str) -> int:
    """How many messages of a queue no worker has taken yet.

    Raises:
        redis.exceptions.ConnectionError: the broker is away.
    """
    with redis.Redis.from_url(redis_url(get_settings()), socket_timeout=5) as client:
        return int(client.llen(queue))  # kombu keeps a list of the queue's name
