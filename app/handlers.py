"""Every way a request can end in an error, as problem+json."""

from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from app import pointers, problems
from app.idempotency import ReplayedAnswer
from core import disk
from core.errors import IdempotencyInFlightError, ServiceError, StorageFullError

logger = structlog.get_logger(__name__)
_CODES = {404: "not-found", 405: "method-not-allowed", 406: "not-acceptable", 415: "unsupported-media-type"}


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.add_exception_handler(ServiceError, _expected)
    app.add_exception_handler(RequestValidationError, _expected)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(ReplayedAnswer, _replayed)
    app.add_exception_handler(ClientDisconnect, _disconnected)
    app.add_exception_handler(OSError, _cannot_write)
    app.add_exception_handler(DBAPIError, _database_error)
    app.add_exception_handler(PoolTimeout, _database_error)


def problem_of(request: Request, error: Exception) -> dict[str, Any] | None:
    """The problem of an error that says something of the request; None for any other."""
    if isinstance(error, RequestValidationError):
        if all(entry["loc"][:1] == ("path",) for entry in error.errors()):
            return problems.problem("not-found", _nothing_at(request), instance=request.url.path)
        errors = pointers.field_errors(error.errors(), error.body)
        detail = "; ".join(f"{e['pointer']}: {e['detail']}" for e in errors[:3])
        return problems.problem("invalid-request", detail, instance=request.url.path, errors=errors)
    if isinstance(error, ServiceError):
        return problems.of_service_error(error, request.url.path)
    return None


def _expected(request: Request, error: Exception) -> Response:
    body = problem_of(request, error)
    if body is None:
        raise error
    headers = {"Retry-After": "1"} if isinstance(error, IdempotencyInFlightError) else {}
    return problems.response(body, headers)


def _http_exception(request: Request, error: Exception) -> Response:
    if isinstance(error.__cause__, ServiceError):  # FastAPI wraps what reading a body raises
        return _expected(request, error.__cause__)
    if isinstance(error.__cause__, RecursionError | UnicodeDecodeError):
        return problems.response(_unreadable(request))
    status = getattr(error, "status_code", 500)
    code = _CODES.get(status, "bad-request" if status < 500 else "internal-error")
    detail = {
        404: _nothing_at(request),
        405: f"{request.url.path} does not take {request.method}.",
    }.get(status, str(getattr(error, "detail", "")))
    body = problems.problem(code, detail, instance=request.url.path)
    return problems.response(body, getattr(error, "headers", None))


def _nothing_at(request: Request) -> str:
    return f"There is nothing at {request.url.path}."


def _unreadable(request: Request) -> dict[str, Any]:
    detail = "The body is not JSON in UTF-8, or is nested too deeply to be read."
    return problems.problem("invalid-request", detail, instance=request.url.path)


def _replayed(request: Request, error: Exception) -> Response:
    if not isinstance(error, ReplayedAnswer):
        raise error
    return Response(error.body, error.status, {**error.headers, "Idempotency-Replayed": "true"})


def _disconnected(request: Request, error: Exception) -> Response:
    return Response(status_code=400)  # for the access log; nobody is there to read it


def _cannot_write(request: Request, error: Exception) -> Response:
    if not disk.is_full(error):
        return mistake(request.url.path, error)
    logger.error("the disk is full", error=str(error))
    full = StorageFullError("The service has no room for this; nothing half made was kept.")
    return problems.response(problems.of_service_error(full, request.url.path))


def _database_error(request: Request, error: Exception) -> Response:
    return database_error(request.url.path, error)


def database_error(path: str, error: Exception) -> Response:
    """503 where the database is away; anything else that it says is a fault of ours."""
    away = isinstance(error, PoolTimeout | OperationalError) or getattr(
        error, "connection_invalidated", False
    )
    if not away:
        return mistake(path, error)
    logger.warning("database unavailable", error=str(error))
    body = problems.problem(
        "database-unavailable", "The database did not answer; try again shortly.", instance=path
    )
    return problems.response(body, {"Retry-After": "5"})


def mistake(path: str, error: Exception) -> Response:
    """The answer to a fault of ours: no trace leaves, the log keeps it."""
    logger.error("request failed", exc_info=error)
    body = problems.problem(
        "internal-error",
        "The service made a mistake; its log says which, under this answer's X-Request-ID.",
        instance=path,
    )
    return problems.response(body)
