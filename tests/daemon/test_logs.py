"""What jobs log is kept for their runs; what the daemon says is not."""

import asyncio
import logging
import threading
from typing import TYPE_CHECKING

import pytest

from jobsched import Backoff, JobContext, Registry
from jobsched.model import FiringStatus

if TYPE_CHECKING:
    from conftest import Embedding, Operator

MANY = 20_000


def test_a_job_that_logs_without_end_loses_nothing(
    embed: "Embedding", operator: "Operator"
) -> None:
    """20,000 lines as fast as they come: all are there, in order, and none blocked the job."""
    registry = Registry()

    @registry.job
    def chatty(ctx: JobContext) -> None:
        for number in range(MANY):
            ctx.log.info("line %d", number)

    embed.started(registry)
    firing = operator.enqueue("chatty")
    assert operator.ended(firing.id).status is FiringStatus.SUCCESS
    assert operator.messages(firing.id) == [f"line {number}" for number in range(MANY)]


@pytest.mark.backends("sqlite")
def test_records_of_any_logger_are_kept(embed: "Embedding", operator: "Operator") -> None:
    """Of the job, of a library that it calls, in threads and tasks that it starts."""
    registry = Registry()

    @registry.job
    def sync_job(ctx: JobContext) -> None:
        ctx.log.info("of the job")
        logging.getLogger("daemon_tests.library").warning("of a %s", "library")
        logging.getLogger().error("of the root")

    @registry.job
    async def async_job(ctx: JobContext) -> None:
        ctx.log.info("before")
        await asyncio.to_thread(logging.getLogger("daemon_tests").warning, "in a thread")
        await asyncio.gather(*(subtask(number) for number in range(2)))

    async def subtask(number: int) -> None:
        logging.getLogger("daemon_tests").warning("subtask %d", number)

    embed.started(registry)
    firing = operator.ended(operator.enqueue("sync_job").id)
    assert [(line.level, line.message) for line in operator.logs(firing_id=firing.id)] == [
        ("INFO", "of the job"),
        ("WARNING", "of a library"),
        ("ERROR", "of the root"),
    ]
    firing = operator.ended(operator.enqueue("async_job").id)
    assert operator.messages(firing.id) == ["before", "in a thread", "subtask 0", "subtask 1"]


@pytest.mark.backends("sqlite")
def test_each_line_belongs_to_its_own_run(embed: "Embedding", operator: "Operator") -> None:
    """Jobs that run at once, in threads and on the loop, do not get each other's lines."""
    registry = Registry()
    together = threading.Barrier(4)

    @registry.job
    def worker(ctx: JobContext) -> None:
        together.wait(10)
        for _ in range(50):
            logging.getLogger("shared").warning("run %d", ctx.run_id)

    @registry.job
    async def task(ctx: JobContext) -> None:
        for _ in range(50):
            logging.getLogger("shared").warning("run %d", ctx.run_id)
            await asyncio.to_thread(lambda: None)

    embed.started(registry)
    asked = [operator.enqueue(name) for name in 4 * ["worker"] + 4 * ["task"]]
    for one in asked:
        firing = operator.ended(one.id)
        assert operator.messages(firing.id) == 50 * [f"run {firing.runs[0].id}"]


@pytest.mark.backends("sqlite")
def test_the_daemon_s_own_records_are_nobody_s(
    embed: "Embedding", operator: "Operator", caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever its log level: none of what it or SQLAlchemy says stands in a job's log."""
    registry = Registry()

    @registry.job(retries=1, backoff=Backoff(initial=0.01))
    def plain(ctx: JobContext) -> None:
        ctx.log.info("mine")
        ctx.progress(0.5, "half")
        if ctx.attempt == 1:
            raise RuntimeError

    with caplog.at_level(logging.DEBUG, "jobsched"), caplog.at_level(logging.DEBUG, "sqlalchemy"):
        embed.started(registry)
        firing = operator.ended(operator.enqueue("plain").id)
    assert operator.messages(firing.id) == ["mine", "mine"]
    assert any(record.name == "jobsched.daemon" for record in caplog.records)


@pytest.mark.backends("sqlite")
def test_a_record_that_cannot_be_formatted(embed: "Embedding", operator: "Operator") -> None:
    """A mistake in a log call does not end the job, and what can be kept of it is."""
    registry = Registry()

    class Unprintable:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    @registry.job
    def mistaken(ctx: JobContext) -> str:
        raising, logging.raiseExceptions = logging.raiseExceptions, False
        try:
            ctx.log.info("%d apples", "many")
            ctx.log.info("%s", Unprintable())
            ctx.log.info(Unprintable())
            try:
                raise ValueError("caught")
            except ValueError:
                ctx.log.exception("went wrong")
        finally:
            logging.raiseExceptions = raising
        return "done"

    embed.started(registry)
    firing = operator.ended(operator.enqueue("mistaken").id)
    assert firing.runs[0].result == "done"
    messages = operator.messages(firing.id)
    assert messages[:3] == ["%d apples", "%s", "(a log record that cannot be read)"]
    assert messages[3].startswith("went wrong\nTraceback (most recent call last):")
    assert messages[3].endswith("ValueError: caught")


@pytest.mark.backends("sqlite")
def test_a_logger_that_does_not_propagate_is_kept_too(
    embed: "Embedding", operator: "Operator"
) -> None:
    """Whatever handlers, levels above the logger's own and `propagate` say, the run has it."""
    registry = Registry()
    alone = logging.getLogger("daemon_tests.alone")

    @registry.job
    def sync_job() -> None:
        alone.warning("for itself")

    embed.started(registry)
    alone.propagate = False
    try:
        firing = operator.ended(operator.enqueue("sync_job").id)
    finally:
        alone.propagate = True
    assert operator.messages(firing.id) == ["for itself"]


@pytest.mark.backends("sqlite")
def test_the_hosts_logging_is_left_as_it_is(embed: "Embedding") -> None:
    """I13: a daemon installs no handler, so that a later `basicConfig` does what it should; when
    it has stopped, records are made as before."""
    factory = logging.getLogRecordFactory()
    handlers = list(logging.getLogger().handlers)
    scheduler = embed.started(Registry())
    assert logging.getLogger().handlers == handlers
    scheduler.stop()
    assert logging.getLogRecordFactory() is factory
