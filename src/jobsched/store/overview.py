"""The facts that `status` and `health` are made of, in a handful of statements."""

from datetime import timedelta

from jobsched.model import Firing, FiringStatus, Overlap, ScheduleState
from jobsched.planning.health import Facts, RunningJob
from jobsched.store import definitions, firings, history, schedules, workers
from jobsched.store.database import Database, Transaction


def facts(
    database: Database, app: str, *, stop_grace: timedelta, max_age: timedelta | None = None
) -> tuple[Facts, list[Firing]]:
    """What `health.assess` needs, at the database's time, and the app's live firings."""

    def look(tx: Transaction) -> tuple[Facts, list[Firing]]:
        now = database.measure(tx.connection)
        states = schedules.states(tx, app)
        live = history.live(tx, app)
        found = Facts(
            now=now,
            app=app,
            workers=workers.listed(tx, app),
            schedules=states,
            waiting=_waiting(live, states),
            running=_running(tx, app, live, states),
            skew=database.time.skew,
            stop_grace=stop_grace,
            max_age=max_age,
        )
        return found, live

    return database.query(look)


def _waiting(live: list[Firing], states: list[ScheduleState]) -> list[Firing]:
    """Queued firings that no overlap holds back."""
    limited = {one.declaration.id for one in states if one.declaration.overlap is not Overlap.ALLOW}
    return [
        firing
        for firing in live
        if firing.status is FiringStatus.QUEUED
        and not (
            firing.schedule_id in limited
            and any(
                other.schedule_id == firing.schedule_id and firings.is_ahead(other, firing)
                for other in live
            )
        )
    ]


def _running(
    tx: Transaction, app: str, live: list[Firing], states: list[ScheduleState]
) -> list[RunningJob]:
    running = {f.id: f for f in live if f.status is FiringStatus.RUNNING}
    if not running:
        return []
    jobs = definitions.states(tx, app)
    limits = {one.declaration.id: one.declaration.timeout for one in states}
    found = []
    for run in history.running(tx, list(running)):
        firing = running[run.firing_id]
        own = jobs[run.job_name].definition.timeout if run.job_name in jobs else None
        timeouts = [t for t in (own, limits.get(firing.schedule_id or "")) if t is not None]
        found.append(RunningJob(run, min(timeouts, default=None), firing.cancel_requested_at))
    return found
