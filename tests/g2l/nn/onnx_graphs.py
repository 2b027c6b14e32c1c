"""Small ONNX networks, as files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Shape = Sequence[int | str]
OPSET = [helper.make_opsetid("", 17)]


def save_graph(
    path: Path,
    nodes: list[Any],
    *,
    given: dict[str, Shape],
    answers: dict[str, Shape],
    weights: dict[str, Any] | None = None,
    element: int = TensorProto.FLOAT,
    opsets: list[Any] = OPSET,
) -> Path:
    """A network of some nodes."""
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(name, element, shape) for name, shape in given.items()],
        [helper.make_tensor_value_info(name, element, shape) for name, shape in answers.items()],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path


def save_network(
    path: Path,
    *,
    channels: int = 3,
    side: int | str = 16,
    batch: int | str = "n",
    dim: int = 6,
    pooled: bool = True,
) -> Path:
    """A convolution of stride 2 and a ReLU, then the mean over the map unless a map is wanted."""
    kernel = np.random.default_rng(0).normal(size=(dim, channels, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["pixels", "kernel"], ["map"], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["map"], ["positive"]),
    ]
    answers: Shape = (batch, dim, "h", "w")
    if pooled:
        nodes += [helper.make_node("ReduceMean", ["positive"], ["vector"], axes=[2, 3], keepdims=0)]
        answers = (batch, dim)
    return save_graph(
        path,
        nodes,
        given={"pixels": (batch, channels, side, side)},
        answers={"vector" if pooled else "positive": answers},
        weights={"kernel": kernel},
    )


def edit(path: Path, change: Any) -> Path:
    """The same file after a change to its message."""
    model = onnx.load_model_from_string(path.read_bytes())
    change(model)
    path.write_bytes(model.SerializeToString())
    return path
