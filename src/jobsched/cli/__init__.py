"""The command line: `jobsched COMMAND`, or `python -m jobsched COMMAND`.

One module for each group of commands. `apps` finds the user's app and `target` opens what a
command works on; `phrases`, `tables` and `documents` turn values into words, rows and JSON.
Exit codes: 0 good, 1 bad news, 2 wrong usage. Rich and the scheduler are imported only by the
commands that need them, so that `--help` answers at once.
"""

import click

from jobsched.cli import options
from jobsched.cli.daemon import exec_, run
from jobsched.cli.health import health, status
from jobsched.cli.history import history
from jobsched.cli.listing import jobs, next_, schedules, workers
from jobsched.cli.logs import logs
from jobsched.cli.operators import cancel, disable, enable, retry, trigger
from jobsched.cli.program import Program
from jobsched.cli.schema import check, migrate, prune
from jobsched.cli.serve import serve
from jobsched.cli.target import Target


@click.group(cls=Program)
@click.option(
    "--app",
    "app",
    metavar="MODULE:ATTRIBUTE",
    help="The app whose scheduler to use, such as myapp.jobs:scheduler; also from JOBSCHED_APP, "
    'or `app = "..."` under [tool.jobsched] in pyproject.toml.',
)
@click.option(
    "--database-url",
    metavar="URL",
    help="The database to look at instead of the app's, or of the settings' without an app. "
    "Not for run, exec and check, which use the app's own.",
)
@click.option(
    "--app-name",
    metavar="NAME",
    help="Which app of a shared database to look at when no APP is loaded; `default` unless the "
    'Scheduler says otherwise by `app="..."`.',
)
@options.version
@click.pass_context
def main(
    context: click.Context, app: str | None, database_url: str | None, app_name: str | None
) -> None:
    """Run an app's schedules, and look at what they do.

    APP is MODULE:ATTRIBUTE, found from the current directory. `run`, `exec` and `check` need it;
    the other commands need only the database.
    """
    context.obj = target = Target(app=app, database_url=database_url, app_name=app_name)
    context.call_on_close(target.close)


for command in (
    run,
    exec_,
    health,
    status,
    schedules,
    next_,
    enable,
    disable,
    trigger,
    history,
    logs,
    cancel,
    retry,
    jobs,
    workers,
    check,
    migrate,
    prune,
    serve,
):
    main.add_command(command)
