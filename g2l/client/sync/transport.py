# Written by scripts/sync_client.py from g2l/client/aio/transport.py; edit that, then `make generate`.
"""One HTTP connection pool to the service: authentication, retries, and problems raised as errors."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx

from g2l.client.errors import ApiError, UnreachableError
from g2l.client.messages import (
    Message,
    Params,
    cut_lines,
    given,
    is_loopback,
    json_object,
    next_chunk,
    problem,
    reason,
)
from g2l.client.retries import FIRST_TRIES, IN_FLIGHT, Schedule, passes, retry_after
from g2l.client.values import JsonObject
from g2l.client.waiting import call, sleep

LARGEST_PAGE = 200


class Transport:
    """Sends requests, again if need be: every POST carries an Idempotency-Key, the rest is idempotent.

    Args:
        url: the service's address.
        api_key: to show there.
        timeout: seconds of silence after which a connection counts as broken.
        retry_for: seconds for which a request is tried again.
    """

    def __init__(self, url: str, api_key: str | None, timeout: float, *, retry_for: float) -> None:
        self.url = url.rstrip("/")
        self.timeout = timeout
        self.retry_for = retry_for
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        try:
            self._http = httpx.Client(
                base_url=self.url,
                headers=headers,
                timeout=timeout,
                trust_env=not is_loopback(self.url),
                verify=self.url.startswith("https:"),  # reading all certificates takes a while
            )
        except httpx.InvalidURL as error:
            raise UnreachableError(url, str(error)) from error
        self._answered = False

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str, params: Params | None = None, *, patience: float = 0.0) -> JsonObject:
        """The object at a path."""
        return self.json(Message("GET", path, params, patience=patience))

    def post(self, path: str, body: object = None) -> JsonObject:
        """Send an object, and parse the one that answers."""
        return self.json(Message("POST", path, json=body))

    def json(self, message: Message) -> JsonObject:
        """Send a request, and parse the object that answers; raises as `request`."""
        return json_object(self.request(message))

    def request(self, message: Message) -> httpx.Response:
        """Send a request and return its answer, whole.

        Raises:
            ApiError: the service refused.
            UnreachableError: it did not answer.
        """
        with self.answer(message) as answer:
            return answer

    def items(self, path: str, params: Params | None = None) -> Iterator[JsonObject]:
        """The items of a list, newest first, page after page."""
        cursor: str | None = None
        while True:
            page = self.get(path, {"limit": LARGEST_PAGE, **(params or {}), "cursor": cursor})
            for item in page["items"]:
                yield item
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    @contextmanager
    def answer(self, message: Message) -> Iterator[httpx.Response]:
        """The answer to a request, tried again if need be; a streamed one is read inside the block.

        Raises:
            ApiError, UnreachableError: as `request`, before the body begins.
            httpx.TransportError: a streamed body breaks off, or what is sent once does.
        """
        headers = message.keyed()
        schedule = Schedule(self.retry_for)
        in_flight = Schedule(self.retry_for + message.patience)
        failures = 0
        while True:
            try:
                answer = self._http.send(self._built(message, headers), stream=message.streamed)
            except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
                raise UnreachableError(self.url, str(error)) from error
            except httpx.TransportError as error:
                if message.once:
                    raise
                failures += 1
                pause = schedule.pause()
                if pause is None or (not self._answered and failures >= FIRST_TRIES):
                    raise UnreachableError(self.url, reason(error)) from error
                sleep(pause)
                continue
            self._answered = True
            with closing(answer):
                if answer.is_success:
                    yield answer
                    return
                refusal = problem(answer, (answer.read()).decode(errors="replace"))
            patience = in_flight if refusal.code == IN_FLIGHT else schedule
            again = passes(refusal) and not message.once
            pause = patience.pause(retry_after(answer)) if again else None
            if pause is None:
                raise ApiError(refusal)
            sleep(pause)

    def _built(self, message: Message, headers: dict[str, str]) -> httpx.Request:
        return self._http.build_request(
            message.method,
            message.path,
            params=given(message.params) or None,
            headers=headers,
            json=message.json,
            content=None if message.chunks is None else _content(message.chunks()),
            timeout=httpx.Timeout(self.timeout, read=self.timeout + message.patience),
        )


def lines(answer: httpx.Response) -> Iterator[str]:
    """The lines of a streamed text."""
    rest = b""
    for chunk in answer.iter_bytes():
        whole, rest = cut_lines(rest, chunk)
        for line in whole:
            yield line
    if rest:
        yield rest.decode()


def _content(chunks: Iterator[bytes]) -> Iterator[bytes]:
    while (chunk := call(next_chunk, chunks)) is not None:
        yield chunk
