"""The daemon inside a host's process: start and stop in any order."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobsched import ConfigurationError, Registry
from jobsched.model import FiringStatus, JobRunStatus, WorkerStatus

if TYPE_CHECKING:
    from conftest import Embedding, Operator, Switches

pytestmark = pytest.mark.backends("sqlite")


@pytest.fixture
def registry() -> Registry:
    registry = Registry()

    @registry.job
    def quick() -> str:
        return "done"

    return registry


def test_starting_twice_is_starting_once(
    embed: "Embedding", registry: Registry, operator: "Operator"
) -> None:
    """The second `start()` does nothing, also from several threads at once."""
    scheduler = embed(registry)
    together = threading.Barrier(4)

    def start() -> None:
        together.wait()
        scheduler.start()

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scheduler.start()
    assert scheduler.running
    assert len(operator.list_workers(ended=True)) == 1


def test_a_start_on_which_the_rehearsal_fails(
    embed: "Embedding", registry: Registry, operator: "Operator", caplog: pytest.LogCaptureFixture
) -> None:
    """Statements are executed on nothing beforehand, to be quick: no more depends on it."""
    caplog.set_level("DEBUG", "jobsched.daemon")
    scheduler = embed(registry)
    failed = threading.Event()

    def fail(_: object, __: object, statement: str, *___: object) -> None:
        if statement.startswith("UPDATE job_run") and not failed.is_set():
            failed.set()
            raise RuntimeError("no room")

    sa.event.listen(scheduler.database.engine, "before_cursor_execute", fail)
    scheduler.start()
    assert failed.wait(10)
    assert operator.ended(operator.enqueue("quick").id).status is FiringStatus.SUCCESS
    assert "the rehearsal failed" in caplog.text
    # The tests' own variables begin like settings.
    told = [one for one in caplog.records if getattr(one, "event", None) != "unknown_setting"]
    assert not [one for one in told if one.levelname in ("WARNING", "ERROR")]


def test_stopping_before_starting(embed: "Embedding", registry: Registry) -> None:
    """There is nothing to stop, so all of it has ended; it can be started afterwards."""
    scheduler = embed(registry)
    assert scheduler.stop()
    assert not scheduler.running
    scheduler.start()
    assert scheduler.running
    assert scheduler.stop()
    assert scheduler.stop()
    assert not scheduler.running


def test_a_with_block_is_the_daemons_life(
    embed: "Embedding", registry: Registry, operator: "Operator"
) -> None:
    """It runs within the block, and has said that it stopped after it, also when that raised."""
    scheduler = embed(registry)

    def use() -> None:
        with scheduler as entered:
            assert entered is scheduler
            assert operator.ended(scheduler.enqueue("quick").id).status is FiringStatus.SUCCESS
            raise LookupError

    with pytest.raises(LookupError):
        use()
    assert not scheduler.running
    (worker,) = operator.list_workers(ended=True)
    assert worker.status is WorkerStatus.STOPPED


def test_starting_again_after_a_stop(
    embed: "Embedding", registry: Registry, operator: "Operator"
) -> None:
    """It is another worker, with another id, and runs jobs as the first one did."""
    scheduler = embed(registry)
    for _ in range(3):
        scheduler.start()
        assert operator.ended(scheduler.enqueue("quick").id).status is FiringStatus.SUCCESS
        assert scheduler.stop()
    workers = operator.list_workers(ended=True)
    assert len({worker.id for worker in workers}) == 3
    assert {worker.status for worker in workers} == {WorkerStatus.STOPPED}


def test_stop_tells_of_a_thread_that_still_runs(
    embed: "Embedding",
    registry: Registry,
    operator: "Operator",
    switches: "Switches",
    until: Callable[..., Any],
) -> None:
    """It is False until the thread has ended; heartbeats go on, and its result is written."""

    @registry.job
    def stuck() -> str:
        switches.started.on()
        switches.released.wait()
        return "after all"

    scheduler = embed.started(registry, settings={"heartbeat_interval": 0.1})
    firing = operator.enqueue("stuck")
    switches.started.wait()
    assert scheduler.stop(grace=0.1) is False
    assert operator.run(firing.id).status is JobRunStatus.RUNNING
    (worker,) = operator.list_workers()
    assert worker.status is WorkerStatus.STOPPING
    until(
        lambda: operator.list_workers()[0].last_heartbeat_at > worker.last_heartbeat_at,
        "a heartbeat after stop()",
    )
    with pytest.raises(ConfigurationError, match="still stopping"):
        scheduler.start()
    late = operator.enqueue("quick")
    switches.released.on()
    assert operator.ended(firing.id).runs[0].result == "after all"
    assert scheduler.stop() is True
    assert operator.firing(late.id).status is FiringStatus.QUEUED
    scheduler.start()
    assert operator.ended(late.id).status is FiringStatus.SUCCESS


def test_a_daemon_that_is_switched_off(
    embed: "Embedding", registry: Registry, operator: "Operator"
) -> None:
    """`JOBSCHED_ENABLED=false`: neither `start()` nor `run_forever()` makes this a daemon."""
    scheduler = embed(registry, settings={"enabled": False})
    scheduler.migrate()
    scheduler.start()
    assert not scheduler.running
    assert scheduler.run_forever() is True
    assert operator.list_workers(ended=True) == []


def test_run_forever_in_a_thread_is_stopped_by_stop(
    embed: "Embedding", registry: Registry, operator: "Operator", until: Callable[..., Any]
) -> None:
    """Where signals cannot be had, another thread's `stop()` ends it, as drained."""
    scheduler = embed(registry)
    answers: list[bool] = []
    thread = threading.Thread(target=lambda: answers.append(scheduler.run_forever()))
    thread.start()
    until(lambda: scheduler.running, "the daemon")
    assert operator.ended(operator.enqueue("quick").id).status is FiringStatus.SUCCESS
    assert scheduler.stop()
    thread.join(10)
    assert not thread.is_alive()
    assert answers == [True]
