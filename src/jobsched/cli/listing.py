"""The commands that list what there is: `schedules`, `jobs`, `workers` and `next`."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click

from jobsched import documents, phrases
from jobsched.cli import options, tables
from jobsched.cli.printing import show
from jobsched.cli.target import Target, schedule_ids, suggesting
from jobsched.errors import NotFoundError
from jobsched.model import JobState, ScheduleState, Worker

if TYPE_CHECKING:
    from jobsched.scheduler import Scheduler

retired_too = click.option("--retired", is_flag=True, help="Also those that have left the code.")


@click.command(epilog=options.examples("jobsched schedules", "jobsched schedules --retired --json"))
@retired_too
@options.as_json
@click.pass_obj
def schedules(target: Target, retired: bool, as_json: bool) -> None:
    """List the schedules and where they stand."""
    scheduler = target.scheduler()
    states = scheduler.list_schedules(retired=retired)
    if as_json:
        show([documents.schedule(state) for state in states])
    elif states:
        now = scheduler.database.time.now()
        tables.show(
            ("schedule", "due", "runs", "state", "next", "last", "ok/failed"),
            [_schedule_row(state, now) for state in states],
        )
        _show_remarks(states)
    else:
        click.echo(f"No schedules in app {scheduler.app}. {_HOW_THEY_COME}")


@click.command(epilog=options.examples("jobsched jobs", "jobsched jobs --json"))
@retired_too
@options.as_json
@click.pass_obj
def jobs(target: Target, retired: bool, as_json: bool) -> None:
    """List the registered jobs."""
    scheduler = target.scheduler()
    states = scheduler.list_jobs(retired=retired)
    if as_json:
        show([documents.job(state) for state in states])
    elif states:
        tables.show(
            ("job", "group", "depends on", "policy", "state", "description"),
            [_job_row(state) for state in states],
        )
    else:
        click.echo(f"No jobs in app {scheduler.app}. {_HOW_THEY_COME}")


@click.command(epilog=options.examples("jobsched workers", "jobsched workers --ended --json"))
@click.option("--ended", is_flag=True, help="Also those that have stopped or were lost.")
@options.as_json
@click.pass_obj
def workers(target: Target, ended: bool, as_json: bool) -> None:
    """List the worker processes."""
    scheduler = target.scheduler()
    registered = scheduler.list_workers(ended=ended)
    now = scheduler.database.time.now()
    if as_json:
        show([documents.worker(one, now) for one in registered])
    elif registered:
        show_workers(registered, now)
    else:
        click.echo(
            f"No worker of app {scheduler.app} is alive; start a daemon with "
            f"`{target.command('run')}`."
        )


@click.command(
    "next",
    epilog=options.examples(
        "jobsched next hourly-matching", "jobsched next hourly-matching -n 20", "jobsched next all"
    ),
)
@click.argument("schedule_id", metavar="ID|all")
@options.limit(5, "How many.")
@options.as_json
@click.pass_obj
def next_(target: Target, schedule_id: str, count: int, as_json: bool) -> None:
    """Show when a schedule is due next.

    Schedule ID, or all enabled ones together with `all`. Of a disabled schedule: the times at
    which it would run.
    """
    scheduler = target.scheduler()
    states = scheduler.list_schedules()
    if schedule_id == "all":
        chosen = [state for state in states if state.enabled and state.in_environment]
    else:
        chosen = [_named(scheduler, states, schedule_id)]
    coming = _coming(scheduler, chosen, count)
    if as_json:
        show(
            [
                documents.occurrence(state.declaration.id, at, state.declaration.timing.timezone)
                for at, state in coming
            ]
        )
        return
    if schedule_id != "all":
        _say_why_not(chosen[0], target)
    if coming:
        _show_occurrences(coming, scheduler.database.time.now())
    else:
        click.echo("No occurrence is to come.")


def show_workers(registered: Sequence[Worker], now: datetime) -> None:
    """The table of workers; heartbeats are judged by `now`, the database's time."""
    tables.show(
        ("host", "pid", "status", "heartbeat", "running", "version", "started", "worker"),
        [
            (
                worker.hostname,
                str(worker.pid),
                worker.status,
                phrases.relative(worker.last_heartbeat_at, now),
                f"{worker.running}/{worker.capacity}",
                worker.version,
                phrases.moment(worker.started_at.replace(microsecond=0)),
                worker.id,
            )
            for worker in registered
        ],
    )


_HOW_THEY_COME = "What an app declares is written down when its daemon starts: `jobsched run APP`."


def _schedule_row(state: ScheduleState, now: datetime) -> tuple[str, ...]:
    declared = state.declaration
    return (
        declared.id,
        phrases.timing(declared.timing),
        phrases.selection(declared),
        phrases.state(state),
        phrases.when(state.next_run_at, now, declared.timing.timezone),
        phrases.last_result(state),
        f"{state.run_count}/{state.failure_count}",
    )


def _show_remarks(states: Sequence[ScheduleState]) -> None:
    """Below the table, where they have room: what stands in a schedule's way."""
    remarks = [(state.declaration.id, phrases.remark(state)) for state in states]
    said = [(schedule_id, remark) for schedule_id, remark in remarks if remark]
    if said:
        click.echo()
    for schedule_id, remark in said:
        click.echo(f"{schedule_id}: {phrases.one_line(remark)}")


def _job_row(state: JobState) -> tuple[str, ...]:
    defined = state.definition
    return (
        defined.name,
        defined.group or phrases.NOTHING,
        ", ".join(defined.depends_on) or phrases.NOTHING,
        phrases.policies(defined),
        "retired" if state.retired_at else "",
        defined.description,
    )


def _named(
    scheduler: "Scheduler", states: Sequence[ScheduleState], schedule_id: str
) -> ScheduleState:
    for state in states:
        if state.declaration.id == schedule_id:
            return state
    with suggesting(schedule_id, lambda: schedule_ids(scheduler)):
        raise NotFoundError(
            f"there is no schedule {schedule_id!r} in app {scheduler.app!r}, or it has left the "
            "code; `jobsched schedules` lists those there are"
        )


def _coming(
    scheduler: "Scheduler", chosen: Sequence[ScheduleState], count: int
) -> list[tuple[datetime, ScheduleState]]:
    found = [
        (at, state) for state in chosen for at in scheduler.next_runs(state.declaration.id, count)
    ]
    return sorted(found, key=lambda pair: (pair[0], pair[1].declaration.id))[:count]


def _say_why_not(state: ScheduleState, target: Target) -> None:
    if not state.enabled:
        click.echo(
            "It is disabled, and would run at these times once it is enabled: "
            f"{target.command('enable', state.declaration.id)}"
        )
    elif not state.in_environment:
        click.echo(f"It does not run here: it {phrases.not_here(state)}.")


def _show_occurrences(coming: Sequence[tuple[datetime, ScheduleState]], now: datetime) -> None:
    tables.show(
        ("schedule", "at", "from now", "in UTC"),
        [
            (
                state.declaration.id,
                phrases.moment(at, state.declaration.timing.timezone),
                phrases.relative(at, now),
                phrases.moment(at, "UTC"),
            )
            for at, state in coming
        ],
    )
