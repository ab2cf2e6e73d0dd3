"""The pass that fires what is due and claims what waits."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from jobsched.daemon.events import emit_failure
from jobsched.daemon.heartbeat import Heart
from jobsched.daemon.locking import ScheduleLocks
from jobsched.daemon.outcomes import say_firing_skipped
from jobsched.daemon.reports import clipped
from jobsched.daemon.slots import Reservation, Slots
from jobsched.errors import DatabaseError
from jobsched.model import Reason
from jobsched.settings import Settings
from jobsched.store import candidates, claim, fire, schedules
from jobsched.store.candidates import Claimer
from jobsched.store.claim import Claimed, ClaimOutcome
from jobsched.store.database import Database, Transaction
from jobsched.store.fire import FireOutcome
from jobsched.store.peek import Peek, peek

AT_ONCE = timedelta(0)
CONTENDED = timedelta(milliseconds=20)
"""How soon to look again at rows that another daemon held; longer each time it still does."""
LONGEST_CONTENDED = timedelta(seconds=1)
_BATCH = {"sqlite": 500, "postgresql": 500, "mysql": 50, "mariadb": 50}
"""Due schedules in one transaction; large ones deadlock on MySQL and MariaDB."""


class FiringPass:
    """Fires due occurrences of the app and claims firings while slots are free."""

    name = "firing"
    eager = True

    def __init__(
        self,
        database: Database,
        settings: Settings,
        app: str,
        heart: Heart,
        slots: Slots,
        knows: frozenset[str],
        locks: ScheduleLocks,
        adopt: Callable[[Claimed], None],
    ) -> None:
        """`adopt` takes over what was claimed; its running job runs have their slots already."""
        self._database = database
        self._settings = settings
        self._app = app
        self._heart = heart
        self._slots = slots
        self._knows = knows
        self._locks = locks
        self._adopt = adopt
        self._batch = _BATCH[database.dialect]
        self._contended = 0
        self._held: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._in_doubt = False

    def run_once(self) -> timedelta:
        """One look, and the transactions that it asks for; the delay to the next look."""
        if not self._heart.is_fresh():
            return self._settings.heartbeat_interval
        try:
            return self._look()
        except DatabaseError:
            self._in_doubt = True
            raise

    def leave(self, firing_ids: Iterable[int]) -> None:
        """The firings have ended or were handed back, and that is written; from any thread."""
        with self._lock:  # counted: a firing may be claimed again before its leaving gets here
            self._held -= Counter(set(firing_ids))

    def _look(self) -> timedelta:
        if self._in_doubt:
            self._adopt_the_unknown()
        retry_before = self._retry_before()
        seen = peek(self._database, self._app, retry_before)
        if seen.due_at is not None and seen.due_at <= seen.now:
            if self._fire(retry_before) == self._batch:
                return AT_ONCE  # there may be more
            seen = peek(self._database, self._app, retry_before)
        contended = seen.due_at is not None and seen.due_at <= seen.now
        if seen.waiting_since is not None and seen.waiting_since <= seen.now and self._slots.free:
            contended = self._claim() or contended
        self._contended = self._contended + 1 if contended else 0
        return self._delay(seen)

    def _delay(self, seen: Peek) -> timedelta:
        """Until the next thing is due; what is held back now is looked at every poll interval."""
        poll = self._settings.poll_interval
        if self._contended:  # another daemon has the rows, in a transaction that may be frozen
            return min(poll, LONGEST_CONTENDED, CONTENDED * (1 << min(self._contended - 1, 10)))
        times = [at for at in (seen.due_at, seen.waiting_until) if at is not None]
        until = [at - self._database.time.now() for at in times]
        return max(AT_ONCE, min([poll, *until]))

    def _retry_before(self) -> datetime:
        """Schedules whose problem was found before this are tried again."""
        return self._database.time.now() - self._settings.lock_timeout

    def _fire(self, retry_before: datetime) -> int:
        """Fire a batch; how many schedules it decided."""
        with self._slots.reserve() as slots:
            try:
                outcome = self._database.transact(
                    lambda tx: fire.fire(
                        tx,
                        self._claimer(slots),
                        retry_before=retry_before,
                        limit=self._batch,
                        claim_at_once=not self._locks.shared,
                    )
                )
            except DatabaseError:
                raise
            except Exception:  # one row's own fault: the others must go on
                self._fire_apart(retry_before, slots)
                return 0
            self._take_over(outcome, slots)
            return outcome.decided

    def _fire_apart(self, retry_before: datetime, slots: Reservation) -> None:
        """Take the due rows one by one; the one that fails gets its problem."""
        ids = self._database.query(
            lambda tx: fire.due_ids(tx, self._app, retry_before, self._batch)
        )
        for schedule_id in ids:
            try:
                outcome = self._database.transact(partial(self._fire_one, schedule_id, slots))
            except fire.RowsChangedError:
                continue  # another daemon was faster
            except DatabaseError:
                raise
            except Exception as error:
                self._set_problem(schedule_id, error)
            else:
                self._take_over(outcome, slots)

    def _fire_one(self, schedule_id: str, slots: Reservation, tx: Transaction) -> FireOutcome:
        return fire.fire_one(
            tx, self._claimer(slots), schedule_id, claim_at_once=not self._locks.shared
        )

    def _set_problem(self, schedule_id: str, error: Exception) -> None:
        problem = clipped(str(error) or repr(error))
        self._database.transact(lambda tx: schedules.set_problem(tx, schedule_id, problem))
        emit_failure(
            "schedule_stopped",
            f"schedule {schedule_id} does not fire until this is mended: {problem}",
            error,
            schedule_id=schedule_id,
        )

    def _claim(self) -> bool:
        """Claim for the free slots; whether another daemon held some of what it wanted."""
        with self._slots.reserve() as slots:
            outcome = self._claim_with_locks(self._claimer(slots))
            for firing in outcome.too_late:
                say_firing_skipped(firing.schedule_id or "", firing.scheduled_for, Reason.DEADLINE)
            for claimed in outcome.claimed:
                self._hand_over(claimed, slots)
            return outcome.contended

    def _claim_with_locks(self, claimer: Claimer) -> ClaimOutcome:
        """A shared lock is taken before the transaction, given back when that claims nothing."""
        if not self._locks.shared:
            return self._database.transact(lambda tx: claim.claim(tx, claimer))
        wanted = self._database.query(lambda tx: candidates.wanted(tx, claimer))
        held, refused = self._locks.acquire(claimer.worker_id, wanted)
        try:
            outcome = self._database.transact(lambda tx: claim.claim(tx, claimer, allowed=held))
        except Exception:
            self._locks.leave(held)
            raise
        self._locks.leave(held - {claimed.firing.id for claimed in outcome.claimed})
        if refused:
            delay = self._settings.poll_interval
            with suppress(DatabaseError):  # they are looked at again at once, which costs time
                self._database.transact(lambda tx: candidates.postpone(tx, refused, delay))
        return outcome

    def _adopt_the_unknown(self) -> None:
        """A COMMIT whose answer was lost may have claimed: nobody else runs what we hold."""
        with self._slots.reserve() as slots:
            claimer = self._claimer(slots)
            with self._lock:  # what the runner had when this looked may be ended by then
                known = set(self._held)
            for claimed in self._database.query(lambda tx: claim.held(tx, claimer)):
                if claimed.firing.id not in known and not self._held[claimed.firing.id]:
                    self._hand_over(claimed, slots)
        self._in_doubt = False

    def _claimer(self, slots: Reservation) -> Claimer:
        # Two daemons that reach for the same firings would get in each other's way every time.
        aside = random.randrange(candidates.PAGE) if self._contended else 0
        return Claimer(self._heart.worker_id, self._app, self._knows, slots.left, aside)

    def _take_over(self, outcome: FireOutcome, slots: Reservation) -> None:
        for skipped in outcome.skipped:
            say_firing_skipped(skipped.schedule_id or "", skipped.scheduled_for, skipped.reason)
        for claimed in outcome.claimed:
            self._hand_over(claimed, slots)

    def _hand_over(self, claimed: Claimed, slots: Reservation) -> None:
        slots.used += claimed.started
        with self._lock:
            self._held[claimed.firing.id] += 1
        self._adopt(claimed)
