"""Networks as embedders: any image model folder, one trained on the anchors' labels, one on no labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from g2l.nn.augmentation import Augmentation
from g2l.nn.devices import pick_device
from g2l.nn.embedders import MODEL, Array, Progress, Responses, embed_in_batches, write_description
from g2l.nn.heads import pooled
from g2l.nn.images import Images, Preprocessing, require_images
from g2l.nn.models import load_model, save_network
from g2l.nn.pretrain import pretrain
from g2l.nn.randomness import numpy_generator
from g2l.nn.self_supervised import pretrain_self_supervised
from g2l.nn.zoo import DEFAULT_ARCHITECTURE

# The built-in recipe without labels: minutes on two cores, however large the pool.
FITTING_IMAGES = 10_000
FITTING_LOOKS = 200_000  # images times epochs
MOST_EPOCHS = 40
FITTING_BATCH = 128


class ModelEmbedder:
    """The pooled responses of a network: the mean of a transformer's tokens, or of a map's positions."""

    def __init__(
        self,
        model: PreTrainedModel,
        preprocessing: Preprocessing,
        *,
        flips: bool = False,
        kind: str = "model",
    ) -> None:
        """Take a network as it is; `flips` averages the responses of an image and its mirror image."""
        self.kind = kind
        self._preprocessing, self._flips = preprocessing, flips
        self._device = pick_device()
        self._model = model.eval().to(self._device)
        self.dim = self._responses(torch.zeros(1, preprocessing.channels, *preprocessing.size)).shape[1]

    @classmethod
    def of_folder(cls, folder: Path, *, flips: bool = False, kind: str = "model") -> "ModelEmbedder":
        """The embedder of a model folder in the Hugging Face layout; raises what `load_model` raises."""
        loaded = load_model(folder)
        return cls(loaded.model, loaded.preprocessing, flips=flips, kind=kind)

    @property
    def image_size(self) -> tuple[int, int] | None:
        """(height, width) in pixels that images are resized to."""
        return self._preprocessing.size

    def at_size(self, image_size: int) -> "ModelEmbedder":
        """The same network on images resized to another side, in pixels, if it takes them."""
        resized = replace(self._preprocessing, size=(image_size, image_size))
        return ModelEmbedder(self._model, resized, flips=self._flips, kind=self.kind)

    def embed(
        self, images: Array, *, batch_size: int = 256, on_progress: Progress | None = None
    ) -> Responses:
        """Responses; see `Embedder.embed`.

        Raises:
            NotImagesError: the array holds no images.
            ChannelMismatchError: the network takes other channels.
        """
        require_images(images)
        return embed_in_batches(self._batch, images, self.dim, batch_size=batch_size, on_progress=on_progress)

    def save(self, folder: Path) -> None:
        """Write what `load_embedder` reads."""
        write_description(folder, self.kind, flips=self._flips)
        save_network(folder / MODEL, self._model, self._preprocessing)

    def _batch(self, images: Array) -> Responses:
        pixels = self._preprocessing.tensor(images, self._device)
        responses = self._responses(pixels)
        if self._flips:
            responses = (responses + self._responses(pixels.flip(3))) / 2
        vectors: Responses = responses.cpu().numpy()
        return vectors

    def _responses(self, pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return pooled(self._model, pixels.to(self._device)).float()


def fit_anchor_network(
    images: Images,
    labels: Array,
    *,
    seed: int,
    arch: str = DEFAULT_ARCHITECTURE,
    image_size: int | None = None,
    epochs: int = 6,
    augmentation: Augmentation = "crop",
    flips: bool = False,
    on_progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> ModelEmbedder:
    """Train a network to tell the anchors' images apart, and embed by its pooled responses.

    This is what the paper's "specialized models" are: networks that know the anchors' human labels.

    Args:
        images: (N, H, W, C) uint8 or uint16, of all anchors.
        labels: (N,) ids of their anchors (or finer human classes).
        seed: decides the training.
        arch: one of `ARCHITECTURES`.
        image_size: side in pixels; the images' own if None.
        epochs: passes over the images.
        augmentation: how training images are moved, see `augment`.
        flips: average the responses of an image and its mirror image.
        on_progress: called with images done and in all.
        checkpoint: of the training.

    Returns:
        the embedder.

    Raises:
        see `pretrain`.
    """
    trained = pretrain(
        images,
        np.asarray(labels),
        arch=arch,
        epochs=epochs,
        image_size=image_size,
        seed=seed,
        balance="sampling",  # anchors' datasets differ in size
        augmentation=augmentation,
        on_progress=on_progress,
        checkpoint=checkpoint,
    )
    return ModelEmbedder(trained.model, trained.preprocessing, flips=flips, kind="anchor-network")


def fit_self_supervised(
    images: Images,
    *,
    seed: int,
    augmentation: Augmentation = "crop",
    flips: bool = False,
    on_progress: Progress | None = None,
    checkpoint: Path | None = None,
) -> ModelEmbedder:
    """Train a small network without labels, and embed by its pooled responses.

    The recipe is bounded: at most `FITTING_IMAGES` images and `MOST_EPOCHS` epochs, and about `FITTING_LOOKS`
    images in all.

    Args:
        images: (N, H, W, C) uint8 or uint16, unlabelled.
        seed: decides the images and the training.
        augmentation: how views may be moved, see `g2l.nn.views.view`.
        flips: average the responses of an image and its mirror image.
        on_progress: called with images done and in all.
        checkpoint: of the training.

    Returns:
        the embedder.

    Raises:
        see `pretrain_self_supervised`.
    """
    require_images(images)
    if len(images) > FITTING_IMAGES:
        picked = numpy_generator(seed, 12).choice(len(images), FITTING_IMAGES, replace=False)
        images = images[np.sort(picked)]
    trained = pretrain_self_supervised(
        images,
        epochs=min(MOST_EPOCHS, -(-FITTING_LOOKS // len(images))),
        batch_size=FITTING_BATCH,
        seed=seed,
        augmentation=augmentation,
        on_progress=on_progress,
        checkpoint=checkpoint,
    )
    return ModelEmbedder(trained.model, trained.preprocessing, flips=flips, kind="self-supervised")
