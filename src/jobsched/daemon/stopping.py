"""From a request to stop to the last beat: drain within the grace, then leave."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from types import FrameType

from jobsched.clock import Clock
from jobsched.daemon.daemon import Daemon
from jobsched.daemon.events import emit
from jobsched.failpoints import failpoint

LAST_WORDS = timedelta(seconds=5)
"""How long the writing down of what is left behind may take."""


@dataclass(slots=True)
class StopRequest:
    """Set once: drain. Set twice: at once."""

    drain: threading.Event = field(default_factory=threading.Event)
    at_once: threading.Event = field(default_factory=threading.Event)

    def set(self) -> None:
        """Ask to stop, or ask again."""
        if self.drain.is_set():
            self.at_once.set()
        self.drain.set()


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


def wait_for_request(daemon: Daemon, request: StopRequest, clock: Clock) -> None:
    """Until somebody asks to stop, or a thread of the daemon has died."""
    while not clock.wait(request.drain, 1.0):
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
    while (left := deadline - clock.monotonic()) > 0:
        if daemon.wait_idle(timedelta(seconds=min(left, 0.2))):
            return True
        if request is not None and request.at_once.is_set():
            break
    no_thread_left = daemon.end_jobs()
    return daemon.wait_idle(LAST_WORDS if no_thread_left else timedelta(seconds=0.5))
