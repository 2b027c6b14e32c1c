"""What a model's own classifier says of images: the outputs that LEEP and NCE are measured on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from g2l.nn.devices import pick_device
from g2l.nn.embedders import Progress
from g2l.nn.images import Images, require_images
from g2l.nn.models import load_model
from g2l.nn.training import predict

Probabilities = npt.NDArray[np.float64]


def class_probabilities(
    folder: Path,
    images: Images,
    *,
    widths: Sequence[int] | None = None,
    image_size: int | None = None,
    batch_size: int = 256,
    on_progress: Progress | None = None,
) -> tuple[Probabilities, ...]:
    """The softmaxes of a classifier, in float64, so that no class is lost to underflow.

    Args:
        folder: of a model in the Hugging Face layout.
        images: (N, H, W, C) uint8 or uint16.
        widths: outcomes of each softmax, in the order of the outputs; one softmax over all outputs if None.
        image_size: side in pixels that images are resized to, if the network takes it; its own if None.
        batch_size: images at once.
        on_progress: called with images done and in all; may raise to stop.

    Returns:
        (N, width) a softmax; none for a body without a classifier.

    Raises:
        NotImagesError: the array holds no images.
        ChannelMismatchError: the network takes other channels.
        ValueError: the widths do not sum to the number of outputs.
        NotAModelFolderError, PickledWeightsError, RemoteCodeError, UnsupportedModelError,
        ForeignWeightsError: see `load_model`.
    """
    require_images(images)
    loaded = load_model(folder)
    if not loaded.labels:
        return ()
    parts = list(widths) if widths is not None else [len(loaded.labels)]
    if sum(parts) != len(loaded.labels):
        raise ValueError(f"softmaxes of widths {parts} do not make up {len(loaded.labels)} outputs")
    preprocessing = loaded.preprocessing
    if image_size is not None:
        preprocessing = replace(preprocessing, size=(image_size, image_size))
    model = loaded.model.to(pick_device())
    made = [np.empty((len(images), width)) for width in parts]
    for start in range(0, len(images), batch_size):
        stop = min(start + batch_size, len(images))
        logits = predict(model, images[start:stop], preprocessing).double()
        for filled, part in zip(made, torch.split(logits, parts, dim=1), strict=True):
            filled[start:stop] = torch.softmax(part, dim=1).cpu().numpy()
        if on_progress:
            on_progress(stop, len(images))
    return tuple(made)
