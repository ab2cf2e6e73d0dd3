"""A scheduler whose jobs run in processes of their own, and what tests see of them."""

import os
import select
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jobs_in_processes
import pytest

from jobsched import Schedule, Scheduler, Settings
from jobsched.clock import SystemClock
from jobsched.executors import RemoteExecutor
from jobsched.model import Firing, JobRun

PATIENCE_S = 30.0
"""How long a condition may take to come true: much longer than it does, short of the timeout."""


def until(condition: Callable[[], Any], what: str) -> Any:
    """What `condition` returns as soon as that is true; a failure that says what did not come."""
    clock = SystemClock()
    deadline = clock.monotonic() + PATIENCE_S
    while not (found := condition()):
        if clock.monotonic() > deadline:
            pytest.fail(f"{what} did not come within {PATIENCE_S:g} s")
        clock.wait(threading.Event(), 0.02)
    return found


class Lifeline:
    """A pipe that processes hold open: it tells when they are there, and when all are gone."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        os.mkfifo(path)
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def wait_until_held(self) -> None:
        assert self._read() == b"up"

    def wait_until_free(self) -> None:
        """Fails when a process still holds it after a while."""
        assert self._read() == b""

    def _read(self) -> bytes:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        assert poll.poll(PATIENCE_S * 1000), "nothing happened to the processes that hold it"
        return os.read(self._fd, 10)

    def close(self) -> None:
        os.close(self._fd)


class Host:
    """A started scheduler, whose jobs are those of `jobs_in_processes`."""

    def __init__(self, url: str, executor: RemoteExecutor, around: Any = None) -> None:
        self.scheduler = Scheduler(
            url,
            schedules=[Schedule(id="both", every=86400, jobs=["first", "second"])],
            registry=jobs_in_processes.registry,
            settings=Settings(poll_interval=0.2, heartbeat_interval=0.5, lock_timeout=5),
            executor=executor,
            around=around,
        )

    def start(self, job: str, **params: Any) -> int:
        """Enqueue the job; the id of its firing."""
        return self.scheduler.enqueue(job, params=params).id

    def wait(self, firing_id: int) -> Firing:
        """The firing, as soon as it has ended."""
        firing: Firing = until(
            lambda: (found := self.scheduler.firing(firing_id)).finished_at and found,
            f"the end of firing {firing_id}",
        )
        return firing

    def run(self, job: str, **params: Any) -> JobRun:
        """The last attempt of the job, ended."""
        return self.wait(self.start(job, **params)).runs[-1]

    def wait_for_log(self, firing_id: int) -> None:
        """Until the firing has logged something."""
        until(lambda: self.scheduler.logs(firing_id=firing_id), f"a line of firing {firing_id}")

    def logs(self, run: JobRun) -> list[str]:
        return [line.message for line in self.scheduler.logs(run_id=run.id)]


MakeHost = Callable[..., Host]
