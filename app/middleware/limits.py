"""No JSON body is read without bound; uploads have a limit of their own."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import UploadTooLargeError

UPLOADS = ("multipart/", "application/offset+octet-stream")
MAX_BODY = 16 << 20  # 4,096 named anchors are less than 2 MiB


class LimitBody:
    """Counts what a request sends, whatever it declares."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or _is_upload(scope):
            await self.app(scope, receive, send)
            return
        received = 0

        async def counting() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY:
                raise UploadTooLargeError(f"A JSON body may have {MAX_BODY:,} bytes; this one has more.")
            return message

        await self.app(scope, counting, send)


def _is_upload(scope: Scope) -> bool:
    return Headers(scope=scope).get("content-type", "").lower().startswith(UPLOADS)
