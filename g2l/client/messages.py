"""Requests as they are sent and answers as they are understood; nothing here waits for anything."""

import ipaddress
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote
from uuid import uuid4

import httpx

from g2l.client.errors import ApiError
from g2l.client.values import JsonObject, Problem

Params = Mapping[str, str | int | float | bool | None]
Chunks = Callable[[], Iterator[bytes]]  # called anew for each try


@dataclass(frozen=True)
class Message:
    """A request, from which each try is built anew.

    Attributes:
        params: of the query; None values are left out.
        headers: beside those of the client; every POST gets an ``Idempotency-Key``, the same at every try.
        json: the body, as JSON.
        chunks: or the body, as bytes; `headers` then say its type and length.
        patience: seconds that the service may take beyond the timeout before its first byte.
        streamed: whether the caller reads the answer's body; else a cut in it counts as a failed try.
        once: whether it is never tried again, since only its sender knows what to ask after a failure.
    """

    method: str
    path: str
    params: Params | None = None
    headers: Mapping[str, str] | None = None
    json: object = None
    chunks: Chunks | None = None
    patience: float = 0.0
    streamed: bool = False
    once: bool = False

    def keyed(self) -> dict[str, str]:
        """The headers, with a key if this is a POST."""
        key = {"Idempotency-Key": uuid4().hex} if self.method == "POST" else {}
        return {**key, **(self.headers or {})}


def given(params: Params | None) -> dict[str, str | int | float | bool]:
    """The parameters that are not None."""
    return {name: value for name, value in (params or {}).items() if value is not None}


def segment(text: str) -> str:
    """An id or a name as one part of a path."""
    return quote(text, safe="")


def is_loopback(url: str) -> bool:
    """Whether an address is of this machine, which no proxy can reach."""
    host = httpx.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def json_object(answer: httpx.Response) -> JsonObject:
    """The object that an answer spells.

    Raises:
        ApiError: it spells none, so this is another kind of service.
    """
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise ApiError(_unexpected(answer, answer.text, "The answer is no JSON object"))
    return body


def problem(answer: httpx.Response, text: str) -> Problem:
    """Why a request was refused."""
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if isinstance(body, dict) and "title" in body:
        return Problem.from_json({"status": answer.status_code, **body})
    return _unexpected(answer, text, f"{answer.status_code} {answer.reason_phrase}")


def reason(error: Exception) -> str:
    """What went wrong on the way, in words."""
    return str(error) or type(error).__name__


def cut_lines(rest: bytes, chunk: bytes) -> tuple[list[str], bytes]:
    """The whole lines in what has come, and what is left of the last one.

    Lines end at line feeds alone, since a JSON text may hold other line separators.
    """
    *whole, rest = (rest + chunk).split(b"\n")
    return [line.removesuffix(b"\r").decode() for line in whole], rest


def next_chunk(chunks: Iterator[bytes]) -> bytes | None:
    """What is to be sent next; None at the end."""
    return next(chunks, None)


def _unexpected(answer: httpx.Response, text: str, title: str) -> Problem:
    detail = f"{answer.url} answered: {text[:200].strip()} (is a g2l service at this address?)"
    return Problem("about:blank", title, answer.status_code, detail)
