"""The pass that fires what is due and claims what waits."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from jobsched.daemon.events import emit_failure
from jobsched.daemon.heartbeat import Heart
from jobsched.daemon.locking import ScheduleLocks
from jobsched.daemon.outcomes import say_firing_skipped
from jobsched.daemon.pacing import (
    FRESH,
    GATHER,
    PATIENCE,
    Contention,
    Gathering,
    Shortage,
    Sight,
)
from jobsched.daemon.reports import clipped
from jobsched.daemon.slots import Reservation, Slots
from jobsched.errors import DatabaseError
from jobsched.model import Reason
from jobsched.settings import Settings
from jobsched.store import candidates, claim, due_schedules, fire, schedules
from jobsched.store.candidates import Claimer
from jobsched.store.claim import Claimed, ClaimOutcome
from jobsched.store.database import Database, Transaction
from jobsched.store.fire import FireOutcome
from jobsched.store.peek import Peek, peek

AT_ONCE = timedelta(0)
LEAD = timedelta(milliseconds=25)
"""How long before schedules are due their transaction begins: it ends when they are."""
MARGIN = timedelta(microseconds=250)
"""How exactly the database's time is known; the transaction asks it, too."""
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
        adopt: Callable[[Sequence[Claimed]], None],
        *,
        one_priority: bool,
    ) -> None:
        """`adopt` takes over what was claimed; its running job runs have their slots already.

        With `one_priority` whichever schedule is due first is first, without a look at the others.
        """
        self._database = database
        self._settings = settings
        self._app = app
        self._heart = heart
        self._slots = slots
        self._knows = knows
        self._locks = locks
        self._adopt = adopt
        self._orderly = one_priority and not locks.shared
        self._batch = _BATCH[database.dialect]
        self._sight = Sight()
        self._shortage = Shortage(slots.capacity)
        self._contention = Contention()
        self.on_slots_back: Callable[[], None] = lambda: None
        self.may_wait = False
        """Whether slots become free while it waits: what ends is seen by another thread."""
        self._slots_came = threading.Event()
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

    def look_again(self) -> None:
        """Something has changed since the last look; from any thread."""
        self._sight.spoil()

    def slots_come(self) -> None:
        """Job runs have ended; from any thread."""
        self._slots_came.set()

    @property
    def wants_slots(self) -> bool:
        """Whether the last look left something because every slot was taken."""
        return self._shortage.is_felt

    def _look(self) -> timedelta:
        if self._in_doubt:
            self._adopt_the_unknown()
        if self._shortage.gathers(self._slots.free, self._instant()):
            return GATHER
        seen = self._look_around()
        contended = False
        if seen.due_at is not None and seen.due_at - seen.now <= self._lead(seen):
            if seen.is_waiting and self._orderly and self._slots.free:
                self._claim()  # what waits was due before
            wanted = self._portion(seen)
            self._shortage.is_felt = wanted == 0
            if wanted == 0:
                return self._fire_when_slots_come()
            ahead = seen.due_at if seen.due_at > seen.now else None
            done = self._fire(wanted, ahead)
            self._shortage.note(len(done.claimed))
            if done.decided == wanted:
                self._shortage.is_felt = True  # there may be more
                return AT_ONCE
            seen = self._look_after(seen, done)
            in_vain = not done.decided and (ahead is not None or seen.is_due)
            contended = in_vain or done.decided < done.due
        if seen.is_waiting and self._slots.free:
            contended = self._claim() or contended
        self._shortage.is_felt = seen.is_waiting and not self._slots.free
        self._contention.note(contended)
        return self._delay(seen)

    def _look_around(self) -> Peek:
        """What there is to do: seen anew, unless what was seen before is known to hold."""
        good_for = FRESH if self.wants_slots else self._settings.poll_interval
        seen = self._sight.good(self._instant(), good_for)
        if seen is not None:
            now, lead = self._database.time.now(), self._lead(seen)
            near = lead > AT_ONCE and seen.due_at is not None and seen.due_at - now <= lead
            if self.wants_slots or near:
                return replace(seen, now=now)
        return self._look_anew()

    def _look_anew(self) -> Peek:
        def look() -> Peek:
            return peek(self._database, self._app, self._retry_before())

        return self._sight.look(look, self._instant())

    def _look_after(self, seen: Peek, done: FireOutcome) -> Peek:
        """The same after firing, which tells what follows unless another daemon has some of it."""
        alone = 0 < done.decided == done.due
        if self._lead(seen) and alone and not done.queued:
            now = self._database.time.now()
            return self._sight.correct(replace(seen, now=now, due_at=done.following))
        return self._look_anew()

    def _instant(self) -> float:
        return self._database.clock.monotonic()

    def _lead(self, seen: Peek) -> timedelta:
        """How long before the time to begin: nothing else waits, and a server's clock is asked."""
        server = self._database.now_expression is not None
        return LEAD if server and not seen.is_waiting and self._slots.free else AT_ONCE

    def _portion(self, seen: Peek) -> int:
        """How many of the due schedules to fire now; 0 when a slot may become free in a moment.

        As many as can start at once: what is claimed in the transaction that fires it costs half.
        The others are still due then, for any daemon. Only when every slot stays taken do they
        all become firings that wait.
        """
        free = self._slots.free
        is_new = self._shortage.is_new(free, self._instant())
        if not self._orderly or (seen.is_waiting and not free):
            return self._batch
        if free:
            return min(free, self._batch)
        return 0 if is_new else self._batch

    def _fire_when_slots_come(self) -> timedelta:
        """All are taken, but not for long: what is due next is read and decided meanwhile."""
        server = self._database.now_expression is not None
        if not (server and self.may_wait and self._orderly and self._shortage.is_passing):
            return PATIENCE
        done = self._fire(min(self._slots.capacity, self._batch), None, wait_for_slots=True)
        self._shortage.note(len(done.claimed))
        if done.decided:
            self._contention.note(False)
        return AT_ONCE

    def _delay(self, seen: Peek) -> timedelta:
        """Until the next thing is due; what is held back now is looked at every poll interval."""
        poll = self._settings.poll_interval
        if self._contention.is_there:
            return min(poll, self._contention.delay)
        now = self._database.time.now()
        until = [poll]
        if seen.due_at is not None:
            until.append(seen.due_at - self._lead(seen) - now)
        if seen.waiting_until is not None:
            until.append(seen.waiting_until - now)
        return max(AT_ONCE, min(until))

    def _retry_before(self) -> datetime:
        """Schedules whose problem was found before this are tried again."""
        return self._database.time.now() - self._settings.lock_timeout

    def _fire(
        self, limit: int, ahead: datetime | None, *, wait_for_slots: bool = False
    ) -> FireOutcome:
        """Fire up to `limit` schedules that are due, or will be `ahead`, in a moment."""
        retry_before = self._retry_before()
        until_due = None if ahead is None else partial(self._wait_until, ahead)
        with self._reserved() as slots:
            until_slots = partial(self._more_slots, slots, limit) if wait_for_slots else None
            try:
                outcome = self._database.transact(
                    lambda tx: fire.fire(
                        tx,
                        self._claimer(slots),
                        retry_before=retry_before,
                        limit=limit,
                        claim_at_once=not self._locks.shared,
                        until_due=until_due,
                        until_slots=until_slots,
                    ),
                    at=ahead,
                )
            except DatabaseError:
                raise
            except Exception:  # one row's own fault: the others must go on
                if ahead is None:
                    self._fire_apart(retry_before, slots)
                return FireOutcome()  # or it came to nothing ahead, and is tried when it is due
            self._take_over(outcome, slots)
            return outcome

    @contextmanager
    def _reserved(self) -> Iterator[Reservation]:
        """Every free slot, for a transaction; what else wants one is told when they are back."""
        with self._slots.reserve() as slots:
            yield slots
        self.on_slots_back()

    def _more_slots(self, slots: Reservation, wanted: int) -> tuple[int, datetime]:
        """Wait a moment for as many as are wanted; how many the claim has then, and the time."""
        gathering = Gathering(wanted, self._instant())
        while True:
            self._slots_came.clear()
            left = gathering.left(slots.left + self._slots.free, self._instant())
            if not left:
                break
            self._database.clock.wait(self._slots_came, left)
        self._slots.add(slots, wanted - slots.left)
        return slots.left, self._database.time.now()

    def _wait_until(self, due_at: datetime) -> None:
        left = due_at + MARGIN - self._database.time.now()
        bounded = min(max(AT_ONCE, left), LEAD)  # whatever happens to the clock meanwhile
        self._database.clock.wait(threading.Event(), bounded.total_seconds())

    def _fire_apart(self, retry_before: datetime, slots: Reservation) -> None:
        """Take the due rows one by one; the one that fails gets its problem."""
        ids = self._database.query(
            lambda tx: due_schedules.ids(tx, self._app, retry_before, self._batch)
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
        with self._reserved() as slots:
            outcome = self._claim_with_locks(self._claimer(slots))
            for firing in outcome.too_late:
                say_firing_skipped(firing.schedule_id or "", firing.scheduled_for, Reason.DEADLINE)
            self._hand_over(outcome.claimed, slots)
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
        with self._reserved() as slots:
            claimer = self._claimer(slots)
            with self._lock:  # what the runner had when this looked may be ended by then
                known = set(self._held)
            held = self._database.query(lambda tx: claim.held(tx, claimer))
            with self._lock:
                known |= set(self._held)
            self._hand_over([one for one in held if one.firing.id not in known], slots)
        self._in_doubt = False

    def _claimer(self, slots: Reservation) -> Claimer:
        # Two daemons that reach for the same firings would get in each other's way every time.
        aside = random.randrange(candidates.PAGE) if self._contention.is_there else 0
        return Claimer(self._heart.worker_id, self._app, self._knows, slots.left, aside)

    def _take_over(self, outcome: FireOutcome, slots: Reservation) -> None:
        for skipped in outcome.skipped:
            say_firing_skipped(skipped.schedule_id or "", skipped.scheduled_for, skipped.reason)
        self._hand_over(outcome.claimed, slots)

    def _hand_over(self, claimed: Sequence[Claimed], slots: Reservation) -> None:
        if not claimed:
            return
        slots.used += sum(one.started for one in claimed)
        with self._lock:
            self._held.update(one.firing.id for one in claimed)
        self._adopt(claimed)
