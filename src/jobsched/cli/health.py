"""Whether all is well: `health` for a machine, `status` for people."""

import click

from jobsched import documents, phrases
from jobsched.cli import options, tables
from jobsched.cli.listing import show_workers
from jobsched.cli.printing import show
from jobsched.cli.target import Target
from jobsched.errors import DatabaseError, SchemaError
from jobsched.model import Health, HealthLevel, Status

NEXT_SHOWN = 5
"""How many of the schedules that are due next `status` shows."""


@click.command(
    epilog=options.examples(
        "jobsched health",
        "jobsched health --max-age 30 --json",
        "HEALTHCHECK CMD jobsched health          # in a Dockerfile",
    )
)
@click.option(
    "--max-age",
    type=click.FloatRange(0, 10**9, min_open=True),
    metavar="SECONDS",
    help="The latest heartbeat of a daemon must not be older than this.",
)
@options.as_json
@click.pass_context
def health(context: click.Context, max_age: float | None, as_json: bool) -> None:
    """Say whether the daemons do their work.

    In one line. Exit code 0: a daemon's heartbeat is fresh, and nothing is overdue or stuck
    (`healthy`, or `warning` with what to look at). Exit code 1: it is `critical`, and the line
    says why.
    """
    found = _health(context.obj, max_age)
    if as_json:
        show(documents.health(found))
    else:
        click.echo(f"{tables.styled(found.level)}: {phrases.one_line(found.message)}")
    context.exit(1 if found.level is HealthLevel.CRITICAL else 0)


@click.command(epilog=options.examples("jobsched status", "jobsched status --json"))
@options.as_json
@click.pass_obj
def status(target: Target, as_json: bool) -> None:
    """Show who is alive, what runs and what is due.

    And what is wrong, with what to do about it.
    """
    found = target.scheduler().status()
    if as_json:
        show(documents.status(found))
        return
    click.echo(f"App {found.app} at {phrases.moment(found.now.replace(microsecond=0))}")
    click.echo(f"{tables.styled(found.health.level)}: {phrases.one_line(found.health.message)}")
    click.echo(
        f"Firings: {found.running} running, {found.queued} queued, {found.waiting} waiting for a "
        "retry"
    )
    states = [phrases.state(schedule) for schedule in found.schedules]
    counts = ", ".join(f"{states.count(word)} {word}" for word in dict.fromkeys(states))
    click.echo(f"Schedules: {counts or 'none'}")
    _show_problems(found)
    _show_running(found, target)
    _show_due_next(found)
    if found.workers:
        click.echo()
        show_workers(found.workers, found.now)


def _health(target: Target, max_age: float | None) -> Health:
    try:
        return target.scheduler().health(max_age=max_age)
    except (DatabaseError, SchemaError) as error:
        return Health(HealthLevel.CRITICAL, str(error))


def _show_problems(found: Status) -> None:
    problems = found.health.problems
    if all(one.message == found.health.message for one in problems):
        return  # said already
    click.echo()
    tables.show(
        ("level", "problem", "since"),
        [
            (one.level, one.message, phrases.when(one.since, found.now) if one.since else "")
            for one in problems
        ],
    )


def _show_running(found: Status, target: Target) -> None:
    if not found.running_firings:
        return
    click.echo()
    tables.show(
        ("firing", "runs now", "since", "jobs"),
        [
            (
                str(one.id),
                phrases.target(one),
                phrases.when(one.started_at, found.now),
                phrases.at_work(one),
            )
            for one in found.running_firings
        ],
    )
    more = found.running - len(found.running_firings)
    if more > 0:
        click.echo(f"and {more} more: {target.command('history', '--status', 'RUNNING')}")


def _show_due_next(found: Status) -> None:
    due = [(one.next_run_at, one) for one in found.schedules if one.enabled and one.next_run_at]
    due.sort(key=lambda pair: pair[0])
    if not due:
        return
    click.echo()
    tables.show(
        ("due next", "at", "last"),
        [
            (
                one.declaration.id,
                phrases.when(at, found.now, one.declaration.timing.timezone),
                phrases.last_result(one),
            )
            for at, one in due[:NEXT_SHOWN]
        ],
    )
