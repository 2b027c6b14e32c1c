"""Whitened-patch k-means features: an embedder without labels, downloads or gradients."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from g2l.nn.devices import pick_device
from g2l.nn.embedders import Array, Progress, Responses, embed_in_batches, write_description
from g2l.nn.images import Images, Preprocessing, require_images
from g2l.nn.kmeans import fit_kmeans
from g2l.nn.randomness import numpy_generator, torch_generator

CENTROIDS = 256
PATCH = 6  # pixels
IMAGE_SIDE = 32  # larger images are reduced: the cost is that of the positions
FITTING_IMAGES = 10_000
FITTING_PATCHES = 60_000
CONTRAST_FLOOR = 10 / 255**2  # variance added to a patch's own; flat patches stay small
WHITENING_FLOOR = 0.1  # added to the eigenvalues, whose mean is 1, of contrast-normalized patches
CHUNK = 32  # images whose positions x centroids stay in the cache
QUADRANTS = 2
WEIGHTS = "patches.safetensors"


class PatchKMeans:
    """How near the patches of each quarter of an image come to each of the centroids.

    Source: A. Coates, H. Lee, A. Ng, AISTATS 2011: patches of 6 pixels, contrast normalization, ZCA
    whitening, k-means, the triangle activation max(0, mean distance - distance),
    and its mean over four quarters.
    """

    kind = "patch-kmeans"

    def __init__(
        self, *, whitening: Tensor, patch_mean: Tensor, centroids: Tensor, side: int, flips: bool = False
    ) -> None:
        """Take what was fitted.

        Args:
            whitening: (P, P) symmetric, P = channels * PATCH * PATCH.
            patch_mean: (P,) of contrast-normalized patches.
            centroids: (M, P) in whitened space.
            side: pixels that images are resized to.
            flips: average the responses of an image and its mirror image.
        """
        self._device = pick_device()
        self._whitening, self._mean, self._centroids = (
            t.to(self._device) for t in (whitening, patch_mean, centroids)
        )
        self._flips = flips
        channels = len(patch_mean) // PATCH**2
        self._scaling = _plain(side, channels)
        self._quarters = _quarters(side - PATCH + 1).to(self._device)
        self.dim = QUADRANTS**2 * len(centroids)

    @property
    def image_size(self) -> tuple[int, int] | None:
        """(height, width) in pixels that images are resized to."""
        return self._scaling.size

    @classmethod
    def load(cls, folder: Path, *, flips: bool) -> "PatchKMeans":
        """Read what `save` wrote."""
        stored = load_file(folder / WEIGHTS)
        return cls(
            whitening=stored["whitening"],
            patch_mean=stored["patch_mean"],
            centroids=stored["centroids"],
            side=int(stored["side"]),
            flips=flips,
        )

    def save(self, folder: Path) -> None:
        """Write what `load_embedder` reads."""
        write_description(folder, self.kind, flips=self._flips)
        tensors = {"whitening": self._whitening, "patch_mean": self._mean, "centroids": self._centroids}
        stored = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
        save_file({**stored, "side": torch.tensor(self._scaling.size[0])}, folder / WEIGHTS)

    def embed(
        self, images: Array, *, batch_size: int = 256, on_progress: Progress | None = None
    ) -> Responses:
        """Responses, all non-negative; see `Embedder.embed`.

        Raises:
            NotImagesError: the array holds no images.
            ChannelMismatchError: it was fitted on images of other channels.
        """
        require_images(images)
        return embed_in_batches(self._batch, images, self.dim, batch_size=batch_size, on_progress=on_progress)

    def _batch(self, images: Array) -> Responses:
        with torch.inference_mode():
            pixels = self._scaling.tensor(images, self._device)
            responses = torch.cat([self._responses(part) for part in torch.split(pixels, CHUNK)])
            if self._flips:
                mirrored = torch.split(pixels.flip(3), CHUNK)
                responses = (responses + torch.cat([self._responses(part) for part in mirrored])) / 2
        vectors: Responses = responses.cpu().numpy()
        return vectors

    def _responses(self, pixels: Tensor) -> Tensor:
        """(B, C, S, S) in [0, 1] -> (B, D), quarter by quarter."""
        patches = functional.unfold(pixels, PATCH).transpose(1, 2)  # (B, positions**2, P)
        white = (normalized(patches.flatten(0, 1)) - self._mean) @ self._whitening
        squares = (white**2).sum(dim=1, keepdim=True) + (self._centroids**2).sum(dim=1)
        distances = squares.addmm_(white, self._centroids.T, alpha=-2).clamp_min_(0).sqrt_()
        nearness = (distances.mean(dim=1, keepdim=True) - distances).clamp_min_(0)
        return (self._quarters @ nearness.reshape(len(pixels), patches.shape[1], -1)).flatten(1)


def fit_patch_kmeans(
    images: Images, *, seed: int, n_centroids: int = CENTROIDS, flips: bool = False
) -> PatchKMeans:
    """Learn whitening and centroids from patches of unlabelled images.

    Args:
        images: (N, H, W, C) uint8 or uint16; at most `FITTING_IMAGES` of them are read.
        seed: decides images, patches and the first centroids.
        n_centroids: M; responses have 4 * M dimensions.
        flips: average the responses of an image and its mirror image.

    Returns:
        the embedder, the same for the same seed, thread count and machine.

    Raises:
        NotImagesError: the array holds no images.
    """
    require_images(images)
    side = min(IMAGE_SIDE, max(PATCH + 2, *images.shape[1:3]))
    rng = numpy_generator(seed, 8)
    picked = np.sort(rng.choice(len(images), min(len(images), FITTING_IMAGES), replace=False))
    each = -(-FITTING_PATCHES // len(picked))
    scaling, patches = _plain(side, images.shape[3]), []
    for part in np.array_split(picked, -(-len(picked) // 256)):
        pixels = scaling.tensor(images[part])
        patches.append(_random_patches(pixels, each, torch_generator(seed, 9, int(part[0]))))
    sample = normalized(torch.cat(patches))
    mean = sample.mean(dim=0)
    whitening = _whitening(sample - mean)
    centroids = fit_kmeans((sample - mean) @ whitening, n_centroids, seed=seed)
    return PatchKMeans(whitening=whitening, patch_mean=mean, centroids=centroids, side=side, flips=flips)


def normalized(patches: Tensor) -> Tensor:
    """Patches (n, P) of pixels in [0, 1] with their own mean and contrast taken out."""
    centred = patches - patches.mean(dim=1, keepdim=True)
    variance = (centred**2).mean(dim=1, keepdim=True)
    return centred / (variance + CONTRAST_FLOOR).sqrt()


def _plain(side: int, channels: int) -> Preprocessing:
    """Pixels in [0, 1]: patches are normalized one by one."""
    return Preprocessing(size=(side, side), mean=(0.0,) * channels, std=(1.0,) * channels)


def _quarters(positions: int) -> Tensor:
    """(4, positions**2) weights that take the mean of each quarter; a middle row is in both halves."""
    at = torch.arange(positions)
    halves = torch.stack([at < positions / 2, at >= positions // 2]).float()
    halves = halves / halves.sum(dim=1, keepdim=True)
    return torch.einsum("ar,bc->abrc", halves, halves).reshape(QUADRANTS**2, -1)


def _random_patches(pixels: Tensor, each: int, generator: torch.Generator) -> Tensor:
    """`each` patches of every image: (B, C, S, S) -> (B * each, C * PATCH**2)."""
    windows = functional.unfold(pixels, PATCH)  # (B, P, positions)
    at = torch.randint(0, windows.shape[2], (len(pixels), 1, each), generator=generator)
    return windows.gather(2, at.expand(-1, windows.shape[1], -1)).transpose(1, 2).flatten(0, 1)


def _whitening(centred: Tensor) -> Tensor:
    """The symmetric matrix that makes the patches' covariance nearly the identity (ZCA)."""
    covariance = (centred.T @ centred / len(centred)).double()
    values, vectors = torch.linalg.eigh(covariance)
    scale = (values.clamp_min(0) + WHITENING_FLOOR).rsqrt()
    whitening: Tensor = (vectors * scale) @ vectors.T
    return whitening.float()
