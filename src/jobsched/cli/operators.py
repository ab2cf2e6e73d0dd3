"""The operators' verbs: `enable`, `disable`, `trigger`, `cancel` and `retry`."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from jobsched import documents, phrases
from jobsched.cli import options
from jobsched.cli.printing import show
from jobsched.cli.target import Target, schedule_ids, suggesting, warn_without_daemon
from jobsched.errors import JobschedError
from jobsched.model import FiringStatus, JobRunStatus, ScheduleState

if TYPE_CHECKING:
    from jobsched.scheduler import Scheduler

schedules_argument = click.argument("schedule_ids", nargs=-1, required=True, metavar="ID...")
firing_argument = click.argument("firing_id", type=options.ID, metavar="FIRING")


@click.command(
    epilog=options.examples(
        "jobsched enable hourly-matching",
        'jobsched enable feed-refresh hourly-matching --reason "the supplier is back"',
    )
)
@schedules_argument
@options.reason
@options.by
@options.as_json
@click.pass_context
def enable(
    context: click.Context, schedule_ids: Sequence[str], reason: str | None, by: str, as_json: bool
) -> None:
    """Let schedules fire from now on.

    From their next occurrence on. They stay enabled over restarts and deploys. Exit code 1 when
    one of them could not be.
    """
    scheduler = context.obj.scheduler()
    now = scheduler.database.time.now()

    def say(state: ScheduleState) -> str:
        declared = state.declaration
        if not state.in_environment:
            return f"Enabled {declared.id}, but not here: it {phrases.not_here(state)}."
        if state.next_run_at is None:
            return f"Enabled {declared.id}, but it has no occurrence to come."
        coming = phrases.when(state.next_run_at, now, declared.timing.timezone)
        return f"Enabled {declared.id}; next run {coming}."

    _switch(
        context,
        scheduler,
        schedule_ids,
        lambda one: scheduler.enable(one, by=by, reason=reason),
        say,
        as_json,
    )


@click.command(
    epilog=options.examples('jobsched disable feed-refresh --reason "the supplier is down"')
)
@schedules_argument
@options.reason
@options.by
@options.as_json
@click.pass_context
def disable(
    context: click.Context, schedule_ids: Sequence[str], reason: str | None, by: str, as_json: bool
) -> None:
    """Let schedules fire no more.

    They stay disabled until they are enabled again. What runs already goes on. A disabled schedule
    can still be triggered by hand. Exit code 1 when one of them could not be disabled.
    """
    scheduler = context.obj.scheduler()
    _switch(
        context,
        scheduler,
        schedule_ids,
        lambda one: scheduler.disable(one, by=by, reason=reason),
        lambda state: f"Disabled {state.declaration.id}; it stays so until it is enabled.",
        as_json,
    )


@click.command(
    epilog=options.examples(
        "jobsched trigger feed-refresh",
        """jobsched trigger feed-refresh --params '{"limit": 10}' --key deploy-42""",
        "jobsched trigger --job import_feeds",
    )
)
@click.argument("schedule_id", required=False, metavar="[ID]")
@click.option("--job", "job_name", metavar="NAME", help="A single job, instead of a schedule.")
@options.params
@click.option(
    "--key",
    metavar="KEY",
    help="The same key makes the same firing, however often the command is repeated.",
)
@options.by
@options.as_json
@click.pass_obj
def trigger(
    target: Target,
    schedule_id: str | None,
    job_name: str | None,
    params: dict[str, Any] | None,
    key: str | None,
    by: str,
    as_json: bool,
) -> None:
    """Run a schedule or a single job now.

    A daemon takes it up within seconds. The schedule may be disabled; while its overlap policy
    forbids it, the firing waits.
    """
    if (schedule_id is None) == (job_name is None):
        raise click.UsageError("name either a schedule ID or a job with --job NAME")
    scheduler = target.scheduler()
    if schedule_id is not None:
        with suggesting(schedule_id, lambda: schedule_ids(scheduler)):
            firing = scheduler.trigger(schedule_id, params=params, key=key, by=by)
    else:
        job = job_name or ""
        with suggesting(job, lambda: _job_names(scheduler)):
            firing = scheduler.trigger_job(job, params=params, key=key, by=by)
    if as_json:
        show(documents.firing(firing))
        return
    follow = target.command("logs", "--firing", str(firing.id), "--follow")
    click.echo(f"Firing {firing.id} of {phrases.target(firing)} is {firing.status}. See: {follow}")
    warn_without_daemon(scheduler)


@click.command(
    epilog=options.examples(
        'jobsched cancel 1234 --reason "wrong month"', "jobsched cancel 1234 --job import_feeds"
    )
)
@firing_argument
@click.option("--job", metavar="NAME", help="Only this job of the firing.")
@options.reason
@options.by
@options.as_json
@click.pass_obj
def cancel(
    target: Target, firing_id: int, job: str | None, reason: str | None, by: str, as_json: bool
) -> None:
    """Cancel a firing, or one of its jobs.

    What has not started does not start. A job that runs is asked to stop, and does so when it
    looks at `ctx.cancelled`.
    """
    firing = target.scheduler().cancel(firing_id, job=job, reason=reason, by=by)
    if as_json:
        show(documents.firing(firing))
    elif firing.status is FiringStatus.CANCELLED:
        click.echo(f"Firing {firing.id} of {phrases.target(firing)} is CANCELLED.")
    else:
        what = f"Job {job} of firing {firing.id}" if job else f"Firing {firing.id}"
        click.echo(f"{what} is asked to cancel: what runs stops when it looks at `ctx.cancelled`.")


@click.command(epilog=options.examples("jobsched retry 1234"))
@firing_argument
@options.by
@options.as_json
@click.pass_obj
def retry(target: Target, firing_id: int, by: str, as_json: bool) -> None:
    """Try again what failed in a firing.

    What failed, was lost, cancelled or skipped gets a new attempt in the same firing. What
    succeeded is not run again.
    """
    scheduler = target.scheduler()
    firing = scheduler.retry(firing_id, by=by)
    if as_json:
        show(documents.firing(firing))
        return
    again = [
        run.job_name
        for run in scheduler.firing(firing.id).runs
        if run.status is JobRunStatus.QUEUED
    ]
    click.echo(
        f"Firing {firing.id} of {phrases.target(firing)} is {firing.status} again: "
        f"{', '.join(again)}"
    )
    warn_without_daemon(scheduler)


def _switch(
    context: click.Context,
    scheduler: "Scheduler",
    ids: Sequence[str],
    switch: Callable[[str], ScheduleState],
    say: Callable[[ScheduleState], str],
    as_json: bool,
) -> None:
    """Switch one after the other; one that cannot be switched does not hold up the others."""
    switched: list[ScheduleState] = []
    for one in dict.fromkeys(ids):
        try:
            with suggesting(one, lambda: schedule_ids(scheduler)):
                switched.append(switch(one))
        except JobschedError as error:
            if len(ids) == 1:
                raise
            click.echo(f"Error: {phrases.one_line(str(error))}", err=True)
        else:
            if not as_json:
                click.echo(say(switched[-1]))
    if as_json:
        show([documents.schedule(state) for state in switched])
    context.exit(0 if len(switched) == len(dict.fromkeys(ids)) else 1)


def _job_names(scheduler: "Scheduler") -> list[str]:
    return [state.definition.name for state in scheduler.list_jobs()]
