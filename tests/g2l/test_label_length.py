"""How many names `length: "auto"` comes to."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from g2l.anchors import discover_anchors, fit_anchors
from g2l.geometry import PREFERENCES, Prefer
from g2l.label_length import ALIKE, LONGEST, informative_length
from g2l.labeling import FEW_BITS, label
from g2l.metrics import NonFiniteResponsesError


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    n=st.sampled_from([30, 200, 1500]),
    dims=st.sampled_from([3, 20]),
    k=st.integers(2, 12),
    prefer=st.sampled_from(PREFERENCES),
)
def test_it_is_the_longest_label_that_is_worth_its_names(
    seed: int, n: int, dims: int, k: int, prefer: Prefer
) -> None:
    responses = np.random.default_rng(seed).normal(size=(n, dims))
    anchors = discover_anchors(responses, k)
    length = informative_length(responses, anchors, prefer=prefer)

    def worth(length: int) -> bool:
        bits = label(responses, anchors, length=length, prefer=prefer).bits_per_position
        return min(bits[1:], default=math.inf) >= FEW_BITS and n / 2 ** sum(bits) >= ALIKE

    longest = min(LONGEST, len(anchors.names))
    assert length == max([1, *(each for each in range(2, longest + 1) if worth(each))])


def test_a_name_that_follows_from_the_one_before_is_left_out() -> None:
    rng = np.random.default_rng(0)
    pairs = np.repeat(4 * rng.normal(size=(4, 64)), 2, axis=0) + 0.3 * rng.normal(size=(8, 64))
    groups = {f"centre {i}": centre + rng.normal(size=(500, 64)) for i, centre in enumerate(pairs)}
    anchors, responses = fit_anchors(groups), np.concatenate(list(groups.values()))
    # Far from all anchors, an image's second-nearest is the first one's twin.
    assert informative_length(responses, anchors, prefer="near") == 1
    assert informative_length(responses, anchors, prefer="explain") > 1


def test_there_are_no_more_names_than_anchors() -> None:
    responses = np.random.default_rng(0).normal(size=(4000, 8))
    anchors = fit_anchors({"a": responses[:2000], "b": responses[2000:]})
    assert informative_length(responses, anchors, prefer="far") <= 2


def test_responses_are_checked() -> None:
    responses = np.random.default_rng(0).normal(size=(40, 8))
    anchors = discover_anchors(responses, 3)
    responses[7, 1] = np.nan
    with pytest.raises(NonFiniteResponsesError):
        informative_length(responses, anchors, prefer="far")
