"""The store as its tests drive it: a clean database on each backend, workers, and a clock.

A test that takes `store` runs once on each backend. The tables are made once for a backend and
emptied for each test. The test's clock replaces the database's, so that every time is exact.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from jobsched import Schedule
from jobsched.clock import Clock, DatabaseTime
from jobsched.declarations import Declarations
from jobsched.model import (
    Firing,
    JobDefinition,
    JobRun,
    JobRunStatus,
    ScheduleState,
    SyncReport,
    WorkerStatus,
    WorkerType,
)
from jobsched.planning.plan import ending
from jobsched.store import (
    claim,
    fire,
    history,
    record,
    recover,
    request,
    schedules,
    sync,
    workers,
)
from jobsched.store.batch import Batch, Recorded, RunEnd
from jobsched.store.candidates import Claimer
from jobsched.store.claim import Claimed, ClaimOutcome
from jobsched.store.database import Database, Transaction
from jobsched.store.fire import FireOutcome
from jobsched.store.firings import FiringEnd
from jobsched.store.recover import Recovered
from jobsched.store.request import Request
from jobsched.store.workers import Registration
from jobsched.testing.clock import FakeClock

T = TypeVar("T")
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
LOCK_TIMEOUT = timedelta(seconds=60)
JOBS = tuple(JobDefinition(name) for name in ("a", "b", "c"))


@dataclass
class Store:
    """A database with a clock, and the transactions by the names of what they do."""

    database: Database
    clock: FakeClock
    app: str = "default"
    slots: int = 10
    _names: Iterator[int] = field(default_factory=count)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def transact(self, work: Callable[[Transaction], T]) -> T:
        return self.database.transact(work)

    def query(self, work: Callable[[Transaction], T]) -> T:
        return self.database.query(work)

    # Processes

    def declare(
        self,
        *declared: Schedule,
        jobs: Sequence[JobDefinition] = JOBS,
        app: str | None = None,
        environment: str = "production",
        by: str | None = None,
    ) -> SyncReport:
        """Sync what a process declares."""
        code = self.code(*declared, jobs=jobs, app=app, environment=environment)
        return self.transact(lambda tx: sync.sync(tx, code, declared_by=by))

    def code(
        self,
        *declared: Schedule,
        jobs: Sequence[JobDefinition] = JOBS,
        app: str | None = None,
        environment: str = "production",
    ) -> sync.Declared:
        return sync.declared(
            app or self.app,
            environment,
            Declarations(declared),
            {job.name: job for job in jobs},
        )

    def worker(
        self,
        code: sync.Declared | None = None,
        *,
        app: str | None = None,
        kind: WorkerType = WorkerType.SCHEDULE_DAEMON,
        lock_timeout: timedelta = LOCK_TIMEOUT,
    ) -> str:
        """Register a worker that declares this code (default: the jobs a, b, c); its id."""
        code = code if code is not None else self.code(app=app)
        worker_id = f"worker-{next(self._names)}"
        new = Registration(
            id=worker_id,
            app=app or self.app,
            worker_type=kind,
            hostname="host",
            pid=7,
            version="1",
            environment="production",
            capacity=self.slots,
            lock_timeout=lock_timeout,
            poll_interval=timedelta(seconds=5),
            declares=code.hashes,
        )
        self.transact(lambda tx: workers.register(tx, new))
        return worker_id

    def beat(self, worker_id: str, status: WorkerStatus = WorkerStatus.RUNNING) -> bool:
        return self.transact(lambda tx: workers.beat(tx, worker_id, status, 0))

    def keep_alive(self, worker_id: str) -> None:
        """Beat for a worker whose last heartbeat is from before the test moved the clock."""
        known = {one.id: one for one in self.transact(lambda tx: workers.listed(tx, ended=True))}
        worker = known.get(worker_id)
        if worker is not None and self.now - worker.last_heartbeat_at > worker.lock_timeout / 2:
            self.beat(worker_id, worker.status)

    def claimer(
        self,
        worker_id: str,
        *,
        slots: int | None = None,
        knows: str = "a b c",
        app: str | None = None,
    ) -> Claimer:
        free = self.slots if slots is None else slots
        return Claimer(worker_id, app or self.app, frozenset(knows.split()), free)

    # Transactions

    def fire(
        self, worker_id: str, *, at_once: bool = True, limit: int = 100, **claimer: Any
    ) -> FireOutcome:
        """Fire everything that is due, as a worker whose heart beats."""
        mine = self.claimer(worker_id, **claimer)
        self.keep_alive(worker_id)
        return self.transact(
            lambda tx: fire.fire(
                tx, mine, retry_before=tx.now - LOCK_TIMEOUT, limit=limit, claim_at_once=at_once
            )
        )

    def claim(
        self, worker_id: str, *, allowed: set[int] | None = None, **claimer: Any
    ) -> ClaimOutcome:
        """Claim what waits, as a worker whose heart beats."""
        mine = self.claimer(worker_id, **claimer)
        self.keep_alive(worker_id)
        return self.transact(lambda tx: claim.claim(tx, mine, allowed=allowed))

    def trigger(
        self,
        schedule_id: str = "s",
        *,
        params: Mapping[str, Any] | None = None,
        key: str | None = None,
        by: str | None = None,
        app: str | None = None,
    ) -> Firing:
        wanted = Request(params or {}, key, by)
        return self.transact(
            lambda tx: request.trigger(
                tx, app or self.app, schedule_id, wanted, lambda jobs, values: None
            )
        )

    def enqueue(
        self,
        job: str = "a",
        *,
        params: Mapping[str, Any] | None = None,
        run_at: datetime | None = None,
        key: str | None = None,
        by: str | None = None,
        app: str | None = None,
    ) -> Firing:
        wanted = Request(params or {}, key, by)
        return self.transact(lambda tx: request.enqueue(tx, app or self.app, job, wanted, run_at))

    def fire_due(self, worker_id: str, schedule_id: str = "s", **claimer: Any) -> Claimed:
        """Move to the schedule's next occurrence, fire it, and claim it; it must be claimed."""
        due_at = self.schedule(schedule_id).next_run_at
        assert due_at is not None
        self.clock.move_to(max(due_at, self.now))
        (claimed,) = self.fire(worker_id, **claimer).claimed
        return claimed

    def write(self, batch: Batch) -> Recorded:
        return record.write(self.database, batch)

    def finish(
        self, claimed: Claimed, status: JobRunStatus = JobRunStatus.SUCCESS, **details: Any
    ) -> Recorded:
        """End every running job run of a firing so, and the firing with it."""
        return self.write(self.ending(claimed, status, **details))

    def ending(
        self, claimed: Claimed, status: JobRunStatus = JobRunStatus.SUCCESS, **details: Any
    ) -> Batch:
        """What its worker writes when all jobs of the firing end so."""
        firing = claimed.firing
        ends = [
            RunEnd(run.id, firing.id, status, self.now, was=run.status, **details)
            for run in claimed.runs
        ]
        end = ending([status])
        assert end is not None
        return Batch(firing.claimed_by or "", ends=ends, firing_ends=[FiringEnd(firing, end)])

    def recover(self, worker_id: str) -> Recovered | None:
        return self.transact(lambda tx: recover.recover(tx, worker_id))

    # Faults

    def before(self, words: str, act: Callable[[Any], object]) -> AbstractContextManager[None]:
        return before(self.database, words, act)

    def statements(self) -> AbstractContextManager[list[str]]:
        return statements(self.database)

    # Looking

    def everything(self) -> dict[str, list[Mapping[str, Any]]]:
        """Every row of every table."""
        return {name: self.rows(name) for name in self.database.tables.metadata.tables}

    def schedule(self, schedule_id: str = "s", app: str | None = None) -> ScheduleState:
        return self.query(lambda tx: schedules.state(tx, app or self.app, schedule_id))

    def firings(self, schedule_id: str | None = None, app: str | None = None) -> list[Firing]:
        """Oldest first, each with its job runs."""
        found = self.query(
            lambda tx: history.listed(tx, app or self.app, schedule_id=schedule_id, limit=10_000)
        )
        return found[::-1]

    def firing(self, firing_id: int) -> Firing:
        return self.query(lambda tx: history.firing(tx, self.app, firing_id))

    def run(self, run_id: int) -> JobRun:
        (found,) = [run for one in self.firings() for run in one.runs if run.id == run_id]
        return found

    def rows(self, table: str) -> list[Mapping[str, Any]]:
        """A table as it stands, in order of insertion where it has one."""
        found: sa.Table = getattr(self.database.tables, table)
        selected = sa.select(found).order_by(found.c.id)
        return self.query(lambda tx: list(tx.connection.execute(selected).mappings()))

    def edit(self, table: str, row_id: Any, **values: Any) -> None:
        """What somebody does by hand."""
        found: sa.Table = getattr(self.database.tables, table)
        self.transact(
            lambda tx: tx.connection.execute(
                sa.update(found).where(found.c.id == row_id).values(**values)
            )
        )


@contextmanager
def before(database: Database, words: str, act: Callable[[Any], object]) -> Iterator[None]:
    """Once, before the first statement that begins with these words, `act(cursor)`."""
    waiting = [act]

    def look(_: Any, cursor: Any, statement: str, *__: Any) -> None:
        if waiting and re.match(words, " ".join(statement.split())):
            waiting.pop()(cursor)

    sa.event.listen(database.engine, "before_cursor_execute", look)
    try:
        yield
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", look)
    assert not waiting, f"no statement {words!r} was made"


@contextmanager
def statements(database: Database) -> Iterator[list[str]]:
    """Every statement that is made, each as one line."""
    made: list[str] = []

    def look(_: Any, __: Any, statement: str, *___: Any) -> None:
        made.append(" ".join(statement.split()))

    sa.event.listen(database.engine, "before_cursor_execute", look)
    try:
        yield made
    finally:
        sa.event.remove(database.engine, "before_cursor_execute", look)


class Databases:
    """One database on each backend for the whole run, with its tables."""

    def __init__(self, servers: Any, folder: Path) -> None:
        self._servers = servers
        self._folder = folder
        self._made: dict[str, Database] = {}
        self._taken: list[tuple[str, str]] = []

    def emptied(self, backend: str) -> Database:
        """The database of a backend, without a row; the same object, so that it is warm."""
        if backend not in self._made:
            made = self._made[backend] = Database(self._make(backend))
            made.tables.metadata.create_all(made.engine)
        found = self._made[backend]
        with found.write() as tx:
            for table in found.tables.metadata.sorted_tables:
                tx.connection.execute(sa.delete(table))
        return found

    def close(self) -> None:
        for database in self._made.values():
            database.dispose()
        for backend, name in self._taken:
            getattr(self._servers, backend).give_back(name)

    def _make(self, backend: str) -> str:
        if backend == "sqlite":
            return f"sqlite:///{self._folder / 'jobs.db'}"
        server = getattr(self._servers, backend)
        name = server.take()
        self._taken.append((backend, name))
        url: str = server.url(name)
        return url


@pytest.fixture(scope="session")
def databases(servers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    databases = Databases(servers, tmp_path_factory.mktemp("store"))
    yield databases
    databases.close()


@pytest.fixture
def store(backend: str, databases: Databases) -> Store:
    """An empty database at noon of a Monday, by a clock that the test turns."""
    clock = FakeClock(NOON)
    database = databases.emptied(backend)
    database.clock, database.time = clock, DatabaseTime(clock)
    return Store(database, clock)


@pytest.fixture
def open_database(store: Store) -> Iterator[Callable[[Clock], Database]]:
    """Opens the database of `store` once more, by a clock of its own: another process."""
    opened: list[Database] = []

    def open_one(clock: Clock) -> Database:
        opened.append(Database(store.database.engine, clock=clock))
        return opened[-1]

    yield open_one
    for database in opened:
        database.dispose()
