"""A signal is not lost, even where Python drops what its handler raises."""

import os
import signal
import weakref

import pytest

from app.commands.stopping import signals_raise


class Thing:
    """Something to refer to weakly."""


def test_a_signal_ends_the_block_and_the_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    reached = []
    with signals_raise():
        reached.append("before")
        os.kill(os.getpid(), signal.SIGTERM)
        reached.append("after")
    assert reached == ["before"]
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_comes_during_a_finalizer_ends_the_block_at_the_next_look() -> None:
    reached = []
    with signals_raise() as heed:
        thing = Thing()
        reference = weakref.ref(thing, lambda _: os.kill(os.getpid(), signal.SIGTERM))
        del thing
        reached.append("before")
        heed()
        reached.append("after")
    assert reached == ["before"]
    assert reference() is None
