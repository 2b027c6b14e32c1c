"""One HTTP connection pool to the service: authentication, retries, and problems raised as errors."""

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager

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
from g2l.client.waiting import async_call, async_sleep

LARGEST_PAGE = 200


class AsyncTransport:
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
            self._http = httpx.AsyncClient(
                base_url=self.url,
                headers=headers,
                timeout=timeout,
                trust_env=not is_loopback(self.url),
                verify=self.url.startswith("https:"),  # reading all certificates takes a while
            )
        except httpx.InvalidURL as error:
            raise UnreachableError(url, str(error)) from error
        self._answered = False

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, path: str, params: Params | None = None, *, patience: float = 0.0) -> JsonObject:
        """The object at a path."""
        return await self.json(Message("GET", path, params, patience=patience))

    async def post(self, path: str, body: object = None) -> JsonObject:
        """Send an object, and parse the one that answers."""
        return await self.json(Message("POST", path, json=body))

    async def json(self, message: Message) -> JsonObject:
        """Send a request, and parse the object that answers; raises as `request`."""
        return json_object(await self.request(message))

    async def request(self, message: Message) -> httpx.Response:
        """Send a request and return its answer, whole.

        Raises:
            ApiError: the service refused.
            UnreachableError: it did not answer.
        """
        async with self.answer(message) as answer:
            return answer

    async def items(self, path: str, params: Params | None = None) -> AsyncIterator[JsonObject]:
        """The items of a list, newest first, page after page."""
        cursor: str | None = None
        while True:
            page = await self.get(path, {"limit": LARGEST_PAGE, **(params or {}), "cursor": cursor})
            for item in page["items"]:
                yield item
            cursor = page.get("next_cursor")
            if cursor is None:
                return

    @asynccontextmanager
    async def answer(self, message: Message) -> AsyncIterator[httpx.Response]:
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
                answer = await self._http.send(self._built(message, headers), stream=message.streamed)
            except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
                raise UnreachableError(self.url, str(error)) from error
            except httpx.TransportError as error:
                if message.once:
                    raise
                failures += 1
                pause = schedule.pause()
                if pause is None or (not self._answered and failures >= FIRST_TRIES):
                    raise UnreachableError(self.url, reason(error)) from error
                await async_sleep(pause)
                continue
            self._answered = True
            async with aclosing(answer):
                if answer.is_success:
                    yield answer
                    return
                refusal = problem(answer, (await answer.aread()).decode(errors="replace"))
            patience = in_flight if refusal.code == IN_FLIGHT else schedule
            again = passes(refusal) and not message.once
            pause = patience.pause(retry_after(answer)) if again else None
            if pause is None:
                raise ApiError(refusal)
            await async_sleep(pause)

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


async def lines(answer: httpx.Response) -> AsyncIterator[str]:
    """The lines of a streamed text."""
    rest = b""
    async for chunk in answer.aiter_bytes():
        whole, rest = cut_lines(rest, chunk)
        for line in whole:
            yield line
    if rest:
        yield rest.decode()


async def _content(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (chunk := await async_call(next_chunk, chunks)) is not None:
        yield chunk
