"""The commands that run jobs in this process: `run` and `exec`."""

import logging
import os
import sys
from contextlib import nullcontext, redirect_stdout
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

import click

from jobsched import documents, phrases
from jobsched.cli import events, options, tables
from jobsched.cli.printing import show
from jobsched.cli.target import Target, warn_without_daemon
from jobsched.model import FiringStatus, JobRunStatus, ScheduleState, SyncReport

if TYPE_CHECKING:
    from jobsched.scheduler import Scheduler

logger = logging.getLogger("jobsched.cli")


@click.command(
    epilog=options.examples(
        "jobsched run myapp.jobs:scheduler",
        "JOBSCHED_ENVIRONMENT=development jobsched run myapp.jobs:scheduler",
        "jobsched run myapp.jobs:scheduler --log-format json | tee -a daemon.jsonl",
    )
)
@options.app_argument
@click.option(
    "--log-format",
    type=click.Choice(events.FORMATS),
    help="How to print events: as text, or as JSON Lines. Without it as text, unless the app "
    "logs to the console itself.",
)
@click.option(
    "--log-level",
    type=click.Choice(events.LEVELS, case_sensitive=False),
    default="info",
    show_default=True,
    help="The least important events to print.",
)
@click.pass_context
def run(context: click.Context, app: str | None, log_format: str | None, log_level: str) -> None:
    """Run the daemon until it is stopped.

    It fires the app's schedules when they are due, and runs their jobs. SIGTERM or Ctrl+C drains
    it: it starts nothing more and waits for what runs, for JOBSCHED_SHUTDOWN_GRACE at most; a
    second one ends it at once. Exit code 0: drained; 1: job runs were left behind. With
    JOBSCHED_ENABLED=false it says so and exits with 0.
    """
    target: Target = context.obj
    scheduler = target.declared(app)
    if not scheduler.settings.enabled:
        click.echo("The daemon is switched off (JOBSCHED_ENABLED=false): nothing runs here.")
        return
    events.show_events(log_level, log_format)
    report = scheduler.sync()
    if log_format == "json":
        _log_schedules(scheduler, report)
    else:
        _show_schedules(scheduler, target, report)
        click.echo()
    if not scheduler.run_forever():
        _leave_threads_behind()


@click.command(
    "exec",
    epilog=options.examples(
        "jobsched --app myapp.jobs:scheduler exec import_feeds",
        """jobsched exec rebuild_index --params '{"limit": 10}'""",
    ),
)
@click.argument("job")
@options.params
@options.by
@options.as_json
@click.pass_context
def exec_(
    context: click.Context, job: str, params: dict[str, Any] | None, by: str, as_json: bool
) -> None:
    """Run one job here and now.

    Its history and logs are kept as those of any other firing. Needs the app (--app, JOBSCHED_APP
    or pyproject.toml), but no daemon. Prints what the job logs. Exit code 0 when it succeeded, 1
    otherwise; when it failed and has retries left, they are a daemon's.
    """
    scheduler = context.obj.declared()
    handler = None if as_json else events.show_job_logs()
    try:
        # What the job prints is no part of the document.
        with redirect_stdout(sys.stderr) if as_json else nullcontext():
            firing = scheduler.exec(job, params=params, by=by)
    finally:
        if handler is not None:
            logging.getLogger().removeHandler(handler)
    if as_json:
        show(documents.firing_with_runs(firing))
    else:
        for run_ in firing.runs:
            if run_.status in (JobRunStatus.FAILED, JobRunStatus.LOST):
                click.echo(phrases.harmless(run_.traceback or phrases.failure(run_)).rstrip())
        how = f"Firing {firing.id} of job {job}: {tables.styled(firing.status)}"
        if firing.status is FiringStatus.WAITING:
            again = phrases.moment(firing.available_at.replace(microsecond=0))
            click.echo(f"{how}: a daemon tries it again, at {again} or later.")
            warn_without_daemon(scheduler)
        else:
            click.echo(f"{how}, took {phrases.took(firing)}")
    context.exit(0 if firing.status is FiringStatus.SUCCESS else 1)


def _show_schedules(scheduler: "Scheduler", target: Target, report: SyncReport) -> None:
    states = scheduler.list_schedules()
    now = scheduler.database.time.now()
    if not states:
        click.echo("The app declares no schedules; firings of its jobs are run.")
        return
    tables.show(
        ("schedule", "due", "state", "next"),
        [
            (
                state.declaration.id,
                phrases.timing(state.declaration.timing),
                phrases.state(state),
                _next(state, scheduler, now),
            )
            for state in states
        ],
    )
    if changes := phrases.changes(report):
        click.echo(f"Since the last sync: {changes}.")
    if disabled := [state.declaration.id for state in states if not state.enabled]:
        click.echo(f"Disabled until you enable them: {target.command('enable', *disabled)}")


def _next(state: ScheduleState, scheduler: "Scheduler", now: datetime) -> str:
    if not state.in_environment:
        return phrases.not_here(state)
    if not state.enabled:
        return phrases.NOTHING
    return phrases.when(state.next_run_at, now, state.declaration.timing.timezone)


def _leave_threads_behind() -> NoReturn:
    """End the process although threads of jobs still run: Python itself would wait for them."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _log_schedules(scheduler: "Scheduler", report: SyncReport) -> None:
    known = [documents.schedule(state) for state in scheduler.list_schedules()]
    logger.info(
        "%s known",
        phrases.counted(len(known), "schedule"),
        extra={"event": "schedules", "fields": {"schedules": known, **asdict(report)}},
    )
