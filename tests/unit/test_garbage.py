"""The garbage collector of a process that is there for the daemon alone."""

import gc

import pytest

from jobsched.daemon import garbage


def is_frozen() -> bool:
    """Python's own few objects (of 3.12) do not count."""
    return gc.get_freeze_count() >= garbage.OF_PYTHON


def test_what_is_loaded_is_left_alone_for_a_while() -> None:
    """Full collections do not look through it; afterwards everything is as before."""
    assert not is_frozen()
    with garbage.left_alone():
        assert gc.get_freeze_count() > 10_000
        assert len(gc.get_objects()) < gc.get_freeze_count()
    assert not is_frozen()


def test_it_is_given_back_after_an_error() -> None:
    """However the daemon ends."""
    with pytest.raises(KeyboardInterrupt), garbage.left_alone():
        raise KeyboardInterrupt
    assert not is_frozen()


def test_what_the_host_has_frozen_stays_frozen() -> None:
    """It had its reasons, such as children that share its memory."""
    gc.freeze()
    try:
        with garbage.left_alone():
            pass
        assert is_frozen()
    finally:
        gc.unfreeze()
