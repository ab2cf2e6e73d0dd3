"""What operators and the app itself ask for: it needs the database, not the host's code."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

import sqlalchemy as sa

from jobsched.errors import ConfigurationError, DeclarationError
from jobsched.json_values import parse_params
from jobsched.model import Firing, ScheduleState
from jobsched.reading import Reading
from jobsched.registry import Registry
from jobsched.store import hints, prune, request, steer, switch
from jobsched.store.database import Transaction
from jobsched.store.prune import Pruned
from jobsched.store.request import Request

T = TypeVar("T")
_TRIES = 3
LONGEST_KEY = 90


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
        return self._change(lambda tx: switch.enable(tx, self.app, id, by=by, reason=reason))

    def disable(
        self, id: str, *, by: str | None = None, reason: str | None = None
    ) -> ScheduleState:
        """Let a schedule fire no more, whatever is deployed, until it is enabled again.

        What runs goes on. Of one that is disabled already a new `reason` is kept. Raises
        NotFoundError and ConflictError as `enable` does.
        """
        return self._change(lambda tx: switch.disable(tx, self.app, id, by=by, reason=reason))

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
        wanted = Request(parse_params(params or {}), _checked_key(key), by)
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
        wanted = Request(parse_params(params or {}), _checked_key(key), by)
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
        same firing. Raises NotFoundError, ParameterError, ValueError for a naive `run_at`.
        """
        name = job_name(job)
        wanted = Request(parse_params(params or {}), _checked_key(key), by)
        if run_at is not None and run_at.tzinfo is None:
            raise DeclarationError(
                f"job {name!r}: run_at={run_at!r} is naive; write "
                "datetime(…, tzinfo=ZoneInfo('Europe/Oslo'))"
            )
        self._refuse_values([name], wanted.params)
        if session is None:
            return self._change(lambda tx: request.enqueue(tx, self.app, name, wanted, run_at))
        connection = session if isinstance(session, sa.Connection) else session.connection()
        tx = self.database.transaction(connection)
        firing = request.enqueue(tx, self.app, name, wanted, run_at)
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
        return self._change(
            lambda tx: steer.cancel(tx, self.app, firing_id, job=job, by=by, reason=reason)
        )

    def retry(self, firing_id: int, *, by: str | None = None) -> Firing:
        """Reopen a FAILED or CANCELLED firing: new attempts of all its jobs that did not succeed.

        Raises NotFoundError, and ConflictError for a firing that is live or succeeded.
        """
        return self._change(lambda tx: steer.retry(tx, self.app, firing_id, by=by))

    def prune(self, *, days: int | None = None, dry_run: bool = False) -> Pruned:
        """Delete what ended more than `days` ago (default `JOBSCHED_RETENTION_DAYS`).

        In short transactions, until nothing is left; how many rows of each kind went. With
        `dry_run` they are counted only. Live firings are never touched.
        """
        if days is not None and days < 1:
            raise ConfigurationError(f"days={days}: must be 1 or more")
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


def _checked_key(key: str | None) -> str | None:
    if key is not None and not 0 < len(key) <= LONGEST_KEY:
        raise DeclarationError(f"key={key!r}: must be text of 1 to {LONGEST_KEY} characters")
    return key


def job_name(job: str | Callable[..., Any]) -> str:
    """The name of a job that is given by name or as the decorated function."""
    if isinstance(job, str):
        return job
    name = getattr(job, "name", None)
    if isinstance(name, str):
        return name
    raise DeclarationError(f"{job!r} is neither a job's name nor a function decorated with @job")
