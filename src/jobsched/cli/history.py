"""`history`: what ran, when, and how it ended."""

from collections.abc import Iterator, Sequence

import click

from jobsched import documents, phrases
from jobsched.cli import options, tables
from jobsched.cli.printing import show
from jobsched.cli.target import Target, schedule_ids, suggesting
from jobsched.errors import NotFoundError
from jobsched.model import Firing, FiringStatus, JobRun


@click.command(
    epilog=options.examples(
        "jobsched history",
        "jobsched history feed-refresh -n 50",
        "jobsched history --status FAILED --runs",
        "jobsched history feed-refresh --json | jq '.[0].runs[].error'",
    )
)
@click.argument("schedule_id", required=False, metavar="[ID]")
@options.limit(20, "How many firings.")
@click.option(
    "--status",
    type=click.Choice([status.value for status in FiringStatus], case_sensitive=False),
    help="Only firings that stand so.",
)
@click.option(
    "--before", type=options.ID, metavar="FIRING", help="Only firings older than this one."
)
@click.option("--runs", is_flag=True, help="Show the job runs of each firing too.")
@options.as_json
@click.pass_obj
def history(
    target: Target,
    schedule_id: str | None,
    count: int,
    status: str | None,
    before: int | None,
    runs: bool,
    as_json: bool,
) -> None:
    """List the latest firings.

    Of schedule ID or of the whole app, newest first. With --json each firing comes with its job
    runs.
    """
    scheduler = target.scheduler()
    wanted = None if status is None else FiringStatus(status.upper())
    if schedule_id is not None:
        _refuse_unknown(schedule_id, schedule_ids(scheduler), scheduler.app)
    firings = scheduler.history(schedule_id, limit=count, before=before, status=wanted)
    if as_json:
        show([documents.firing_with_runs(firing) for firing in firings])
    elif firings:
        tables.show(
            ("firing", "of", "for", "trigger", "status", "took", "why"),
            [row for firing in firings for row in _rows(firing, runs, schedule_id is None)],
        )
    else:
        click.echo("No firings.")


def _refuse_unknown(schedule_id: str, known: Sequence[str], app: str) -> None:
    if schedule_id not in known:
        with suggesting(schedule_id, lambda: known):
            raise NotFoundError(
                f"there is no schedule {schedule_id!r} in app {app!r}; `jobsched schedules` lists "
                "them"
            )


def _rows(firing: Firing, runs: bool, name_target: bool) -> Iterator[tuple[str, ...]]:
    yield (
        str(firing.id),
        phrases.target(firing) if name_target or runs else "",
        phrases.moment(firing.scheduled_for.replace(microsecond=0)),
        firing.trigger,
        firing.status,
        phrases.took(firing),
        "" if runs and firing.runs else phrases.why(firing),
    )
    if runs:
        yield from (_run_row(run) for run in firing.runs)


def _run_row(run: JobRun) -> tuple[str, ...]:
    return (
        "",
        f"- {phrases.attempt(run)}",
        phrases.moment(run.started_at and run.started_at.replace(microsecond=0)),
        "",
        run.status,
        phrases.duration(run.duration_ms),
        run.error or run.reason or "",
    )
