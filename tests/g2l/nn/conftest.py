"""Real small images, networks small enough for a second of training, and one thread a process."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from tests.g2l.nn.samples import Labelled


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Test processes share the cores; two threads each would wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def digits() -> Labelled:
    """The 1,797 handwritten digits of scikit-learn, 8 by 8 pixels, grey, in random order."""
    loaded = load_digits()
    order = np.random.default_rng(0).permutation(len(loaded.target))
    images = (loaded.images[order] * 15.9).astype(np.uint8)[..., None]
    return Labelled(images, loaded.target[order].astype(np.int64))
