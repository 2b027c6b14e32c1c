"""What a training is: images, targets, settings, and the order that follows from them."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
from transformers import PreTrainedModel

from g2l.nn.augmentation import Augmentation
from g2l.nn.images import Images, Indices, Preprocessing
from g2l.nn.objectives import Objective
from g2l.nn.randomness import numpy_generator

Balance = Literal["none", "sampling", "loss"]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes:
        epochs: passes over the images, `repeats` times each.
        batch_size: images a step, 2 at least; the batches of an epoch differ by one image at most.
        learning_rate: the peak of the one-cycle schedule.
        weight_decay: of AdamW, on matrices and filters only.
        seed: decides order, augmentation and dropout.
        balance: what is done about classes of unequal size: nothing; `sampling` draws classes, and then
            their images, evenly, instead of each image once; `loss` weighs their losses inversely to size.
        augmentation: how training images are moved, see `g2l.nn.augmentation`.
        repeats: times that an epoch goes over its images.
        patience: epochs without a better held-out loss after which training stops and the best epoch's
            weights are kept; None goes through all epochs and keeps the last one's.
        layer_decay: the learning rate of each layer, of that of the next (H. Bao and others, arXiv
            2106.08254); the last layer, the head, has all of it. See `g2l.nn.descent.layers_of`.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float = 0.05
    seed: int = 0
    balance: Balance = "none"
    augmentation: Augmentation = "crop"
    repeats: int = 1
    patience: int | None = None
    layer_decay: float = 1.0

    def steps(self, n_images: int) -> int:
        """Steps of an epoch over so many images; two images a step, for batch norms have none of one."""
        drawn = n_images * self.repeats
        return max(1, min(round(drawn / self.batch_size), drawn // 2))


@dataclass(frozen=True)
class Task:
    """What is trained on what.

    Attributes:
        images: (N, H, W, C) uint8 or uint16.
        objective: of the same N images.
        preprocessing: the network's.
        train: indices of the images that are trained on.
        held_out: indices of those that accuracy is measured on after each epoch.
    """

    images: Images
    objective: Objective
    preprocessing: Preprocessing
    train: Indices
    held_out: Indices


def epoch_order(task: Task, recipe: Recipe, epoch: int) -> Indices:
    """The rows that an epoch goes over, in order: a function of the seed and the epoch.

    Returns:
        (len(task.train) * repeats,) indices of images. With balanced sampling every class of the first head
        is drawn equally often to within one, and its images likewise.
    """
    rng = numpy_generator(recipe.seed, 3, epoch)
    wanted = len(task.train) * recipe.repeats
    if recipe.balance != "sampling":
        return np.concatenate([rng.permutation(task.train) for _ in range(recipe.repeats)])
    groups = task.objective.groups()[task.train]
    members = [task.train[groups == group] for group in np.unique(groups)]
    shares = np.full(len(members), wanted // len(members))
    shares[rng.permutation(len(members))[: wanted % len(members)]] += 1
    drawn = [
        np.concatenate([rng.permutation(rows) for _ in range(-(-share // len(rows)))])[:share]
        for rows, share in zip(members, shares, strict=True)
        if share
    ]
    return rng.permutation(np.concatenate(drawn))


def training_digest(model: PreTrainedModel, task: Task, recipe: Recipe) -> str:
    """What a checkpoint must agree on: settings, first weights, split, targets, and the images by sample."""
    digest = hashlib.sha256()
    heads = [[type(head).__name__, head.n_positions, head.n_classes] for head in task.objective.heads]
    settings = [asdict(recipe), asdict(task.preprocessing), heads, list(task.images.shape)]
    digest.update(json.dumps([settings, str(task.images.dtype), model.config.model_type]).encode())
    weights = [value.cpu().numpy() for value in model.state_dict().values()]
    targets = [head.digested() for head in task.objective.heads]
    some_images = task.images[:: len(task.images) // 16 + 1]
    for part in (task.train, task.held_out, *targets, some_images, *weights):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
