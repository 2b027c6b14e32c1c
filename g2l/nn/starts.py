"""Where a training starts: random weights of an architecture, or a model that is there."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import torch
from transformers import PreTrainedModel

from g2l.errors import G2LError
from g2l.nn.images import Images, Preprocessing, fit_preprocessing
from g2l.nn.models import load_model
from g2l.nn.zoo import build


class SizeNotTakenError(G2LError):
    """The network only takes images of the size that it was trained at."""

    code: ClassVar[str] = "size-not-taken"
    title: ClassVar[str] = "The model does not take images of this size"


def start_of(
    images: Images, *, init: Path | None, arch: str, image_size: int | None, n_outputs: int, seed: int
) -> tuple[PreTrainedModel, Preprocessing]:
    """A network to train, and what its input goes through.

    Args:
        images: (N, H, W, C) that it is to be trained on; without `init` the preprocessing is fitted on them.
        init: folder of a model; None builds random weights.
        arch: one of `g2l.nn.zoo.ARCHITECTURES`; of no effect with `init`.
        image_size: side in pixels of its input; the model's own if None, or without `init` the images'.
        n_outputs: of the classifier of random weights; a model that is there has its own.
        seed: of random weights.

    Raises:
        SizeNotTakenError: the weights of `init` know places, as a ViT's do, and were trained at another size.
        UnknownArchitectureError, ArchitectureTooDeepError: see `build`.
        NotAModelFolderError: see `load_model`.
    """
    if init is None:
        side = image_size or images.shape[1]
        preprocessing = fit_preprocessing(images, image_size=side)
        network = build(arch, n_outputs=n_outputs, channels=images.shape[3], image_size=side, seed=seed)
        return network, preprocessing
    loaded = load_model(init)
    if image_size in (None, max(loaded.preprocessing.size)):
        return loaded.model, loaded.preprocessing
    preprocessing = replace(loaded.preprocessing, size=(image_size, image_size))
    _require_taken(loaded.model, preprocessing)
    return loaded.model, preprocessing


def _require_taken(model: PreTrainedModel, preprocessing: Preprocessing) -> None:
    blank = torch.zeros(1, preprocessing.channels, *preprocessing.size)
    try:
        with torch.inference_mode():
            model.eval()(pixel_values=blank)
    except ValueError as error:
        taken = "the network only takes images of the size that it was trained at; leave image_size out"
        raise SizeNotTakenError(taken, field="image_size") from error
