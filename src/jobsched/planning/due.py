"""What a due schedule does now: fire, skip, and when it is due next.

A pure function of (declaration, state, now). Misfire is decided first, overlap on what is left.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from jobsched.fixed import fixed
from jobsched.model import Misfire, Overlap, Reason, ScheduleDeclaration
from jobsched.occurrences import next_occurrence
from jobsched.planning.attempts import past_deadline

COUNT_LIMIT = 10_000
"""Missed occurrences are counted exactly up to here; beyond, the count is unknown."""


@fixed
class LiveFiring:
    """An earlier firing of the schedule that has not ended."""

    id: int
    running: bool


@fixed
class Fire:
    """An occurrence that becomes a firing, to start no earlier than `available_at`."""

    scheduled_for: datetime
    available_at: datetime


@fixed
class Skip:
    """An occurrence, or a range of them, that does not run, and why."""

    scheduled_for: datetime
    reason: Reason
    blocked_by: int | None = None
    missed_count: int | None = None
    missed_from: datetime | None = None


@fixed
class Decision:
    """What to write in one transaction for one due schedule."""

    fires: tuple[Fire, ...]
    skips: tuple[Skip, ...]
    last_scheduled_for: datetime
    next_run_at: datetime | None
    cancels: tuple[int, ...] = ()
    """Live firings to cancel first (`overlap="cancel_previous"`)."""


@fixed
class _Due:
    """The occurrences in (last decided, now]: all of them, or the ends of a long range."""

    first: datetime
    latest: datetime
    recent: tuple[datetime, ...]
    count: int | None
    following: datetime | None = None
    """The first occurrence after now, where all of them were walked through."""


def decide(
    declaration: ScheduleDeclaration,
    due_at: datetime,
    now: datetime,
    live: Sequence[LiveFiring] = (),
) -> Decision:
    """Decide the occurrences of `declaration` from `due_at` up to `now`, both inclusive.

    `due_at` is the schedule's `next_run_at`, its first undecided occurrence; `live` are its live
    firings, oldest first. The work done does not grow with the length of an outage.
    """
    due = _occurrences(declaration, due_at, now)
    wanted, skips = _misfires(declaration, due, now)
    timely, too_late = _deadlines(declaration, wanted, now)
    fires, overlaps, cancels = _overlaps(declaration, timely, live)
    return Decision(
        fires=tuple(fires),
        skips=tuple(sorted(skips + too_late + overlaps, key=lambda skip: skip.scheduled_for)),
        last_scheduled_for=due.latest,
        next_run_at=(
            next_occurrence(declaration.timing, now) if due.count is None else due.following
        ),
        cancels=cancels,
    )


def pause(declaration: ScheduleDeclaration, due_at: datetime, now: datetime) -> Skip | None:
    """What was due already when its schedule is disabled: one skip for all of it, or None."""
    if due_at > now:
        return None
    return _range_skip(_occurrences(declaration, due_at, now), Reason.PAUSED)


def first_after(
    declaration: ScheduleDeclaration, now: datetime, last_scheduled_for: datetime | None
) -> datetime | None:
    """The first occurrence after both `now` and the last one decided: nothing is fired again."""
    return next_occurrence(declaration.timing, max(now, last_scheduled_for or now))


def jittered(declaration: ScheduleDeclaration, occurrence: datetime) -> datetime:
    """When a firing of `occurrence` may start: a delay hashed from id and occurrence."""
    if not declaration.jitter:
        return occurrence
    digest = hashlib.blake2b(f"{declaration.id}@{occurrence.isoformat()}".encode(), digest_size=8)
    share = int.from_bytes(digest.digest()) / 2**64
    return occurrence + declaration.jitter * share


_following = lru_cache(maxsize=1024)(next_occurrence)
"""Schedules of one timing, such as all that are due at midnight, ask the same."""


def _occurrences(declaration: ScheduleDeclaration, due_at: datetime, now: datetime) -> _Due:
    timing = declaration.timing
    found = [due_at]
    while len(found) <= COUNT_LIMIT + 1:  # the latest need not be missed
        following = _following(timing, found[-1])
        if following is None or following > now:
            return _Due(due_at, found[-1], tuple(found), len(found), following)
        found.append(following)
    recent = _latest_occurrences(declaration, due_at, now)
    return _Due(due_at, recent[-1], recent, None)


def _latest_occurrences(
    declaration: ScheduleDeclaration, due_at: datetime, now: datetime
) -> tuple[datetime, ...]:
    """The last occurrences from `due_at` up to `now`, found without walking through ages.

    One more than may fire, so that the end of what is missed is known.
    """
    wanted = 1 + (declaration.max_catchup if declaration.misfire is Misfire.RUN_ALL else 1)
    window = timedelta(minutes=1)
    while True:
        cursor = now - min(window, now - due_at)
        found = [due_at] if cursor == due_at else []
        while (following := next_occurrence(declaration.timing, cursor)) and following <= now:
            found.append(following)
            cursor = following
        if len(found) >= wanted or found[:1] == [due_at]:
            return tuple(found[-wanted:])
        window *= 4


def _misfires(
    declaration: ScheduleDeclaration, due: _Due, now: datetime
) -> tuple[list[datetime], list[Skip]]:
    if declaration.misfire is Misfire.RUN_ALL:
        return _catch_up(declaration, due, now)
    in_grace = now - due.latest <= declaration.misfire_grace
    if declaration.misfire is Misfire.RUN_ONCE or in_grace:
        earlier = _before_latest(due)
        return [due.latest], [_range_skip(earlier, Reason.MISSED)] if earlier else []
    return [], [_range_skip(due, Reason.MISSED)]


def _catch_up(
    declaration: ScheduleDeclaration, due: _Due, now: datetime
) -> tuple[list[datetime], list[Skip]]:
    opens = now - max(declaration.catchup_window, declaration.misfire_grace)
    within = [occurrence for occurrence in due.recent if occurrence >= opens]
    wanted = within[-declaration.max_catchup :]
    skips = []
    left = _before(due, wanted[0]) if wanted else due
    if left:
        reason = Reason.CAP if len(wanted) < len(within) else Reason.MISSED
        skips.append(_range_skip(left, reason))
    return wanted, skips


def _deadlines(
    declaration: ScheduleDeclaration, wanted: list[datetime], now: datetime
) -> tuple[list[datetime], list[Skip]]:
    if declaration.start_deadline is None:
        return wanted, []
    late = [at for at in wanted if past_deadline(at, declaration.start_deadline, now)]
    timely = [at for at in wanted if at not in late]
    return timely, [Skip(at, Reason.DEADLINE) for at in late]


def _overlaps(
    declaration: ScheduleDeclaration, wanted: list[datetime], live: Sequence[LiveFiring]
) -> tuple[list[Fire], list[Skip], tuple[int, ...]]:
    fires = [Fire(at, jittered(declaration, at)) for at in wanted]
    overlap = declaration.overlap
    if not wanted or overlap is Overlap.ALLOW or (not live and len(wanted) == 1):
        return fires, [], ()
    if overlap is Overlap.CANCEL_PREVIOUS:
        return fires, [], tuple(firing.id for firing in live)
    if declaration.misfire is Misfire.RUN_ALL:
        room = max(0, declaration.max_catchup - sum(not firing.running for firing in live))
        return fires[:room], _past_the_cap(wanted[room:], live), ()
    if overlap is Overlap.QUEUE:
        waiting = next((firing.id for firing in live if not firing.running), None)
        if waiting is None:
            return fires, [], ()
        return [], [Skip(at, Reason.OVERLAP, waiting) for at in wanted], ()
    return [], [Skip(at, Reason.OVERLAP, live[0].id) for at in wanted], ()


def _past_the_cap(occurrences: list[datetime], live: Sequence[LiveFiring]) -> list[Skip]:
    if not occurrences:
        return []
    blocked_by = live[-1].id if live else None
    count = len(occurrences)
    return [Skip(occurrences[-1], Reason.CAP, blocked_by, count, occurrences[0])]


def _before_latest(due: _Due) -> _Due | None:
    return _before(due, due.latest)


def _before(due: _Due, occurrence: datetime) -> _Due | None:
    if due.first >= occurrence:
        return None
    earlier = tuple(at for at in due.recent if at < occurrence)
    count = len(earlier) if due.count is not None else None
    return _Due(due.first, earlier[-1] if earlier else due.first, earlier, count)


def _range_skip(due: _Due, reason: Reason) -> Skip:
    return Skip(due.latest, reason, missed_count=due.count, missed_from=due.first)
