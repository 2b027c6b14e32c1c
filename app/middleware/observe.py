"""Outermost: a request id, a line of log, rate, errors and duration, an answer to what nobody caught."""

import re
import secrets
import time

import structlog
from prometheus_client import Counter, Histogram
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import handlers

logger = structlog.get_logger("app.access")
REQUESTS = Counter("g2l_http_requests", "Requests answered.", ["method", "route", "status"])
DURATION = Histogram(
    "g2l_http_request_duration_seconds", "Time to the end of the answer.", ["method", "route"]
)
METHODS = frozenset({"GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"})
_SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,100}")
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})


class Observe:
    """Watches every request pass."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, and say that and how."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _request_id(scope)
        status = 0
        began = time.perf_counter()

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, noting)
            except Exception as error:
                answer = handlers.mistake(scope["path"], error)
                if status == 0:
                    await answer(scope, receive, noting)
                else:
                    status = 500
                    raise
            finally:
                _record(scope, status or 499, time.perf_counter() - began)


def _request_id(scope: Scope) -> str:
    given = Headers(scope=scope).get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else secrets.token_hex(8)


def _record(scope: Scope, status: int, seconds: float) -> None:
    method = scope["method"] if scope["method"] in METHODS else "other"
    route = getattr(scope.get("route"), "path", "none")
    REQUESTS.labels(method, route, str(status)).inc()
    DURATION.labels(method, route).observe(seconds)
    log = logger.debug if route in QUIET else logger.info
    log(
        "request",
        method=scope["method"],
        path=scope["path"],
        route=route,
        status=status,
        seconds=round(seconds, 4),
        client=(scope.get("client") or ("",))[0],
    )
