"""What a process that is there for the daemon alone asks of its interpreter."""

import gc
import sys

import pytest

from jobsched.daemon import interpreter


def is_frozen() -> bool:
    """Python's own few objects (of 3.12) do not count."""
    return gc.get_freeze_count() >= interpreter.OF_PYTHON


def test_what_is_loaded_is_left_alone_for_a_while() -> None:
    """Full collections do not look through it; afterwards everything is as before."""
    assert not is_frozen()
    with interpreter.prepared():
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < gc.get_freeze_count()
    assert not is_frozen()


def test_it_is_given_back_after_an_error() -> None:
    """However the daemon ends."""
    with pytest.raises(KeyboardInterrupt), interpreter.prepared():
        raise KeyboardInterrupt
    assert not is_frozen()


def test_what_the_host_has_frozen_stays_frozen() -> None:
    """It had its reasons, such as children that share its memory."""
    gc.freeze()
    try:
        with interpreter.prepared():
            pass
        assert is_frozen()
    finally:
        gc.unfreeze()


def test_threads_switch_more_often_for_a_while() -> None:
    """A job that computes holds the firing up for half a millisecond at a time, not for five."""
    before = sys.getswitchinterval()
    with interpreter.prepared():
        assert sys.getswitchinterval() == pytest.approx(interpreter.SWITCH_S)
    assert sys.getswitchinterval() == before


def test_a_host_that_switches_more_often_still_does() -> None:
    """It had its reasons, too."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0001)
    try:
        with interpreter.prepared():
            assert sys.getswitchinterval() == pytest.approx(0.0001, abs=1e-5)
    finally:
        sys.setswitchinterval(before)
