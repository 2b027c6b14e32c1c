"""How an endpoint that reads its body itself submits: one transaction in a thread, then the messages go."""

from collections.abc import Callable

from fastapi import Request
from pydantic import BaseModel
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from app.accepting import accepted, submit
from app.idempotency import Keyed
from core.db.session import transaction
from core.specs.kinds import Kind


async def submitted(
    request: Request,
    keyed: Keyed,
    kind: Kind,
    *,
    understand: Callable[[Session], BaseModel],
) -> Response:
    """Submit the job of what the body is understood as; the answer leaves after the commit."""

    def work() -> Response:
        with transaction() as session:
            return accepted(session, keyed, submit(session, kind, understand(session)))

    answer = await run_in_threadpool(work)
    request.app.state.sender.wake()
    return answer
