"""Before a deploy: `check` the declarations, `migrate` the tables; after it: `prune` them."""

import click

from jobsched import documents, phrases
from jobsched.cli import options
from jobsched.cli.printing import show
from jobsched.cli.target import Target
from jobsched.values import LONGEST_RETENTION_DAYS


@click.command(epilog=options.examples("jobsched check myapp.jobs:scheduler"))
@options.app_argument
@options.as_json
@click.pass_context
def check(context: click.Context, app: str | None, as_json: bool) -> None:
    """Look for mistakes in what the app declares.

    Needs no database. Unknown groups, jobs and dependencies, circles, parameters that no job
    takes. Exit code 1 when something is wrong, with one line for each.
    """
    scheduler = context.obj.declared(app)
    problems = scheduler.check()
    if as_json:
        show(documents.problems(problems))
    elif problems:
        for problem in problems:
            click.echo(phrases.one_line(problem))
    else:
        schedules = phrases.counted(len(scheduler.schedules), "schedule")
        jobs = phrases.counted(len(scheduler.registry.jobs), "job")
        click.echo(f"{schedules}, {jobs}: nothing is wrong.")
    context.exit(1 if problems else 0)


@click.command(epilog=options.examples("jobsched migrate", "jobsched migrate --check"))
@click.option(
    "--check", "only_check", is_flag=True, help="Change nothing; exit code 1 when there is work."
)
@click.pass_context
def migrate(context: click.Context, only_check: bool) -> None:
    """Create or upgrade jobsched's tables.

    Daemons do so at their start, unless JOBSCHED_AUTO_MIGRATE=false.
    """
    target: Target = context.obj
    scheduler = target.scheduler(make_file=not only_check)
    if only_check:
        from jobsched.store import schema

        state = schema.check(scheduler.database)
        found = (
            "there are no tables" if state.current is None else f"the tables are {state.current}"
        )
        click.echo(f"{found}, this jobsched is for {state.wanted}")
        context.exit(1 if state.pending or not state.same_major else 0)
    applied = scheduler.migrate()
    click.echo(f"Now at version {applied[-1]}." if applied else "Nothing to do.")


@click.command(epilog=options.examples("jobsched prune --dry-run", "jobsched prune --days 7"))
@click.option("--dry-run", is_flag=True, help="Only count what would be deleted.")
@click.option(
    "--days",
    type=click.IntRange(1, LONGEST_RETENTION_DAYS),
    metavar="N",
    help="Delete what ended more than N days ago, instead of JOBSCHED_RETENTION_DAYS.",
)
@options.as_json
@click.pass_context
def prune(context: click.Context, dry_run: bool, days: int | None, as_json: bool) -> None:
    """Delete old history.

    Ended firings with their job runs and logs, audit rows, and ended workers. Daemons do so by
    themselves, in the background. What is live is never deleted, and nothing that was deleted
    fires again.
    """
    pruned = context.obj.scheduler().prune(days=days, dry_run=dry_run)
    if as_json:
        show(documents.pruned(pruned))
        return
    said = ", ".join(
        phrases.counted(number, what)
        for what, number in (
            ("firing", pruned.firings),
            ("job run", pruned.job_runs),
            ("log line", pruned.log_lines),
            ("audit row", pruned.audit_rows),
            ("worker", pruned.workers),
        )
    )
    click.echo(f"{'Would delete' if dry_run else 'Deleted'} {said}.")
