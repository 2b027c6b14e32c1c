"""A container's health check, `python -m app.commands.beating`: whether a worker of this host beat lately."""

import socket
import sys
from datetime import timedelta

from sqlalchemy import exists, func, select

from core.db.jobs import Worker
from core.db.session import transaction

RECENT = timedelta(seconds=30)


def beats(host: str) -> bool:
    """Whether a worker of this host wrote its row in the last half minute."""
    with transaction() as session:
        alive = exists().where(
            Worker.id.startswith(f"{host}:", autoescape=True), Worker.beat_at > func.now() - RECENT
        )
        return bool(session.scalar(select(alive)))


if __name__ == "__main__":
    sys.exit(not beats(socket.gethostname()))
