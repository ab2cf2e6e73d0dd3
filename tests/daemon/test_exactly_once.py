"""Many occurrences due at one instant, several daemons: each fires once, whoever dies."""

from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from jobsched import Schedule
from jobsched.model import LIVE_FIRINGS, Firing, FiringStatus, JobRunStatus

if TYPE_CHECKING:
    from conftest import Daemon, Ledger, Operator

SCHEDULES = 500
MOST_LOST = 20
"""Twice what a daemon runs at once: as many may have ended without being written down yet."""
SOON = timedelta(seconds=2)

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def declare_many(declare: Callable[..., None], operator: "Operator") -> Callable[[], None]:
    """Declare the schedules, all due at one instant that is near."""

    def declare_many() -> None:
        operator.status()  # measures the database's time
        at = operator.database.time.now() + SOON
        declare(
            *(
                Schedule(id=f"due-{number:03}", at=at, jobs=["brief"], enabled=True)
                for number in range(SCHEDULES)
            )
        )

    return declare_many


def all_ended(operator: "Operator") -> list[Firing]:
    """All firings, once they have ended; else none."""
    status = operator.status()
    if status.queued or status.running or status.waiting:
        return []
    firings = operator.history(limit=2 * SCHEDULES)
    done = len(firings) >= SCHEDULES and all(one.status not in LIVE_FIRINGS for one in firings)
    return firings if done else []


@pytest.mark.parametrize("nodes", [2, 4])
@pytest.mark.backends("postgresql", "mariadb")
def test_each_occurrence_fires_once(
    nodes: int,
    start_daemons: Callable[..., list["Daemon"]],
    declare_many: Callable[[], None],
    operator: "Operator",
    ledger: "Ledger",
    until: Callable[..., Any],
) -> None:
    """500 schedules due at one instant: 500 firings, none twice, none lost, each node at work."""
    fire_all(nodes, start_daemons, declare_many, operator, ledger, until)


@pytest.mark.backends("sqlite")
def test_each_occurrence_fires_once_on_sqlite(
    start_daemons: Callable[..., list["Daemon"]],
    declare_many: Callable[[], None],
    operator: "Operator",
    ledger: "Ledger",
    until: Callable[..., Any],
) -> None:
    """The same with two daemons of one machine on one file."""
    fire_all(2, start_daemons, declare_many, operator, ledger, until)


def fire_all(
    nodes: int,
    start_daemons: Callable[..., list["Daemon"]],
    declare_many: Callable[[], None],
    operator: "Operator",
    ledger: "Ledger",
    until: Callable[..., Any],
) -> None:
    """Fire them, and count by the database and by the ledger."""
    daemons = start_daemons(nodes)
    declare_many()
    ledger.wait("end", SCHEDULES)
    firings = until(lambda: all_ended(operator), "the end of all firings")
    assert Counter(firing.schedule_id for firing in firings) == {
        f"due-{number:03}": 1 for number in range(SCHEDULES)
    }
    assert {firing.status for firing in firings} == {FiringStatus.SUCCESS}
    for what in ("start", "end"):
        assert set(ledger.counts(what, "schedule").values()) == {1}
        assert len(ledger.records(what)) == SCHEDULES
    by_node = ledger.counts("start", "pid")
    assert by_node.keys() == {daemon.pid for daemon in daemons}
    assert min(by_node.values()) >= SCHEDULES / nodes / 10, by_node


def test_a_daemon_killed_in_the_middle(
    start_daemons: Callable[..., list["Daemon"]],
    declare_many: Callable[[], None],
    operator: "Operator",
    ledger: "Ledger",
    until: Callable[..., Any],
) -> None:
    """Nothing fires or starts twice; what ran on it is LOST, and all the rest is done elsewhere."""
    victim, *_ = start_daemons(2)
    lost_worker = victim.worker_id
    declare_many()
    ledger.wait("start", SCHEDULES // 10, pid=victim.pid)
    victim.kill()
    ledger.wait("end", SCHEDULES - MOST_LOST)
    firings = until(lambda: all_ended(operator), "the end of all firings")
    assert Counter(firing.schedule_id for firing in firings) == {
        f"due-{number:03}": 1 for number in range(SCHEDULES)
    }
    assert set(ledger.counts("start", "schedule").values()) == {1}
    assert max(ledger.counts("end", "schedule").values()) == 1
    lost = [run for one in firings for run in one.runs if run.status is JobRunStatus.LOST]
    assert len(lost) <= MOST_LOST
    assert {run.worker_id for run in lost} <= {lost_worker}
    undone = {one.schedule_id for one in firings if one.status is not FiringStatus.SUCCESS}
    assert undone == {run.schedule_id for run in lost}
    assert ledger.counts("end", "schedule").keys() >= {
        one.schedule_id for one in firings if one.schedule_id not in undone
    }
