"""Who may ask: holders of an API key; on loopback, with no key ever made, everybody."""

import hashlib
import ipaddress
from urllib.parse import urlsplit

from sqlalchemy import exists, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from app import handlers, problems
from core.db.jobs import ApiKey
from core.db.session import transaction
from core.errors import UnauthenticatedError
from core.settings import get_settings

_OPEN = ("/healthz", "/readyz", "/docs", "/openapi.json", "/problems/")


class Authenticate:
    """Lets a request through, or answers 401."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"].startswith(_OPEN):
            await self.app(scope, receive, send)
            return
        try:
            refusal = await run_in_threadpool(_refusal, scope)
        except SQLAlchemyError as error:
            await handlers.database_error(scope["path"], error)(scope, receive, send)
            return
        if refusal is None:
            await self.app(scope, receive, send)
            return
        body = problems.of_service_error(refusal, scope["path"])
        await problems.response(body, {"WWW-Authenticate": "Bearer"})(scope, receive, send)


def _refusal(scope: Scope) -> UnauthenticatedError | None:
    scheme, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    digest = hashlib.sha256(token.strip().encode()).hexdigest()
    with transaction() as session:
        any_made, valid = session.execute(
            select(
                exists().select_from(ApiKey),
                exists().where(ApiKey.sha256 == digest, ApiKey.revoked_at.is_(None)),
            )
        ).one()
    if valid and scheme.lower() == "bearer":
        return None
    if any_made:
        return UnauthenticatedError("Send `Authorization: Bearer g2l_…` with a key that was not revoked.")
    if get_settings().insecure_no_auth:
        return None
    if not _on_loopback(scope):
        return UnauthenticatedError(
            "No API key exists, and this is not the loopback address: make one with `g2l keys create`."
        )
    return _foreign_page(Headers(scope=scope))


def _on_loopback(scope: Scope) -> bool:
    """Whether the request came in through the loopback interface, or a unix socket."""
    host, port = scope.get("server") or ("", None)
    return port is None or _is_loopback(host)


def _foreign_page(headers: Headers) -> UnauthenticatedError | None:
    """Refuse what a web page elsewhere makes this machine's browser send: it is on loopback too."""
    for name in ("host", "origin"):
        given = headers.get(name)
        if given is not None and not _is_loopback(_host_of(given)):
            return UnauthenticatedError(
                f"Without any API key only this machine is served, by a loopback name; {name.title()} is "
                f"{given}. "
                "Make a key with `g2l keys create`."
            )
    return None


def _host_of(given: str) -> str:
    try:
        return urlsplit(given if "//" in given else f"//{given}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
