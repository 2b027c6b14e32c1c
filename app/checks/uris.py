"""Which URIs a dataset may be read from."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from core.errors import InvalidRequestError
from core.settings import Settings


def check_uri(uri: str, settings: Settings) -> None:
    """Refuse what is not a `file://` path below an allowed folder, or is not there.

    Raises:
        InvalidRequestError: at `#/uri`; it says nothing of what lies elsewhere on this machine.
    """
    try:
        parts = urlsplit(uri)
        path = Path(unquote(parts.path, errors="strict")).resolve()
    except (ValueError, OSError, RuntimeError):  # not a URL, a NUL, a loop of links
        raise InvalidRequestError.at("uri", f"{uri!a} is not a URI.") from None
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise InvalidRequestError.at("uri", f"Give file:///PATH below one of G2L_URI_ROOTS; got {uri!a}.")
    if not any(path.is_relative_to(root.resolve()) for root in settings.uri_roots):
        allowed = "is not below one of them" if settings.uri_roots else "no folder is allowed here"
        raise InvalidRequestError.at(
            "uri",
            f"Only folders named by G2L_URI_ROOTS are read; {uri!a}: {allowed}. Upload the file instead.",
        )
    if not path.exists():
        raise InvalidRequestError.at("uri", f"There is nothing at {uri!a}.")
