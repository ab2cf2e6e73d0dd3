"""Schedulers whose jobs run in processes of their own."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from jobsched.executors import ProcessExecutor

sys.path.append(str(Path(__file__).parent))  # the processes get it, too

from process_host import Host, Lifeline, MakeHost


@pytest.fixture
def lifeline(tmp_path: Path) -> Iterator[Lifeline]:
    lifeline = Lifeline(tmp_path / "lifeline")
    yield lifeline
    lifeline.close()


@pytest.fixture
def make_host(tmp_path: Path) -> Iterator[MakeHost]:
    """Makes and starts a Host; `kill_grace` and `max_workers` are its executor's."""
    hosts: list[Host] = []
    logging.getLogger("host").setLevel(logging.INFO)

    def make(
        *, kill_grace: float = 0.2, max_workers: int | None = None, around: Any = None
    ) -> Host:
        executor = ProcessExecutor(max_workers, kill_grace=kill_grace)
        host = Host(f"sqlite:///{tmp_path / 'jobs.db'}", executor, around)
        hosts.append(host)
        host.scheduler.start()
        return host

    yield make
    for host in hosts:
        assert host.scheduler.stop(grace=0)
        host.scheduler.database.dispose()


@pytest.fixture
def host(make_host: MakeHost) -> Host:
    return make_host()
