"""What can be known of an import before its file is looked into."""

from typing import Literal

from app.bodies import UploadFields
from core.errors import InvalidRequestError
from core.specs.base import Upload
from core.specs.imports import LARGEST_ONNX, OnnxPreprocessing
from core.specs.models import ImportModelSpec


class ImportFields(UploadFields, OnnxPreprocessing):
    """What goes with the `file` of a model; all but the name is for ONNX networks alone."""


class ImportRequest(ImportFields):
    """An import whose file was sent in pieces before."""

    objective: Literal["import"]
    upload_id: str


def import_spec(fields: ImportFields, upload: Upload) -> ImportModelSpec:
    """The import of a file, by its name a network or an archive of a folder.

    Raises:
        InvalidRequestError: the file is too large, or the fields are for another kind of file.
    """
    if upload.filename.lower().endswith(".onnx"):
        if upload.bytes > LARGEST_ONNX:
            raise InvalidRequestError.at(
                "file", f"An ONNX network may have {LARGEST_ONNX:,} bytes; got {upload.bytes:,}."
            )
        asked = {name: getattr(fields, name) for name in OnnxPreprocessing.model_fields}
        return ImportModelSpec(name=fields.name, upload=upload, preprocessing=OnnxPreprocessing(**asked))
    for name in OnnxPreprocessing.model_fields:
        if name in fields.model_fields_set:
            raise InvalidRequestError.at(
                name,
                f"{upload.filename!a} is no .onnx file, and a model folder has a preprocessor_config.json of "
                f"its own; leave {name} out.",
            )
    return ImportModelSpec(name=fields.name, upload=upload)
