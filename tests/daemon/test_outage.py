"""The database goes away while jobs run: what ended is kept, and written when it is back."""

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import sqlalchemy as sa

from jobsched import Backoff, JobContext, Registry, Scheduler, Settings
from jobsched.model import FiringStatus, JobRunStatus, WorkerStatus

if TYPE_CHECKING:
    from conftest import Daemon, Ledger, Operator, Switches

pytestmark = [pytest.mark.backends("postgresql", "mariadb"), pytest.mark.timeout(60)]

LOCK_TIMEOUT_S = 1.5


class Passage:
    """A door in front of a database server, which can be shut: nobody gets in, all are put out."""

    def __init__(self, host: str, port: int) -> None:
        self._server = (host, port)
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._door: socket.socket | None = None
        self._flowing = threading.Event()
        self._flowing.set()
        self.port = 0

    def open(self) -> None:
        """Let clients in, always at the same port."""
        self._door = socket.create_server(("127.0.0.1", self.port))
        self.port = self._door.getsockname()[1]
        self._run(self._admit, self._door)

    def shut(self) -> None:
        """Refuse new clients, and end the connections of those within."""
        door, self._door = self._door, None
        if door is not None:
            with suppress(OSError):
                door.shutdown(socket.SHUT_RDWR)  # wakes its thread
            door.close()
        self.end_connections()

    def end_connections(self) -> None:
        """End every connection there is; new ones may come."""
        ended, self._open = self._open, []
        for one in ended:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def swallow(self) -> None:
        """Take what comes and pass on nothing, without a word to anybody."""
        self._flowing.clear()

    def close(self) -> None:
        """Shut for good."""
        self._flowing.set()
        self.shut()
        for thread in self._threads:
            thread.join(10)

    def _admit(self, door: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = door.accept()
                server = socket.create_connection(self._server)
                self._open += [client, server]
                self._run(self._carry, client, server)
                self._run(self._carry, server, client)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self._flowing.wait()
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
        source.close()

    def _run(self, work: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()


@pytest.fixture
def passage(database_url: str) -> Iterator[Passage]:
    url = sa.make_url(database_url)
    passage = Passage(url.host or "127.0.0.1", url.port or 0)
    passage.open()
    yield passage
    passage.close()


@pytest.fixture
def started(
    database_url: str, passage: Passage, switches: "Switches"
) -> Iterator[Callable[[Registry], Scheduler]]:
    """Start a daemon that reaches the database through the passage only."""
    made: list[Scheduler] = []

    def start(registry: Registry) -> Scheduler:
        scheduler = Scheduler(
            sa.make_url(database_url).set(host="127.0.0.1", port=passage.port),
            registry=registry,
            settings=Settings(
                poll_interval=0.1, heartbeat_interval=0.3, lock_timeout=LOCK_TIMEOUT_S
            ),
        )
        made.append(scheduler)
        scheduler.start()
        return scheduler

    yield start
    for scheduler in made:
        assert scheduler.close()


def test_what_ends_during_an_outage_is_written_after_it(
    started: Callable[[Registry], Scheduler],
    passage: Passage,
    operator: "Operator",
    switches: "Switches",
    until: Callable[..., Any],
) -> None:
    """Longer than the lock timeout: results, errors, logs are kept; no job is run a second time."""
    registry = Registry()
    calls: list[str] = []
    ended = threading.Barrier(3)

    def during_the_outage(ctx: JobContext) -> None:
        calls.append(ctx.job_name)
        ctx.log.info("before")
        if len(calls) == 2:
            switches.started.on()
        switches.released.wait()
        ctx.log.info("while it is away")
        ended.wait(10)

    @registry.job(on_lost="rerun")
    def fine(ctx: JobContext) -> str:
        during_the_outage(ctx)
        return "kept"

    @registry.job(retries=1, backoff=Backoff(initial=0.01))
    def failing_once(ctx: JobContext) -> None:
        if ctx.attempt == 1:
            during_the_outage(ctx)
            raise RuntimeError("kept, too")

    scheduler = started(registry)
    asked = [operator.enqueue("fine"), operator.enqueue("failing_once")]
    switches.started.wait()
    for firing in asked:
        until(lambda firing=firing: operator.messages(firing.id), "the first line")
    (worker,) = operator.list_workers()
    passage.shut()
    switches.released.on()
    ended.wait(10)

    def silence() -> float:
        beaten_at = operator.list_workers()[0].last_heartbeat_at
        operator.status()
        return float((operator.database.time.now() - beaten_at).total_seconds())

    until(lambda: silence() > 2 * LOCK_TIMEOUT_S, "an outage of two lock timeouts")
    assert [operator.run(firing.id).status for firing in asked] == 2 * [JobRunStatus.RUNNING]
    passage.open()

    fine_run, *_ = operator.ended(asked[0].id).runs
    assert (fine_run.status, fine_run.result) == (JobRunStatus.SUCCESS, "kept")
    done = operator.ended(asked[1].id)
    assert done.status is FiringStatus.SUCCESS
    assert [(run.status, run.error) for run in done.runs] == [
        (JobRunStatus.FAILED, "RuntimeError: kept, too"),
        (JobRunStatus.SUCCESS, None),
    ]
    for firing in asked:
        assert operator.messages(firing.id) == ["before", "while it is away"]
    assert sorted(calls) == ["failing_once", "fine"]
    assert [one.id for one in operator.list_workers()] == [worker.id]
    assert scheduler.running


def test_connections_that_end_again_and_again(
    started: Callable[[Registry], Scheduler], passage: Passage, operator: "Operator"
) -> None:
    """With every connection ended at any moment, each job still runs once and ends once."""
    registry = Registry()
    calls: list[int] = []

    @registry.job
    def counted(ctx: JobContext) -> int:
        calls.append(ctx.firing_id)
        passage.end_connections()
        return ctx.firing_id

    started(registry)
    for _ in range(5):
        firing = operator.enqueue("counted")
        assert operator.ended(firing.id).runs[0].result == firing.id
    assert len(set(calls)) == len(calls) == 5
    (worker,) = operator.list_workers()
    assert worker.status is WorkerStatus.RUNNING


@pytest.mark.backends("postgresql")
def test_a_second_signal_while_the_database_is_silent(
    start_daemons: Callable[..., list["Daemon"]],
    database_url: str,
    passage: Passage,
    operator: "Operator",
    ledger: "Ledger",
) -> None:
    """A server that answers nothing keeps no process: it ends all the same, with exit code 1."""
    url = sa.make_url(database_url).set(host="127.0.0.1", port=passage.port)
    through = url.render_as_string(hide_password=False)
    (daemon,) = start_daemons(JOBSCHED_DATABASE_URL=through, JOBSCHED_SHUTDOWN_GRACE="1h")
    operator.enqueue("stuck")
    ledger.wait("start")
    passage.swallow()
    daemon.send(signal.SIGTERM)
    daemon.wait_for("daemon_stopping")
    daemon.send(signal.SIGTERM)
    assert daemon.exit_code() == 1
