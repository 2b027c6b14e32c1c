"""ONNX networks that users bring: what is run, and what is refused before it can do harm."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from g2l.nn import onnx_files
from g2l.nn.embedders import load_embedder
from g2l.nn.onnx_embedder import OnnxPreprocessing, import_onnx
from g2l.nn.onnx_files import NotAnOnnxFileError, UnsuitableNetworkError
from tests.g2l.nn.onnx_graphs import edit, save_graph, save_network
from tests.g2l.nn.samples import noise

AS_IT_IS = OnnxPreprocessing()
PLAIN = OnnxPreprocessing(image_mean=(0.0,), image_std=(1.0,))


def answer(path: Path, pixels: Any) -> Any:
    """What onnxruntime gives for an input as it is."""
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: pixels.astype(np.float32)})[0]


def test_responses_are_those_of_the_network(tmp_path: Path) -> None:
    path, images = save_network(tmp_path / "net.onnx"), noise(5, 16, 3)
    embedder = import_onnx(path, PLAIN)
    assert (embedder.dim, embedder.channels, embedder.image_size) == (6, 3, (16, 16))
    assert embedder.parameters == 6 * 3 * 9
    expected = answer(path, images.transpose(0, 3, 1, 2) / 255)
    np.testing.assert_allclose(embedder.embed(images), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 3, 4, 13])
def test_any_number_of_channels(tmp_path: Path, channels: int) -> None:
    embedder = import_onnx(save_network(tmp_path / "net.onnx", channels=channels), AS_IT_IS)
    deep = noise(3, 20, channels, dtype=np.uint16)
    assert embedder.embed(deep).shape == (3, 6)
    np.testing.assert_allclose(embedder.embed((deep // 257).astype(np.uint8)), embedder.embed(deep), atol=0.1)


def test_the_words_of_a_preprocessor_config_hold(tmp_path: Path) -> None:
    path, images = save_network(tmp_path / "net.onnx", side="side"), noise(4, 24, 3)
    asked = OnnxPreprocessing(
        image_size=24, image_mean=(127.0,), image_std=(128.0, 64.0, 32.0), rescale_factor=1.0
    )
    embedder = import_onnx(path, asked)
    scaled = (images.transpose(0, 3, 1, 2) - 127.0) / np.array([128.0, 64.0, 32.0])[:, None, None]
    np.testing.assert_allclose(embedder.embed(images), answer(path, scaled), rtol=1e-3, atol=1e-4)
    embedder.save(tmp_path / "saved")
    assert np.array_equal(load_embedder(tmp_path / "saved").embed(images), embedder.embed(images))


def test_maps_and_tokens_are_averaged(tmp_path: Path) -> None:
    pooled = import_onnx(save_network(tmp_path / "vector.onnx"), PLAIN)
    as_map = import_onnx(save_network(tmp_path / "map.onnx", pooled=False), PLAIN)
    np.testing.assert_allclose(as_map.embed(noise(3, 16, 3)), pooled.embed(noise(3, 16, 3)), rtol=1e-5)
    tokens = save_graph(
        tmp_path / "tokens.onnx",
        [helper.make_node("Reshape", ["pixels", "shape"], ["tokens"])],
        given={"pixels": ("n", 8, 8, 3)},
        answers={"tokens": ("n", 64, 3)},
        weights={"shape": np.array([-1, 64, 3], np.int64)},
    )
    images = noise(3, 8, 3)
    found = import_onnx(tokens, PLAIN).embed(images)  # channels last
    np.testing.assert_allclose(found, images.mean(axis=(1, 2)) / 255, rtol=1e-4)


@pytest.mark.parametrize("batch", [1, 4])
def test_a_fixed_batch_takes_any_number_of_images(tmp_path: Path, batch: int) -> None:
    images = noise(7, 16, 3)
    free = import_onnx(save_network(tmp_path / "free.onnx"), AS_IT_IS).embed(images)
    fixed = import_onnx(save_network(tmp_path / "fixed.onnx", batch=batch), AS_IT_IS)
    np.testing.assert_allclose(fixed.embed(images), free, rtol=1e-4)


def minus_mean(path: Path, batch: int | str = "n") -> Path:
    """Responses less the mean response of the batch."""
    return save_graph(
        path,
        [
            helper.make_node("ReduceMean", ["pixels"], ["each"], axes=[2, 3], keepdims=0),
            helper.make_node("ReduceMax", ["each"], ["all"], axes=[0], keepdims=1),
            helper.make_node("Add", ["each", "all"], ["vector"]),
        ],
        given={"pixels": (batch, 3, 16, 16)},
        answers={"vector": (batch, 3)},
    )


def test_images_that_would_change_each_other_are_run_one_by_one(tmp_path: Path) -> None:
    embedder, images = import_onnx(minus_mean(tmp_path / "net.onnx"), AS_IT_IS), noise(5, 16, 3)
    alone = np.concatenate([embedder.embed(images[i : i + 1]) for i in range(5)])
    assert np.array_equal(embedder.embed(images), alone)
    embedder.save(tmp_path / "saved")
    assert np.array_equal(load_embedder(tmp_path / "saved").embed(images), alone)


MEAN = helper.make_node("ReduceMean", ["pixels"], ["vector"], axes=[2, 3], keepdims=0)


def one_node(path: Path, **changes: Any) -> Path:
    """A network of one node, different from a good one as told."""
    node = changes.pop("node", MEAN)
    good: dict[str, Any] = {"given": {"pixels": ("n", 3, 16, 16)}, "answers": {"vector": ("n", 3)}}
    return save_graph(path, [node], **(good | changes))


def outside(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")


TWO_INPUTS = {"given": {"pixels": ("n", 3, 16, 16), "mask": ("n", 1)}}
NOISE = helper.make_node("RandomNormalLike", ["pixels"], ["vector"])
FOREIGN = {
    "node": helper.make_node("Fuse", ["pixels"], ["vector"], domain="ai.acme"),
    "opsets": [helper.make_opsetid("", 17), helper.make_opsetid("ai.acme", 1)],
}
UNCHANGED = helper.make_node("Relu", ["pixels"], ["vector"])
UNKNOWN = helper.make_node("NoSuchOperator", ["pixels"], ["vector"])
REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "weights elsewhere": (lambda p: edit(save_network(p), outside), r"other files \(kernel\)"),
    "operators of others": (lambda p: one_node(p, **FOREIGN), r"ai\.acme\.Fuse"),
    "unknown operators": (lambda p: one_node(p, node=UNKNOWN), "cannot run the network"),
    "two inputs": (lambda p: one_node(p, **TWO_INPUTS), r"2 inputs \(pixels, mask\)"),
    "half precision": (lambda p: one_node(p, element=TensorProto.FLOAT16), "float16"),
    "vectors in": (lambda p: one_node(p, node=UNCHANGED, given={"pixels": ("n", 3)}), "images"),
    "channels untold": (lambda p: one_node(p, given={"pixels": ("n", "c", "h", "w")}), "channels"),
    "images too small": (lambda p: one_node(p, given={"pixels": ("n", 3, 4, 4)}), "8 to 1024"),
    "by chance": (lambda p: one_node(p, node=NOISE, answers={"vector": ("n", 3, 16, 16)}), "run to run"),
    "mixed in a fixed batch": (lambda p: minus_mean(p, 4), "other images of its batch"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_embed_images_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    make, reason = REFUSED[name]
    with pytest.raises(UnsuitableNetworkError, match=reason) as caught:
        import_onnx(make(tmp_path / "net.onnx"), AS_IT_IS)
    assert caught.value.field == "file"


def test_two_outputs_are_refused(tmp_path: Path) -> None:
    split = helper.make_node("Split", ["pixels"], ["left", "right"], axis=3)
    path = save_graph(
        tmp_path / "net.onnx",
        [split],
        given={"pixels": ("n", 3, 16, 16)},
        answers={"left": ("n", 3, 16, 8), "right": ("n", 3, 16, 8)},
    )
    with pytest.raises(UnsuitableNetworkError, match=r"2 outputs \(left, right\)"):
        import_onnx(path, AS_IT_IS)


@pytest.mark.parametrize("content", [b"", b"noise" * 100, b"\x08\x08", b"PK\x03\x04"])
def test_what_is_no_network_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(NotAnOnnxFileError):
        import_onnx(path, AS_IT_IS)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = save_network(tmp_path / "net.onnx")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises((NotAnOnnxFileError, UnsuitableNetworkError)):
        import_onnx(path, AS_IT_IS)


def test_a_file_too_large_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_files, "LARGEST_FILE", 100)
    with pytest.raises(UnsuitableNetworkError, match="at most 100"):
        import_onnx(save_network(tmp_path / "net.onnx"), AS_IT_IS)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (OnnxPreprocessing(image_size=32), "image_size"),
        (OnnxPreprocessing(image_mean=(0.5, 0.5)), "image_mean"),
        (OnnxPreprocessing(image_std=(0.5, 0.5)), "image_std"),
    ],
)
def test_settings_that_do_not_fit_the_network_are_refused_by_name(
    tmp_path: Path, asked: OnnxPreprocessing, field: str
) -> None:
    with pytest.raises(UnsuitableNetworkError) as caught:
        import_onnx(save_network(tmp_path / "net.onnx"), asked)
    assert caught.value.field == field
