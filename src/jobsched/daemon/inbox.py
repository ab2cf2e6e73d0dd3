"""What is said to the runner, from any thread: it never blocks who says it."""

import threading
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

from jobsched.fixed import fixed
from jobsched.model import Reason
from jobsched.store.batch import LogRecord, RunNote

MOST_LINES = 100_000
"""Log lines that wait to be written, of all job runs: more are counted and dropped, so that a
database that is away costs a bounded amount of memory."""


@fixed
class CancelRequest:
    """An operator's request: of a whole firing, or of one job run of it."""

    firing_id: int
    run_id: int | None = None
    reason: Reason = Reason.REQUESTED


class Inbox:
    """Messages in the order in which they came; log lines are bounded, nothing else is."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        """Set when something other than a log line or a note has come."""
        self._messages: deque[Any] = deque()
        self._lines = 0
        self._dropped: Counter[int] = Counter()
        self._last: dict[int, LogRecord] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._messages)

    def post(self, message: Any) -> None:
        """Say something to the runner."""
        if isinstance(message, LogRecord):
            self._post_line(message)
            return
        self._messages.append(message)
        if not isinstance(message, RunNote):
            self.arrived.set()

    def post_all(self, messages: Iterable[Any]) -> None:
        """Say several things at once; none of them is a log line."""
        self._messages.extend(messages)
        self.arrived.set()

    def take(self) -> list[Any]:
        """Everything that waits, and a line for each job run whose lines were dropped."""
        with self._lock:
            taken = [self._messages.popleft() for _ in range(len(self._messages))]
            self._lines = 0
            dropped, self._dropped = self._dropped, Counter()
            last, self._last = self._last, {}
        said = [_said(last[run_id], count) for run_id, count in dropped.items()]
        return _before_the_ends(taken, said) if said else taken

    def _post_line(self, line: LogRecord) -> None:
        with self._lock:
            if self._lines < MOST_LINES:
                self._lines += 1
                self._messages.append(line)
            else:
                self._dropped[line.run_id] += 1
                self._last[line.run_id] = line


def _before_the_ends(taken: list[Any], said: list[LogRecord]) -> list[Any]:
    """The lines of what was dropped go before the end of their run, behind its other lines."""
    ends = next(
        (n for n, one in enumerate(taken) if not isinstance(one, LogRecord | RunNote)), len(taken)
    )
    return [*taken[:ends], *said, *taken[ends:]]


def _said(last: LogRecord, count: int) -> LogRecord:
    return LogRecord(
        run_id=last.run_id,
        firing_id=last.firing_id,
        level="WARNING",
        message=f"{count} log lines are missing here: they came faster than they could be written",
        created_at=last.created_at,
    )
