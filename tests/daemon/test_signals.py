"""Signals that arrive in the middle of anything."""

import signal
from types import FrameType

import pytest

from jobsched.daemon import stopping

ROUNDS = 2000


@pytest.mark.timeout(30, method="thread")  # SIGALRM is the test's own
def test_a_handler_never_hangs() -> None:
    """A signal is obeyed wherever it finds the main thread, in the middle of its waiting too."""
    requests = [stopping.StopRequest()]

    def handle(_number: int, _frame: FrameType | None) -> None:
        requests[-1].set()

    before = signal.signal(signal.SIGALRM, handle)
    try:
        for number in range(ROUNDS):
            requests.append(stopping.StopRequest())
            signal.setitimer(signal.ITIMER_REAL, 1e-6 + number % 600 * 1e-7)
            while not requests[-1].wait(0.05):
                pass
            assert requests[-1].drain
            assert not requests[-1].at_once
    finally:
        signal.signal(signal.SIGALRM, before)
