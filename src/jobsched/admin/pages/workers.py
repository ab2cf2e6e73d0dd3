"""The worker processes: who is alive, and what each executes."""

from datetime import datetime

from jobsched.admin.fields import Fields
from jobsched.admin.pages.firings import pulse_of_all
from jobsched.admin.pages.rendering import render
from jobsched.admin.permissions import Permission
from jobsched.admin.response import Response
from jobsched.admin.routes import Call, Route
from jobsched.fixed import fixed
from jobsched.model import JobRun, Worker, WorkerStatus
from jobsched.store import worker_list
from jobsched.store import workers as stored
from jobsched.store.database import Transaction

ENDED = 50
"""How many of those that ended are shown."""

MOST_RUNS = 20
"""How many job runs are named of one worker."""


@fixed
class Row:
    """A worker with what it executes."""

    worker: Worker
    age: str
    runs: tuple[JobRun, ...] = ()
    more_runs: int = 0


def workers(call: Call) -> Response:
    """Those that are alive, and the last ones that ended."""
    app = call.scheduler.app

    def read(tx: Transaction) -> tuple[list[Row], list[Row], datetime]:
        alive = stored.listed(tx, app, declares=False)
        executing = stored.runs_of(tx, [one.id for one in alive])
        return (
            [_row(one, executing[one.id], tx.now) for one in alive],
            [_row(one, [], tx.now) for one in worker_list.ended(tx, app, limit=ENDED)],
            tx.now,
        )

    alive, ended, now = call.scheduler.read(read)
    return render(
        call,
        "workers.html",
        busy=any(row.runs for row in alive),
        alive=alive,
        ended=ended,
        most_ended=ENDED,
        now=now,
    )


def age_level(one: Worker, now: datetime) -> str:
    """`fresh`, `late` when half of its lock timeout has passed without a heartbeat, then `lost`."""
    age = now - one.last_heartbeat_at
    if one.status is WorkerStatus.LOST or age > one.lock_timeout:
        return "lost"
    return "late" if age > one.lock_timeout / 2 else "fresh"


def _row(one: Worker, runs: list[JobRun], now: datetime) -> Row:
    return Row(one, age_level(one, now), tuple(runs[:MOST_RUNS]), max(0, len(runs) - MOST_RUNS))


ROUTES = (
    Route(
        "GET",
        "/workers",
        workers,
        Permission.READ,
        "Workers",
        query=Fields,
        pulse=pulse_of_all,
    ),
)
