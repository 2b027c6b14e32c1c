"""The learning rate as a function of the step."""

import math

WARMUP = 0.2  # share of the steps in which the rate rises
LAST = 1e-3  # of the peak, at both ends


def one_cycle(step: int, total: int, peak: float) -> float:
    """Learning rate at a step: a cosine rise to the peak, then a cosine fall.

    Source: L. N. Smith, N. Topin, arXiv 1708.07120, with cosine arms.

    Args:
        step: 0 to total - 1.
        total: number of steps.
        peak: the highest rate, reached after a fifth of the steps.

    Returns:
        the rate, in [LAST * peak, peak].
    """
    rise = WARMUP * total
    if step < rise:
        share = (1 - math.cos(math.pi * (step + 1) / (rise + 1))) / 2
    else:
        share = (1 + math.cos(math.pi * (step - rise) / max(1.0, total - rise))) / 2
    return peak * (LAST + (1 - LAST) * share)
