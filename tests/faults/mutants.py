"""Daemons broken on purpose: each lacks one of the guards, and the checkers must say so.

Applied in the host process, before the daemon starts; each is named after what it lacks.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from jobsched.daemon import locking
from jobsched.daemon.daemon import Daemon
from jobsched.daemon.recovery import RecoveryPass
from jobsched.failpoints import failpoint
from jobsched.model import Firing
from jobsched.store import claim, fire, firings, record, run_ends
from jobsched.store.batch import Batch, RunEnd
from jobsched.store.database import Database, Transaction


@dataclass(frozen=True)
class Proof:
    """How a mutant shows itself."""

    family: str
    """The faults that bring it out."""
    rules: frozenset[str]
    """The rules of the checkers of which it breaks at least one."""


MUTANTS = {
    "no-fencing": Proof("long-freeze", frozenset({"fencing", "transition"})),
    "two-transactions": Proof("fire-kills", frozenset({"missing"})),
    "claim-by-state": Proof("kill", frozenset({"twice", "transition", "overlap"})),
    "host-clock": Proof("clock", frozenset({"early"})),
    "no-recovery": Proof("kill", frozenset({"hanging"})),
    "heart-stops-at-drain": Proof("drain", frozenset({"alive"})),
    "lock-fails-open": Proof("redis", frozenset({"unlocked"})),
}
"""Each guard that a daemon may lack, and what tells."""


def apply(name: str) -> None:
    """Break this process."""
    _BREAKS[name]()


def _no_fencing() -> None:
    """Results are written whoever holds the firing, whatever the job run has become."""

    def all_are_mine(tx: Transaction, batch: Batch) -> tuple[set[int], bool]:
        return batch.firing_ids(), True

    def end_anyway(tx: Transaction, batch_ends: Sequence[RunEnd]) -> None:
        table = tx.tables.job_run
        for end in batch_ends:
            update = table.update().where(table.c.id == end.run_id)
            tx.connection.execute(update.values(status=end.was.value))
        run_ends.write(tx, batch_ends)

    record._lock_mine = all_are_mine
    record.run_ends = _With(run_ends, write=end_anyway)


def _two_transactions() -> None:
    """Schedules move on in one transaction, their firings are inserted in the next."""
    move_on, insert = fire._move_on, firings.insert
    kept: list[firings.NewFiring] = []

    def keep(
        tx: Transaction, new: Sequence[firings.NewFiring], wanted: Sequence[str]
    ) -> dict[str, Firing]:
        kept[:] = new
        return {}

    def move_on_first(tx: Transaction, due: Any, *more: Any) -> None:
        move_on(tx, due, *more)
        tx.connection.exec_driver_sql("COMMIT")
        failpoint("fire.inserted")
        insert(tx, kept)

    fire.firings = _With(firings, insert_keyed=keep)
    fire._choose = lambda *_: {}
    fire._move_on = move_on_first


def _claim_by_state() -> None:
    """What was seen waiting is taken: no row lock, no version."""
    claim._lock_firings = lambda tx, found: list(found)
    claim._lock_schedules = lambda tx, found: [one for one in found if one.limited]


def _host_clock() -> None:
    """Each host goes by its own clock."""
    Database.now_expression = property(lambda self: None)


def _no_recovery() -> None:
    """Nobody looks after the dead."""
    RecoveryPass.run_once = lambda self: timedelta(seconds=1)


def _heart_stops_at_drain() -> None:
    """Who drains beats no more."""
    drain = Daemon.drain

    def drain_silently(self: Daemon) -> None:
        self._stop_beating.set()
        drain(self)

    Daemon.drain = drain_silently


def _lock_fails_open() -> None:
    """A lock server that is away is taken for one that gives the lock."""

    def acquire(
        self: locking.ScheduleLocks, worker_id: str, wanted: Collection[Any]
    ) -> tuple[set[int], dict[int, str]]:
        held, refused = given(self, worker_id, wanted)
        down = {firing_id for firing_id, why in refused.items() if "failed" in why}
        return held | down, {one: why for one, why in refused.items() if one not in down}

    given = locking.ScheduleLocks.acquire
    locking.ScheduleLocks.acquire = acquire


class _With:
    """A module with some of its functions replaced."""

    def __init__(self, module: Any, **replaced: Any) -> None:
        self._module = module
        self.__dict__.update(replaced)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


_BREAKS: dict[str, Callable[[], None]] = {
    "no-fencing": _no_fencing,
    "two-transactions": _two_transactions,
    "claim-by-state": _claim_by_state,
    "host-clock": _host_clock,
    "no-recovery": _no_recovery,
    "heart-stops-at-drain": _heart_stops_at_drain,
    "lock-fails-open": _lock_fails_open,
}
assert set(_BREAKS) == set(MUTANTS)
