"""The broker, however its URL is worded."""

import pytest

from core import queue
from tests.fixtures.environment import environment

SOCKET = "redis+socket:///run/redis.sock?virtual_host=3"


@pytest.mark.parametrize(
    ("given", "broker"),
    [
        ("redis://host:6379/2", "redis://host:6379/2"),
        ("rediss://user:pass@host/0", "rediss://user:pass@host/0"),
        ("unix:///run/redis.sock?db=3", SOCKET),
        (SOCKET, SOCKET),
    ],
)
def test_celery_gets_its_own_wording(given: str, broker: str) -> None:
    with environment(G2L_REDIS_URL=given):
        assert queue.broker_url() == broker


def test_messages_wait_until_someone_takes_them(redis_url: str) -> None:
    with environment(G2L_REDIS_URL=redis_url):
        assert queue.waiting("cpu") == 0
        queue.send("cpu", "job_1")
        queue.send("gpu", "job_2")
        assert (queue.waiting("cpu"), queue.waiting("gpu")) == (1, 1)
