"""ONNX networks as embedders: run by onnxruntime on the CPU, as they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from g2l.nn.embedders import EMBEDDER, Array, Progress, Responses, embed_in_batches, write_description
from g2l.nn.folders import read_json
from g2l.nn.images import Preprocessing, require_images
from g2l.nn.onnx_files import OnnxFile, UnsuitableNetworkError, read_onnx
from g2l.nn.processors import load_preprocessing, preprocessing_of, save_preprocessing

WEIGHTS = "model.onnx"
AT_ONCE = 32  # images whose activations are in memory together
DEFAULT_SIDE = 224  # pixels, where neither the network nor the user says
SIDES = (8, 1024)
MOST_DIMENSIONS = 1 << 16
SAME = 1e-3  # of the largest response: what may differ where an image stands among others

Layout = Literal["NCHW", "NHWC"]


@dataclass(frozen=True)
class InputForm:
    """What a network is given.

    Attributes:
        layout: whether channels come before or after rows and columns.
        channels: of the images.
        size: (height, width) in pixels; None where any will do.
        batch: images in every run; None where any number will do.
    """

    layout: Layout
    channels: int
    size: tuple[int, int] | None
    batch: int | None


@dataclass(frozen=True)
class OnnxPreprocessing:
    """What images go through, in the words of a Hugging Face preprocessor_config.json.

    Attributes:
        image_size: side in pixels; the network's own if None, or 224 where that takes any.
        image_mean: of each channel after rescaling; None: ImageNet's for 3 channels, else 0.5.
        image_std: likewise.
        rescale_factor: what 8-bit pixels are multiplied with; 16-bit ones are brought to 8 bits first.
    """

    image_size: int | None = None
    image_mean: tuple[float, ...] | None = None
    image_std: tuple[float, ...] | None = None
    rescale_factor: float = 1 / 255


class OnnxEmbedder:
    """The output of a network for an image: a vector, or a map or tokens averaged over positions."""

    kind = "onnx"

    def __init__(self, file: OnnxFile, preprocessing: Preprocessing, form: InputForm) -> None:
        """Take a network that was looked through.

        Args:
            file: of the network.
            preprocessing: what its input goes through.
            form: of its input; a `batch` of 1 keeps images apart that would change each other's responses.
        """
        self.parameters = file.n_parameters
        self.preprocessing = preprocessing
        self._file, self._form = file, form
        self._session = _session(file)
        self._input = self._session.get_inputs()[0].name
        blank = np.zeros((1, *preprocessing.size, preprocessing.channels), np.uint8)
        self.dim = self._batch(blank).shape[1]

    @classmethod
    def load(cls, folder: Path) -> "OnnxEmbedder":
        """Read what `save` wrote."""
        settings = read_json(folder / EMBEDDER)
        preprocessing = load_preprocessing(folder, {"num_channels": settings["channels"]})
        form = InputForm(settings["layout"], settings["channels"], preprocessing.size, settings["batch"])
        return cls(read_onnx(folder / WEIGHTS), preprocessing, form)

    def save(self, folder: Path) -> None:
        """Write what `load_embedder` reads."""
        form = self._form
        write_description(folder, self.kind, layout=form.layout, channels=form.channels, batch=form.batch)
        save_preprocessing(folder, self.preprocessing)
        (folder / WEIGHTS).write_bytes(self._file.content)

    @property
    def channels(self) -> int:
        """Channels of the images it takes."""
        return self._form.channels

    @property
    def image_size(self) -> tuple[int, int] | None:
        """(height, width) in pixels that images are resized to."""
        return self.preprocessing.size

    def embed(
        self, images: Array, *, batch_size: int = 256, on_progress: Progress | None = None
    ) -> Responses:
        """Responses; see `Embedder.embed`.

        Raises:
            NotImagesError: the array holds no images.
            ChannelMismatchError: the network takes other channels.
            UnsuitableNetworkError: onnxruntime cannot run it on these images.
        """
        require_images(images)
        return embed_in_batches(self._batch, images, self.dim, batch_size=batch_size, on_progress=on_progress)

    def _batch(self, images: Array) -> Responses:
        pixels = self.preprocessing.tensor(images).numpy()
        if self._form.layout == "NHWC":
            pixels = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
        each = self._form.batch or AT_ONCE
        return np.concatenate([self._run(pixels[at : at + each]) for at in range(0, len(pixels), each)])

    def _run(self, pixels: Array) -> Responses:
        wanted = self._form.batch or len(pixels)
        filled = np.concatenate([pixels, np.repeat(pixels[-1:], wanted - len(pixels), axis=0)])
        (output,) = _quietly(self._session.run, None, {self._input: filled})
        if output.shape[:1] != (wanted,) or output.ndim not in (2, 3, 4) or 0 in output.shape:
            raise UnsuitableNetworkError(
                f"for {wanted} images the network answers with an array of shape {output.shape}; wanted is a "
                "vector an image (N, D), or a map or tokens, which are averaged",
                field="file",
            )
        responses: Responses = self._pooled(output[: len(pixels)]).astype(np.float32)
        return responses

    def _pooled(self, output: Array) -> Array:
        maps = (2, 3) if self._form.layout == "NCHW" else (1, 2)
        positions: dict[int, tuple[int, ...]] = {2: (), 3: (1,), 4: maps}  # 3: tokens
        pooled: Array = output.mean(axis=positions[output.ndim])
        return pooled


def import_onnx(path: Path, wanted: OnnxPreprocessing) -> OnnxEmbedder:
    """Check a user's network to the point that it has embedded images, the same alone as among others.

    Args:
        path: of the .onnx file; read only.
        wanted: what images are to go through.

    Returns:
        the embedder.

    Raises:
        NotAnOnnxFileError, UnsuitableNetworkError: see there; `field` names the setting to blame.
    """
    file = read_onnx(path)
    form = input_form(_session(file))
    preprocessing = _preprocessing(form, wanted)
    embedder = OnnxEmbedder(file, preprocessing, form)
    if embedder.dim > MOST_DIMENSIONS:
        raise UnsuitableNetworkError(
            f"a response has {embedder.dim:,} numbers and at most {MOST_DIMENSIONS:,} are taken; export the "
            "network up to its pooled features",
            field="file",
        )
    if _mixes(embedder):
        alone = InputForm(form.layout, form.channels, form.size, batch=1)
        if form.batch not in (None, 1) or _mixes(embedder := OnnxEmbedder(file, preprocessing, alone)):
            raise UnsuitableNetworkError(
                "an image's response changes from run to run, or with the other images of its batch; export "
                "the network in evaluation mode (model.eval())",
                field="file",
            )
    return embedder


def input_form(session: Any) -> InputForm:
    """The form of a session's one input and one output.

    Raises:
        UnsuitableNetworkError: there are several, or they are no images and no float32.
    """
    for what, found in (("input", session.get_inputs()), ("output", session.get_outputs())):
        if len(found) != 1:
            names = ", ".join(ascii(entry.name)[1:-1] for entry in found[:5]) or "none"
            raise UnsuitableNetworkError(
                f"the network has {len(found)} {what}s ({names}); wanted is one. Export it with that alone",
                field="file",
            )
        if found[0].type != "tensor(float)":
            raise UnsuitableNetworkError(
                f"the {what} is a {found[0].type}; wanted is tensor(float), that is float32", field="file"
            )
    return _form(session.get_inputs()[0].shape)


def _form(shape: Sequence[Any]) -> InputForm:
    if len(shape) != 4:
        raise UnsuitableNetworkError(
            f"the input has the shape {list(shape)}; wanted are images, (N, C, H, W) or (N, H, W, C)",
            field="file",
        )
    batch, *rest = [side if isinstance(side, int) and side > 0 else None for side in shape]
    choices: list[tuple[bool, int, InputForm]] = []
    layouts: tuple[Layout, Layout] = ("NCHW", "NHWC")
    for layout, (channels, height, width) in zip(layouts, (rest, [rest[2], *rest[:2]]), strict=True):
        if channels is not None and (height is None) == (width is None):
            size = None if height is None or width is None else (height, width)
            form = InputForm(layout, channels, size, batch)
            choices.append((height != width, channels, form))
    if not choices:
        raise UnsuitableNetworkError(
            f"the input has the shape {list(shape)}, which does not tell its channels; export it with a "
            "fixed number of channels",
            field="file",
        )
    return min(choices, key=lambda choice: choice[:2])[2]  # square images, then few channels


def _preprocessing(form: InputForm, wanted: OnnxPreprocessing) -> Preprocessing:
    side = wanted.image_size
    if form.size is not None and side not in (None, *(form.size if form.size[0] == form.size[1] else ())):
        raise UnsuitableNetworkError(
            f"the network takes images of {form.size[0]} by {form.size[1]} pixels; leave image_size out",
            field="image_size",
        )
    size = form.size or (side or DEFAULT_SIDE, side or DEFAULT_SIDE)
    if not all(SIDES[0] <= edge <= SIDES[1] for edge in size):
        raise UnsuitableNetworkError(
            f"the network takes images of {size[0]} by {size[1]} pixels; taken are {SIDES[0]} to {SIDES[1]}",
            field="file",
        )
    for field in ("image_mean", "image_std"):
        given = getattr(wanted, field)
        if given is not None and len(given) not in (1, form.channels):
            raise UnsuitableNetworkError(
                f"{field} has {len(given)} numbers; the network takes images of {form.channels} channels",
                field=field,
            )
    config: dict[str, Any] = {"size": list(size), "rescale_factor": wanted.rescale_factor}
    if wanted.image_mean is not None:
        config["image_mean"] = _for_each(wanted.image_mean, form.channels)
    if wanted.image_std is not None:
        config["image_std"] = _for_each(wanted.image_std, form.channels)
    return preprocessing_of(config, {"num_channels": form.channels})


def _for_each(values: tuple[float, ...], channels: int) -> list[float]:
    return list(values) * (channels if len(values) == 1 else 1)


def _mixes(embedder: OnnxEmbedder) -> bool:
    """Whether a response depends on the other images of its batch, or on nothing at all."""
    height, width = embedder.image_size or (DEFAULT_SIDE, DEFAULT_SIDE)
    images = np.random.default_rng(0).integers(0, 256, (4, height, width, embedder.channels), dtype=np.uint8)
    together, alone = embedder.embed(images), embedder.embed(images, batch_size=1)
    if not np.isfinite(together).all():
        raise UnsuitableNetworkError("its responses to random images are not finite numbers", field="file")
    return bool(np.abs(together - alone).max() > SAME * max(1e-6, float(np.abs(alone).max())))


def _session(file: OnnxFile) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what matters is raised
    return _quietly(onnxruntime.InferenceSession, file.content, options, providers=["CPUExecutionProvider"])


def _quietly(call: Any, *given: Any, **named: Any) -> Any:
    """What onnxruntime raises, which shares no class of its own, as ours."""
    try:
        return call(*given, **named)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UnsuitableNetworkError(f"onnxruntime cannot run the network: {reason}", field="file") from error
