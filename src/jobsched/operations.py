"""What operators and the app itself ask for: it needs the database, not the host's code."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import orm

from jobsched.arguments import (
    checked_key,
    checked_number,
    checked_params,
    checked_reason,
    checked_time,
    checked_who,
)
from jobsched.errors import ConfigurationError, ConflictError, DeclarationError
from jobsched.model import Firing, ScheduleState
from jobsched.reading import Reading
from jobsched.registry import Registry
from jobsched.store import hints, prune, request, steer, switch
from jobsched.store.database import Transaction
from jobsched.store.prune import Pruned
from jobsched.store.request import Request
from jobsched.values import LONGEST_RETENTION_DAYS

T = TypeVar("T")
_TRIES = 3


class Operations(Reading):
    """The operators' verbs of one app on its database; `Scheduler` adds declarations and life.

    Every method may be called from any thread and in any process that has the database. They
    raise DatabaseError when it does not answer, and SchemaError while its tables are missing or
    of another major version.
    """

    registry: Registry

    def enable(self, id: str, *, by: str | None = None, reason: str | None = None) -> ScheduleState:
        """Let a schedule fire, from its next occurrence on; nothing is made up for.

        Raises NotFoundError, and ConflictError for a schedule that has left the code.
        """
        who, why = checked_who(by), checked_reason(reason)
        return self._change(lambda tx: switch.enable(tx, self.app, id, by=who, reason=why))

    def disable(
        self, id: str, *, by: str | None = None, reason: str | None = None
    ) -> ScheduleState:
        """Let a schedule fire no more, whatever is deployed, until it is enabled again.

        What runs goes on. Of one that is disabled already a new `reason` is kept. Raises
        NotFoundError and ConflictError as `enable` does.
        """
        who, why = checked_who(by), checked_reason(reason)
        return self._change(lambda tx: switch.disable(tx, self.app, id, by=who, reason=why))

    def trigger(
        self,
        id: str,
        *,
        params: Mapping[str, Any] | None = None,
        key: str | None = None,
        by: str | None = None,
    ) -> Firing:
        """Fire a schedule now, also a disabled one; the new firing, which a daemon will claim.

        It waits while the schedule's overlap policy forbids it. The same `key` gives the same
        firing. Raises NotFoundError, ParameterError, and ConflictError when a manual firing waits
        already or the schedule has left the code.
        """
        wanted = Request(checked_params(params), checked_key(key), checked_who(by))
        return self._change(
            lambda tx: request.trigger(tx, self.app, id, wanted, self._refuse_values)
        )

    def trigger_job(
        self,
        job: str | Callable[..., Any],
        *,
        params: Mapping[str, Any] | None = None,
        key: str | None = None,
        by: str | None = None,
    ) -> Firing:
        """Run a single job now, for an operator; the new firing, which a daemon will claim.

        `enqueue` is the same for the app itself. The same `key` gives the same firing. Raises
        NotFoundError and ParameterError.
        """
        name = job_name(job)
        wanted = Request(checked_params(params), checked_key(key), checked_who(by))
        self._refuse_values([name], wanted.params)
        return self._change(lambda tx: request.trigger_job(tx, self.app, name, wanted))

    def enqueue(
        self,
        job: str | Callable[..., Any],
        *,
        params: Mapping[str, Any] | None = None,
        run_at: datetime | None = None,
        key: str | None = None,
        session: Any = None,
        by: str | None = None,
    ) -> Firing:
        """Ask for one run of a single job, at `run_at` (aware) or at once; its firing.

        With `session`, an SQLAlchemy Session or Connection of the host's on the same database, it
        is written in the host's transaction: a rollback takes it back. The same `key` gives the
        same firing. Raises NotFoundError, ParameterError, DeclarationError for a naive `run_at`,
        ConfigurationError for a `session` that is none, and ConflictError where another
        transaction has just written the key and this one cannot see it.
        """
        name = job_name(job)
        wanted = Request(checked_params(params), checked_key(key), checked_who(by))
        if run_at is not None:
            run_at = checked_time("run_at", run_at)
        self._refuse_values([name], wanted.params)
        if session is None:
            return self._change(lambda tx: request.enqueue(tx, self.app, name, wanted, run_at))
        tx = self.database.transaction(_connection_of(session))
        firing = _in_savepoint(
            tx, wanted.key, lambda: request.enqueue(tx, self.app, name, wanted, run_at)
        )
        hints.announce(tx)
        return firing

    def cancel(
        self,
        firing_id: int,
        *,
        job: str | None = None,
        reason: str | None = None,
        by: str | None = None,
    ) -> Firing:
        """Cancel a firing, or one of its jobs: at once what waits; what runs is asked to stop.

        Raises NotFoundError, and ConflictError for what has ended.
        """
        who, why = checked_who(by), checked_reason(reason)
        wanted = checked_number("firing_id", firing_id)
        return self._change(
            lambda tx: steer.cancel(tx, self.app, wanted, job=job, by=who, reason=why)
        )

    def retry(self, firing_id: int, *, by: str | None = None) -> Firing:
        """Reopen a FAILED or CANCELLED firing: new attempts of all its jobs that did not succeed.

        Raises NotFoundError, and ConflictError for a firing that is live or succeeded.
        """
        who, wanted = checked_who(by), checked_number("firing_id", firing_id)
        return self._change(lambda tx: steer.retry(tx, self.app, wanted, by=who))

    def prune(self, *, days: int | None = None, dry_run: bool = False) -> Pruned:
        """Delete what ended more than `days` ago (default `JOBSCHED_RETENTION_DAYS`).

        In short transactions, until nothing is left; how many rows of each kind went. With
        `dry_run` they are counted only. Live firings are never touched.
        """
        if days is not None:
            checked_number("days", days, at_most=LONGEST_RETENTION_DAYS)
        self._need_tables()
        length = timedelta(days=self.settings.retention_days if days is None else days)

        def before(tx: Transaction) -> datetime:
            return tx.now - length

        if dry_run:
            return self.read(lambda tx: prune.count(tx, self.app, before(tx)))
        total = Pruned()
        while pruned := self._change(lambda tx: prune.prune(tx, self.app, before(tx))):
            total += pruned
        return total

    # Within

    def _change(self, work: Callable[[Transaction], T]) -> T:
        """Run an operator's verb, and let a daemon in this process see at once what it did."""
        self._need_tables()

        def announced(tx: Transaction) -> T:
            result = work(tx)
            hints.announce(tx)
            return result

        for attempt in range(_TRIES):
            try:
                result = self.database.transact(announced)
                break
            except sa.exc.IntegrityError:  # the same key at the same time: now it can be seen
                if attempt == _TRIES - 1:
                    raise
        self._wake()
        return result

    def _wake(self) -> None:
        """Something has changed: a daemon in this process looks at once."""

    def _refuse_values(self, jobs: Iterable[str], params: Mapping[str, Any]) -> None:
        """Raise ParameterError for values that jobs refuse, as far as their code is here."""
        for name in jobs:
            if name in self.registry.jobs:
                self.registry.get(name).check(params)


def _connection_of(session: Any) -> sa.Connection:
    """The connection of a host's session or its own; ConfigurationError for anything else."""
    if isinstance(session, sa.Connection):
        return session
    if isinstance(session, orm.Session | orm.scoped_session):
        return session.connection()
    asynchronous = hasattr(session, "sync_session") or hasattr(session, "sync_connection")
    hint = (
        "it is asynchronous; write await session.run_sync(lambda sync: scheduler.enqueue(…, "
        "session=sync))"
        if asynchronous
        else "give an SQLAlchemy Session or Connection with the transaction to write in"
    )
    raise ConfigurationError(f"session={type(session).__name__}: {hint}")


def _in_savepoint(tx: Transaction, key: str | None, work: Callable[[], T]) -> T:
    """What `work` returns; once more if another transaction has written the same key meanwhile.

    The host's transaction goes on from before the first try. SQLite has one writer.
    """
    if key is None or tx.statements.dialect == "sqlite":
        return work()
    for _ in range(2):
        with suppress(sa.exc.IntegrityError), tx.connection.begin_nested():
            return work()
    raise ConflictError(
        f"key={key!r}: another transaction has written it, which this one cannot see (its "
        "isolation level shows it the time of its begin): commit or roll back, and ask again"
    )


def job_name(job: str | Callable[..., Any]) -> str:
    """The name of a job that is given by name or as the decorated function."""
    if isinstance(job, str):
        return job
    name = getattr(job, "name", None)
    if isinstance(name, str):
        return name
    raise DeclarationError(f"{job!r} is neither a job's name nor a function decorated with @job")
