"""The API: routers, middleware, and what runs beside them."""

import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from types import FrameType
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware

from app import bodies, handlers, problems
from app.api import (
    anchor_sets,
    datasets,
    embedders,
    events,
    forecasts,
    health,
    items,
    jobs,
    labelings,
    logs,
    models,
    pipelines,
    studies,
    transfers,
    uploads,
)
from app.api import problems as problem_pages
from app.background import Sender
from app.changes import Changes
from app.middleware.auth import Authenticate
from app.middleware.limits import LimitBody
from app.middleware.observe import QUIET, Observe
from core import tracing
from core.settings import get_settings
from core.telemetry import configure_logging

ROUTERS = (
    uploads.router,
    datasets.router,
    items.router,
    embedders.router,
    anchor_sets.router,
    labelings.router,
    models.router,
    transfers.router,
    forecasts.router,
    pipelines.router,
    studies.router,
    jobs.router,
    events.router,
    logs.router,
    health.router,
    problem_pages.router,
)
COMMON = problems.documented("unauthenticated", "invalid-request", "internal-error", "database-unavailable")


def create_app() -> FastAPI:
    """The ASGI application of this process's settings; `uvicorn --factory app.main:create_app` serves it."""
    configure_logging(get_settings().log_level)
    app = _Api(
        title="g2l",
        summary="Pseudo-labels by high-dimensional geometry: unlabelled images in, pretrained weights out.",
        version="1",
        lifespan=_lifespan,
        redirect_slashes=False,
        redoc_url=None,
        responses=COMMON,
        middleware=[Middleware(Observe), Middleware(Authenticate), Middleware(LimitBody)],
        telemetry=_traces(),
    )
    handlers.install(app)
    for router in ROUTERS:
        app.include_router(router)
    return app


def _traces() -> TelemetryConfig:
    """A span a request, and nothing else of FastAPI's own, where traces are sent."""
    tracing.name_service("g2l-api")
    provider = tracing.provider()
    return {
        "tracing": provider is not None,
        "tracer_provider": provider,
        "metrics": False,
        "logs": False,
        "operation_spans": False,
        "auto_configure": False,
        "exclude": lambda scope: scope["path"] in QUIET,
    }


class _Api(FastAPI):
    """FastAPI whose document knows what a problem looks like."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        document = super().openapi()
        bodies.lift_definitions(document)
        document["components"]["schemas"]["Problem"] = problems.OPEN_API_SCHEMA
        return document


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    sender, changes = Sender(), Changes()
    app.state.sender, app.state.changes = sender, changes
    sender.start()
    changes.start()
    with _told_of_signals(changes):
        try:
            yield
        finally:
            changes.stop()
            await run_in_threadpool(sender.stop)
            await run_in_threadpool(changes.join)
            await run_in_threadpool(tracing.flush)


@contextmanager
def _told_of_signals(changes: Changes) -> Iterator[None]:
    """End waits and streams when the process is told to stop: the server waits for them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(number: int, frame: FrameType | None) -> None:
        changes.stop()
        handler = earlier[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in earlier:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
