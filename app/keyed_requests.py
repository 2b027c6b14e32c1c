"""The dependency that gives a POST its idempotency key."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated

from fastapi import Depends, Header, Query, Request
from starlette.concurrency import run_in_threadpool

from app import handlers, problems
from app.idempotency import Keyed, Name, digest_of, hold
from core.db.session import transaction
from core.errors import IdempotencyInFlightError, IdempotencyMismatchError

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Send a request again under its key and its first answer comes again.",
    ),
]

DryRun = Annotated[bool, Query(description="check the request and estimate what it takes; do nothing")]


async def keyed(request: Request, key: Key = None) -> AsyncIterator[Keyed]:
    """Hold the request's key while the endpoint works; keep a refusal as its answer, free it of a fault."""
    if key is None:
        yield Keyed()
        return
    held = await run_in_threadpool(hold, Name(key, request.method, request.url.path))
    try:
        if not _is_upload(request):  # the digest of an upload is known at its end only
            held = held.identified(digest_of(await request.body()))
        yield held
    except Exception as error:
        await run_in_threadpool(_end, held, request, error)
        raise
    except BaseException:  # the server stops: the key must not wait for its row to fall silent
        held.release()
        raise
    finally:
        held.forget()


def _is_upload(request: Request) -> bool:
    return request.headers.get("content-type", "").lower().startswith("multipart/")


def _end(held: Keyed, request: Request, error: Exception) -> None:
    body = handlers.problem_of(request, error)
    lost = isinstance(error, IdempotencyInFlightError | IdempotencyMismatchError)
    if body is None or lost or held.digest is None:
        held.release()
        return
    headers = {"content-type": problems.MEDIA_TYPE}
    with suppress(IdempotencyInFlightError), transaction() as session:
        held.settle(
            session,
            status=int(body["status"]),
            headers=headers,
            body=bytes(problems.response(body).body).decode(),
        )


async def keyed_unless_dry(
    request: Request, dry_run: DryRun = False, key: Key = None
) -> AsyncIterator[Keyed]:
    """The same; a dry run takes no key: it changes nothing, and must not answer for the request that does."""
    if dry_run:
        yield Keyed()
        return
    async with asynccontextmanager(keyed)(request, key) as held:
        yield held


IdempotentRequest = Annotated[Keyed, Depends(keyed, scope="function")]
IdempotentUnlessDry = Annotated[Keyed, Depends(keyed_unless_dry, scope="function")]
