"""What a process that is there for the daemon alone asks of its interpreter."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCH_S = 0.0005
# Python 3.12 starts with a few hundred objects frozen; an app that freezes has far more.
OF_PYTHON = 2_000


@contextmanager
def prepared() -> Iterator[None]:
    """While this lasts no thread waits long for the interpreter; what the host has set stays.

    - What is loaded by now is not looked through for garbage again (`gc.freeze`). A full
      collection of what an app has imported holds every thread up for some fifty milliseconds: so
      late a firing would be.
    - A thread that computes gives the interpreter up to one that waits for it after half a
      millisecond, not five (`sys.setswitchinterval`). A firing waits for it after each answer of
      the database.
    """
    switches = sys.getswitchinterval()
    is_ours = gc.get_freeze_count() < OF_PYTHON
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(min(switches, SWITCH_S))
    try:
        yield
    finally:
        sys.setswitchinterval(switches)
        if is_ours:
            gc.unfreeze()
