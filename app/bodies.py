"""Bodies that FastAPI does not read: uploads, and the JSON that the same endpoint takes instead."""

import json
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import TypeAdapter, ValidationError
from starlette.exceptions import HTTPException

from core.specs.base import Name, Spec

Parsed = TypeVar("Parsed")
Fields = TypeVar("Fields", bound=Spec)
REFERENCE: Final = "#/components/schemas/{model}"


def is_multipart(request: Request) -> bool:
    """Whether the body is an upload.

    Raises:
        HTTPException: it is neither that nor JSON (415).
    """
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return True
    if media_type != "application/json":
        raise HTTPException(415, f"Send multipart/form-data or application/json; got {media_type[:100]}.")
    return False


async def parsed_json(request: Request, spec: TypeAdapter[Parsed]) -> Parsed:
    """The JSON body as a spec.

    Raises:
        RequestValidationError: as FastAPI would raise it.
    """
    try:
        body = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise RequestValidationError(
            [{"type": "json_invalid", "loc": ("body",), "msg": str(error), "ctx": {"error": str(error)}}]
        ) from None
    try:
        return spec.validate_python(body)
    except ValidationError as error:
        raise _refused(error, body) from None


def refused(error: ValidationError, body: object) -> RequestValidationError:
    """Pydantic's refusal as FastAPI's, so that both are answered alike."""
    return RequestValidationError(
        [{**entry, "loc": ("body", *entry["loc"])} for entry in error.errors()], body=body
    )


class UploadFields(Spec):
    """What goes with a `file`."""

    name: Name


def upload_fields(fields: Mapping[str, str], spec: type[Fields]) -> Fields:
    """The text fields of an upload.

    Raises:
        RequestValidationError: as for JSON.
    """
    try:
        return spec.model_validate(dict(fields))
    except ValidationError as error:
        raise _refused(error, dict(fields)) from None


def upload_schema(
    json_body: TypeAdapter[Any], fields: type[Spec] = UploadFields, *, several: bool = False
) -> dict[str, Any]:
    """OpenAPI's `requestBody` of an endpoint that takes an upload, or JSON instead.

    Args:
        json_body: of the JSON.
        fields: that go with the file.
        several: whether there may be more than one `file`.
    """
    file: dict[str, Any] = {"type": "string", "format": "binary"}
    form = fields.model_json_schema(ref_template=REFERENCE)
    form["properties"]["file"] = {"type": "array", "items": file, "minItems": 1} if several else file
    form["required"] = [*form["required"], "file"]
    content = {
        "multipart/form-data": {"schema": form},
        "application/json": {"schema": json_body.json_schema(ref_template=REFERENCE)},
    }
    return {"requestBody": {"required": True, "content": content}}


def lift_definitions(document: dict[str, Any]) -> None:
    """Move what bodies define for themselves to where OpenAPI looks for it."""
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for methods in document["paths"].values():
        for operation in methods.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schemas |= content["schema"].pop("$defs", {})


def _refused(error: ValidationError, body: object) -> RequestValidationError:
    """Pydantic's refusal as FastAPI's, so that both are answered alike."""
    return RequestValidationError(
        [{**entry, "loc": ("body", *entry["loc"])} for entry in error.errors()], body=body
    )
