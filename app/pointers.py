"""Where a request is wrong: pydantic's locations as JSON pointers."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

_REPEATED = 80  # characters of a wrong value that are repeated to its sender


def field_errors(errors: Sequence[Mapping[str, Any]], body: object) -> list[dict[str, str]]:
    """Pydantic's errors as `{pointer, detail}`, against the body that was sent."""
    return [{"pointer": _pointer(error, body), "detail": _detail(error)} for error in errors]


def _pointer(error: Mapping[str, Any], body: object) -> str:
    source, *parts = error["loc"] or ("body",)
    if error["type"] == "json_invalid":
        return "#"
    if source != "body":
        return _join([source, *parts])
    found = _walked(parts, body, missing=error["type"] == "missing")
    if error["type"].startswith("union_tag"):  # the tag is told by a function, `_<field>` or `<field>_of`
        name = str(error["ctx"]["discriminator"]).strip("'").removesuffix("()")
        found.append(name.removeprefix("_").removesuffix("_of"))
    return _join(found)


def _walked(parts: Sequence[str | int], body: object, *, missing: bool) -> list[str | int]:
    """Parts that are in the body; union tags are not, and the name of a missing field only comes last."""
    found: list[str | int] = []
    here = body
    for index, part in enumerate(parts):
        inside, here = _step(here, part)
        if inside or (missing and index == len(parts) - 1):
            found.append(part)
    return found


def _step(here: object, part: str | int) -> tuple[bool, object]:
    """Whether a part is there, and what is at it; a tag is not there, and leads nowhere."""
    if isinstance(here, dict) and part in here:
        return True, here[part]
    if isinstance(here, list) and isinstance(part, int) and part < len(here):
        return True, here[part]
    return False, here


def _join(parts: Sequence[str | int]) -> str:
    words = (str(part).replace("~", "~0").replace("/", "~1") for part in parts)
    return "/".join(["#", *(quote(word, safe="~!$&'()*+,;=:@-._", errors="replace") for word in words)])


def _detail(error: Mapping[str, Any]) -> str:
    context = error.get("ctx", {})
    if error["type"] == "json_invalid":
        return f"The body is not valid JSON: {context.get('error', 'it cannot be parsed')}."
    if error["type"].startswith("union_tag"):
        return f"Give one of {context.get('expected_tags', 'those documented')}; got {context.get('tag')!r}."
    if error["type"] == "extra_forbidden":
        return "There is no such field."
    message = str(error["msg"]).removeprefix("Value error, ")
    given = error.get("input")
    if error["type"] == "missing" or isinstance(given, dict | list | bytes) or given is None:
        return message
    return f"{message}; got {ascii(given)[:_REPEATED]}"
