"""Random numbers as a function of a seed and a place in the work, never of what ran before."""

import numpy as np
import torch


def derived_seed(seed: int, *place: int) -> int:
    """A 63-bit seed for one place (stage, epoch, step) of the work that `seed` stands for.

    Args:
        seed: the job's seed, 0 to 2**32 - 1.
        place: what tells this draw from the others, such as a stage's number and a step.

    Returns:
        a seed that differs, and is independent, for other places.
    """
    words = np.random.SeedSequence([seed, *place]).generate_state(2, np.uint32)
    return (int(words[0]) << 31) ^ int(words[1])


def torch_generator(seed: int, *place: int) -> torch.Generator:
    """A CPU generator of torch for one place of the work; see `derived_seed`."""
    return torch.Generator().manual_seed(derived_seed(seed, *place))


def numpy_generator(seed: int, *place: int) -> np.random.Generator:
    """A generator of numpy for one place of the work; see `derived_seed`."""
    return np.random.default_rng([seed, *place])
