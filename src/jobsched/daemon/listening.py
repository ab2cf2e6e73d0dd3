"""The thread that wakes the loop when somebody else has changed something."""

import threading
from collections.abc import Callable

from jobsched.clock import Clock
from jobsched.daemon.events import logger
from jobsched.store.database import Database
from jobsched.store.hints import Hints, hints_of

AGAIN_S = 30.0
"""How long to wait before listening again after the connection was lost; polling goes on."""


class Listener:
    """Passes hints on; losing them costs time only, so it never fails loudly."""

    def __init__(self, database: Database, clock: Clock, on_hint: Callable[[], None]) -> None:
        """`on_hint` is called for every hint."""
        self._database = database
        self._clock = clock
        self._on_hint = on_hint
        self._hints: Hints | None = None

    def wake(self) -> None:
        """Let it look at `stop` now; from any thread."""
        hints = self._hints  # the thread that listens may be giving them up
        if hints is not None:
            hints.wake()

    def run(self, stop: threading.Event) -> None:
        """Listen until `stop` is set, or at once end where there is nothing to listen to."""
        while not stop.is_set():
            try:
                self._hints = hints_of(self._database)
                if self._hints is None:
                    return
                self._listen(self._hints, stop)
            except Exception as error:  # polling finds what no hint told
                logger.debug("no hints for now: %s", error)
                self._clock.wait(stop, AGAIN_S)

    def _listen(self, hints: Hints, stop: threading.Event) -> None:
        try:
            self._on_hint()  # what changed before it listened
            while not stop.is_set():
                if hints.wait(stop):
                    self._on_hint()
        finally:
            self._hints = None
            hints.close()
