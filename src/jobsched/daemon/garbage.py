"""The garbage collector of a process that is there for the daemon alone."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Python 3.12 starts with a few hundred objects frozen; an app that freezes has far more.
OF_PYTHON = 2_000


@contextmanager
def left_alone() -> Iterator[None]:
    """What is loaded now is not looked through again while this lasts (`gc.freeze`).

    A full collection of what an app has imported holds every thread up for some fifty
    milliseconds: so late a firing would be. What the app itself has frozen stays frozen.
    """
    is_ours = gc.get_freeze_count() < OF_PYTHON
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        if is_ours:
            gc.unfreeze()
