from hypothesis import given
from hypothesis import strategies as st

from g2l.nn.schedule import WARMUP, one_cycle


@given(total=st.integers(1, 500), peak=st.floats(1e-6, 10))
def test_the_rate_rises_to_its_peak_and_falls(total: int, peak: float) -> None:
    rates = [one_cycle(step, total, peak) for step in range(total)]
    top = rates.index(max(rates))
    assert all(0 < rate <= peak * (1 + 1e-12) for rate in rates)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert top <= WARMUP * total + 1


def test_a_long_training_reaches_the_peak_and_ends_low() -> None:
    rates = [one_cycle(step, 1000, 1.0) for step in range(1000)]
    assert max(rates) == 1.0
    assert rates[0] < 0.01
    assert rates[-1] < 0.01
