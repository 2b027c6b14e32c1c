"""One HTTP connection pool to the service: authentication, retries, and problems raised as errors."""

import ipaddress
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx

from g2l.client import retries
from g2l.client.errors import ApiError, UnreachableError
from g2l.client.values import JsonObject, Problem

Params = Mapping[str, str | int | float | bool | None]
Body = Callable[[], Iterable[bytes]]  # called anew for each try


@dataclass(frozen=True)
class _Sent:
    """A request, as it is built anew for each try."""

    method: str
    path: str
    params: Params
    headers: Mapping[str, str]
    json: object = None
    content: Body | None = None
    patience: float = 0.0
    streamed: bool = False  # whether the caller reads the body; else a cut in it counts as a failed try


class Transport:
    """Sends requests, again if need be: every POST carries an Idempotency-Key, the rest is idempotent."""

    def __init__(self, url: str, api_key: str | None, timeout: float) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        try:
            self._http = httpx.Client(
                base_url=self.url,
                headers=headers,
                timeout=timeout,
                trust_env=not _is_loopback(self.url),  # a proxy cannot reach this machine's own service
            )
        except httpx.InvalidURL as error:
            raise UnreachableError(url, str(error)) from error
        self._answered = False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def json(self, method: str, path: str, **options: Any) -> JsonObject:
        """Send a request and parse the object that answers; options as of `request`."""
        response = self.request(method, path, **options)
        try:
            body: JsonObject = response.json()
        except ValueError:
            raise ApiError(_unexpected(response, "The answer is no JSON")) from None
        return body

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        json: object = None,
        content: Body | None = None,
        patience: float = 0.0,
    ) -> httpx.Response:
        """Send a request and return its answer.

        Args:
            method: of HTTP.
            path: below the service's address.
            params: of the query; None values are left out.
            headers: beside those of the client.
            json: the body, as JSON.
            content: the body, as bytes, made anew for each try; `headers` then say its type and length.
            patience: seconds that the service may take beyond the timeout before its first byte.

        Raises:
            ApiError: the service refused.
            UnreachableError: it did not answer.
        """
        sent = dict(headers or {})
        if method == "POST":
            sent.setdefault("Idempotency-Key", uuid4().hex)
        with self._answer(_Sent(method, path, _given(params), sent, json, content, patience)) as response:
            return response

    @contextmanager
    def stream(
        self,
        path: str,
        *,
        params: Params | None = None,
        headers: Mapping[str, str] | None = None,
        patience: float = 0.0,
    ) -> Iterator[httpx.Response]:
        """GET with the body left to the caller, who reads it inside the block.

        Raises:
            ApiError, UnreachableError: as `request`, before the body begins.
            httpx.TransportError: the body breaks off.
        """
        sent = _Sent("GET", path, _given(params), headers or {}, patience=patience, streamed=True)
        with self._answer(sent) as response:
            yield response

    def items(self, path: str, params: Params | None = None) -> Iterator[JsonObject]:
        """The items of a list, newest first, page after page."""
        cursor: str | None = None
        while True:
            page = self.json("GET", path, params={"limit": 200, **(params or {}), "cursor": cursor})
            yield from page["items"]
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    @contextmanager
    def _answer(self, sent: _Sent) -> Iterator[httpx.Response]:
        pauses = retries.delays(retries.TRIES)
        failures = 0
        while True:
            try:
                response = self._http.send(self._build(sent), stream=sent.streamed)
            except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
                raise UnreachableError(self.url, str(error)) from error
            except httpx.TransportError as error:
                failures += 1
                pause = next(pauses, None)
                if pause is None or (not self._answered and failures >= retries.FIRST_TRIES):
                    raise UnreachableError(self.url, str(error) or type(error).__name__) from error
                time.sleep(pause)
                continue
            self._answered = True
            with closing(response):
                if response.is_success:
                    yield response
                    return
                problem = _problem(response)
            pause = next(pauses, None) if _passes(problem) else None
            if pause is None:
                raise ApiError(problem)
            time.sleep(max(pause, retries.retry_after(response.headers.get("Retry-After")) or 0.0))

    def _build(self, sent: _Sent) -> httpx.Request:
        return self._http.build_request(
            sent.method,
            sent.path,
            params=sent.params or None,
            headers=sent.headers,
            json=sent.json,
            content=sent.content and sent.content(),
            timeout=httpx.Timeout(self.timeout, read=self.timeout + sent.patience),
        )


def lines(response: httpx.Response) -> Iterator[str]:
    """The lines of a streamed text, cut at line feeds alone (a JSON text may hold other line separators)."""
    rest = b""
    for chunk in response.iter_bytes():
        *whole, rest = (rest + chunk).split(b"\n")
        yield from (line.removesuffix(b"\r").decode() for line in whole)
    if rest:
        yield rest.decode()


def segment(text: str) -> str:
    """An id or a name as one part of a path."""
    return quote(text, safe="")


def _passes(problem: Problem) -> bool:
    return problem.status in retries.BUSY or problem.code == "idempotency-in-flight"


def _problem(response: httpx.Response) -> Problem:
    text = response.read().decode(errors="replace")
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    if isinstance(body, dict) and "title" in body:
        return Problem.from_json({"status": response.status_code, **body})
    return _unexpected(response, f"{response.status_code} {response.reason_phrase}")


def _unexpected(response: httpx.Response, title: str) -> Problem:
    start = response.text[:200].strip()
    detail = f"{response.url} answered: {start} (is a g2l service at this address?)"
    return Problem("about:blank", title, response.status_code, detail)


def _given(params: Params | None) -> Params:
    return {name: value for name, value in (params or {}).items() if value is not None}


def _is_loopback(url: str) -> bool:
    host = httpx.URL(url).host
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
