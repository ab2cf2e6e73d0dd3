"""From a request to stop to the last beat: drain within the grace, then leave."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from queue import Empty, SimpleQueue
from types import FrameType

from jobsched.clock import Clock
from jobsched.daemon.daemon import Daemon
from jobsched.daemon.events import emit
from jobsched.failpoints import failpoint

CHECK_S = 5.0
"""How often it is looked whether the daemon still lives; a request is seen at once."""
LAST_WORDS = timedelta(seconds=5)
"""How long the writing down of what is left behind may take."""


class StopRequest:
    """Set once: drain. Set twice: at once.

    A signal handler runs in the middle of whatever the main thread does, its waiting included. An
    Event set there may want a lock that the very wait holds, and hang; a SimpleQueue never does.
    """

    def __init__(self) -> None:
        self._times = 0
        self._news: SimpleQueue[None] = SimpleQueue()

    @property
    def drain(self) -> bool:
        """Whether it was asked for."""
        return self._times > 0

    @property
    def at_once(self) -> bool:
        """Whether it was asked for again."""
        return self._times > 1

    def set(self) -> None:
        """Ask to stop, or ask again."""
        self._times += 1
        self._news.put(None)

    def nudge(self) -> None:
        """Let who waits look around; from any thread."""
        self._news.put(None)

    def wait(self, seconds: float) -> bool:
        """Until it is asked for, or a nudge, at most so long; whether it was asked for."""
        with suppress(Empty):
            self._news.get(timeout=seconds)
        return self.drain


@contextmanager
def signals(request: StopRequest) -> Iterator[None]:
    """SIGTERM and SIGINT ask to stop while this lasts; the host's handlers come back after it.

    Only the main thread of a process can set handlers; elsewhere the host stops us otherwise.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        request.set()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def wait_for_request(daemon: Daemon, request: StopRequest) -> None:
    """Until somebody asks to stop or stops the daemon, or a thread of the daemon has died."""
    daemon.on_drain = request.nudge
    while not daemon.is_draining() and not request.wait(CHECK_S):
        if daemon.has_failed():
            emit(
                "daemon_failed",
                "a thread of the daemon has ended by itself: it stops, to be started again",
                level=logging.ERROR,
            )
            return


def drain(daemon: Daemon, grace: timedelta, clock: Clock, request: StopRequest | None) -> bool:
    """Claim nothing more and wait for what runs, for `grace`; whether all of it has ended.

    When the grace is over async jobs are cancelled and processes killed; threads go on.
    """
    failpoint("drain.asked")
    daemon.drain()
    failpoint("drain.begun")
    deadline = clock.monotonic() + grace.total_seconds()
    while True:
        left = deadline - clock.monotonic()
        if daemon.wait_idle(timedelta(seconds=min(max(left, 0.0), 0.2))):
            return True
        if left <= 0 or (request is not None and request.at_once):
            break
    no_thread_left = daemon.end_jobs()
    return daemon.wait_idle(LAST_WORDS if no_thread_left else timedelta(seconds=0.5))
