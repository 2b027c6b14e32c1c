"""What an .onnx file must look like before anything in it is run."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from g2l.errors import G2LError

if TYPE_CHECKING:
    import onnx

LARGEST_FILE = 1 << 30  # bytes; half of what the format itself allows
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})  # whose operators onnxruntime has
NAMED = 5  # in an error


class NotAnOnnxFileError(G2LError):
    """The bytes are no ONNX network, or a damaged one."""

    code: ClassVar[str] = "not-an-onnx-file"
    title: ClassVar[str] = "This is no ONNX network"


class UnsuitableNetworkError(G2LError):
    """The ONNX network does not turn one image into one vector, or cannot be run here."""

    code: ClassVar[str] = "unsuitable-network"
    title: ClassVar[str] = "The network cannot embed images"


@dataclass(frozen=True)
class OnnxFile:
    """A file that was looked through.

    Attributes:
        content: its bytes.
        n_parameters: numbers among its stored tensors.
    """

    content: bytes
    n_parameters: int


def read_onnx(path: Path) -> OnnxFile:
    """Look through a file without running it.

    Args:
        path: of the file.

    Returns:
        its content, safe to give to onnxruntime as bytes: it names no other file and no foreign operator.

    Raises:
        NotAnOnnxFileError: it is none.
        UnsuitableNetworkError: it is too large, keeps weights in other files, or needs operators of others.
    """
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise UnsuitableNetworkError(
            f"the file has {size:,} bytes and at most {LARGEST_FILE:,} are taken; export a smaller network, "
            "or import it as a folder with safetensors",
            field="file",
        )
    content = path.read_bytes()
    model = _parsed(content)
    messages = list(_messages(model))
    _require_own_data(messages)
    _require_known_operators(model, messages)
    tensors = [message for message in messages if type(message).__name__ == "TensorProto"]
    return OnnxFile(content, sum(prod(tensor.dims) for tensor in tensors))


def _parsed(content: bytes) -> "onnx.ModelProto":
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise NotAnOnnxFileError(
            "the file cannot be read as an ONNX network; export it with torch.onnx.export, or check that it "
            "was sent whole",
            field="file",
        ) from error
    if not (model.ir_version and model.opset_import and model.graph.node):
        raise NotAnOnnxFileError(
            "the file holds no graph of operators; send an exported network", field="file"
        )
    return model


def _messages(message: Any) -> Iterator[Any]:
    """A protobuf message and all messages in it: graphs in branches and functions too."""
    from google.protobuf.message import Message

    waiting = [message]
    while waiting:
        current = waiting.pop()
        yield current
        for field, value in current.ListFields():
            if field.message_type is not None:
                waiting += [value] if isinstance(value, Message) else value


def _require_own_data(messages: list[Any]) -> None:
    """Weights outside of the file would be read from paths that the file names."""
    outside = [
        m.name for m in messages if type(m).__name__ == "TensorProto" and (m.external_data or m.data_location)
    ]
    if outside:
        raise UnsuitableNetworkError(
            f"weights lie in other files ({_some(outside)}); export it with its weights inside: "
            "torch.onnx.export(…, external_data=False), or onnx.save of what onnx.load has read",
            field="file",
        )


def _require_known_operators(model: "onnx.ModelProto", messages: list[Any]) -> None:
    own = {function.domain for function in model.functions}
    nodes = [message for message in messages if type(message).__name__ == "NodeProto"]
    foreign = sorted({f"{node.domain}.{node.op_type}" for node in nodes if node.domain not in DOMAINS | own})
    if foreign:
        raise UnsuitableNetworkError(
            f"the network needs operators that onnxruntime does not have: {_some(foreign)}; export it with "
            "standard operators",
            field="file",
        )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(ascii(name)[1:-1] for name in names[:NAMED]) + more
