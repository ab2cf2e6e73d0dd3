"""What operators and the app itself want to know: it needs the database, not the host's code."""

from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import TypeVar

from jobsched.arguments import checked_number, checked_status, checked_time
from jobsched.durations import Duration, parse_duration
from jobsched.errors import DeclarationError
from jobsched.fixed import fixed
from jobsched.model import (
    Firing,
    FiringStatus,
    Health,
    JobRun,
    JobState,
    LogLine,
    ScheduleState,
    Status,
    Worker,
    WorkerStatus,
)
from jobsched.occurrences import upcoming
from jobsched.planning.facts import Facts
from jobsched.planning.health import assess
from jobsched.settings import Settings
from jobsched.store import definitions, history, overview, schedules, schema, workers
from jobsched.store.database import Database, Transaction

T = TypeVar("T")
_CHECK_EVERY_S = 60
"""How often the version of the tables is looked at again, in seconds."""
_RUNNING_TOLD = 20
"""How many of the firings that run `status` tells one by one."""


@fixed
class Overview:
    """What is wrong, and the facts that say so."""

    facts: Facts
    health: Health

    @property
    def queued(self) -> int:
        """How many firings wait for a worker."""
        return self.facts.queued

    @property
    def running(self) -> int:
        """How many firings run."""
        return self.facts.in_progress

    @property
    def waiting(self) -> int:
        """How many firings wait for a retry."""
        return self.facts.retrying


class Reading:
    """The verbs that change nothing."""

    app: str
    database: Database
    settings: Settings

    def read(self, work: Callable[[Transaction], T]) -> T:
        """What `work` finds in one reading transaction, once the tables are known to be there.

        It must not write. Raises DatabaseError and SchemaError.
        """
        self._need_tables()
        return self.database.query(work)

    def history(
        self,
        id: str | None = None,
        *,
        limit: int = 20,
        before: int | None = None,
        status: FiringStatus | str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[Firing]:
        """Firings with their job runs, newest first, of one schedule or of all.

        `before` is a firing id: the page goes on with older ones. Those made (`created_at`) from
        `since` on and before `until`, both aware. Raises NotFoundError for an unknown schedule,
        and DeclarationError for a filter that cannot be.
        """
        wanted = None if status is None else checked_status(status)
        begin = None if since is None else checked_time("since", since)
        end = None if until is None else checked_time("until", until)
        checked_number("limit", limit)
        if before is not None:
            checked_number("before", before)

        def read(tx: Transaction) -> list[Firing]:
            if id is not None:
                schedules.state(tx, self.app, id)
            return history.listed(
                tx,
                self.app,
                schedule_id=id,
                status=wanted,
                since=begin,
                until=end,
                before=before,
                limit=limit,
            )

        return self.read(read)

    def firing(self, firing_id: int) -> Firing:
        """One firing with its job runs; raises NotFoundError."""
        checked_number("firing_id", firing_id)
        return self.read(lambda tx: history.firing(tx, self.app, firing_id))

    def job_run(self, run_id: int) -> JobRun:
        """One attempt of a job; raises NotFoundError."""
        checked_number("run_id", run_id)
        return self.read(lambda tx: history.job_run(tx, self.app, run_id))

    def logs(
        self,
        *,
        firing_id: int | None = None,
        run_id: int | None = None,
        schedule_id: str | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[LogLine]:
        """Log lines in order: of a job run, of a firing, or of a schedule's latest firing.

        `after` is the id of the last line that is known already. Raises NotFoundError.
        """
        checked_number("limit", limit)
        checked_number("after", after, at_least=0)
        for name, one in (("firing_id", firing_id), ("run_id", run_id)):
            if one is not None:
                checked_number(name, one)

        def read(tx: Transaction) -> list[LogLine]:
            if run_id is not None:
                history.job_run(tx, self.app, run_id)
                return history.logs(tx, [run_id], after=after, limit=limit)
            wanted = firing_id
            if wanted is None and schedule_id is not None:
                schedules.state(tx, self.app, schedule_id)
                wanted = history.latest_firing_id(tx, self.app, schedule_id)
            if wanted is None:
                return []
            found = history.firing(tx, self.app, wanted)
            return history.logs(tx, [run.id for run in found.runs], after=after, limit=limit)

        return self.read(read)

    def list_schedules(self, *, retired: bool = False) -> list[ScheduleState]:
        """The app's schedules with their state, by id; on request those that left the code too."""
        return self.read(lambda tx: schedules.states(tx, self.app, retired=retired))

    def list_jobs(self, *, retired: bool = False) -> list[JobState]:
        """The app's mirrored jobs in the order of their declaration."""
        found = self.read(lambda tx: definitions.states(tx, self.app))
        return [one for one in found.values() if retired or one.retired_at is None]

    def list_workers(self, *, ended: bool = False) -> list[Worker]:
        """The app's registered processes, oldest first; on request those that ended too."""
        return self.read(lambda tx: workers.listed(tx, self.app, ended=ended))

    def overview(self, *, max_age: Duration | None = None) -> Overview:
        """Who is alive, what is wrong, and how many there are of what: cheap, however many.

        `max_age` is that of `health`.
        """
        try:
            longest = None if max_age is None else parse_duration(max_age)
        except ValueError as error:
            raise DeclarationError(f"max_age={max_age!r}: {error}") from None
        behind = self.tables_behind()
        facts = self.read(
            lambda tx: overview.facts(
                self.database,
                tx,
                self.app,
                stop_grace=self.settings.shutdown_grace,
                max_age=longest,
                tables_behind=behind,
            )
        )
        return Overview(facts, assess(facts))

    def status(self) -> Status:
        """Who is alive, what is due, what runs, and what is wrong; with every schedule."""
        found = self.overview()
        running: list[Firing] = []
        if found.running:
            running = self.read(lambda tx: history.running_firings(tx, self.app, _RUNNING_TOLD))
        alive = [one for one in found.facts.workers if one.status is not WorkerStatus.LOST]
        return Status(
            app=self.app,
            now=found.facts.now,
            health=found.health,
            workers=tuple(alive),
            schedules=tuple(self.list_schedules()),
            queued=found.queued,
            running=found.running,
            waiting=found.waiting,
            running_firings=tuple(running),
        )

    def health(self, *, max_age: Duration | None = None) -> Health:
        """Whether the daemons do their work, with what to do if not.

        `max_age` (seconds) is how old the youngest heartbeat may be; by default half of the lock
        timeout is a warning and all of it critical.
        """
        return self.overview(max_age=max_age).health

    def next_runs(self, id: str, n: int = 5) -> list[datetime]:
        """The next `n` occurrences of a mirrored schedule, by the database's clock; aware, UTC.

        Whether it is enabled is not asked. Raises NotFoundError.
        """
        wanted = checked_number("n", n, at_least=0)
        state = self.read(lambda tx: schedules.state(tx, self.app, id))
        last, now = state.last_scheduled_for, self.database.time.now()
        after = max(now, last or now)
        return list(islice(upcoming(state.declaration.timing, after), wanted))

    def tables_behind(self) -> tuple[str, str] | None:
        """The version of the tables and the wanted one, when they have become older than wanted.

        Looked at once a minute: they are not older at the first look, but a backup may be.
        """
        self._need_tables()
        now = self.database.clock.monotonic()
        if now - self._checked_at >= _CHECK_EVERY_S:
            self._tables, self._checked_at = schema.check(self.database), now
        state = self._tables
        if state is None or not state.pending:
            return None
        return state.current or "none", state.wanted

    _tables: schema.SchemaState | None = None
    _checked_at = 0.0

    def _need_tables(self) -> None:
        """Raise SchemaError unless the tables are there; asked once."""
        if self._tables is None:
            self._tables = schema.ensure(self.database, auto_migrate=False)
            self._checked_at = self.database.clock.monotonic()
