"""Waiting, and noticing when the machine was too busy for anybody's promises."""

import threading
from collections.abc import Callable

from tests.faults.book import Book
from tests.faults.ledger import boot_clock

STEP_S = 0.05
STARVED_S = 0.5
"""A wait that takes so much longer than asked for shows a machine that starves its processes."""

_never = threading.Event()


def pause(seconds: float) -> None:
    """Let time pass: the pace of the faults."""
    _never.wait(seconds)


def until(condition: Callable[[], bool], patience: float) -> bool:
    """Wait on a condition for at most so many seconds; whether it came true."""
    deadline = boot_clock() + patience
    while not condition():
        if boot_clock() > deadline:
            return False
        _never.wait(STEP_S)
    return True


def watch_for_starvation(book: Book, stop: threading.Event) -> None:
    """Write down, as a fault of all, when this process itself was kept from running."""
    while not stop.is_set():
        asked = boot_clock()
        stop.wait(0.1)
        if boot_clock() - asked > 0.1 + STARVED_S:
            fault = book.begin("starved", None)
            fault.begun = asked
            book.end(fault)
