"""`logs`: what a firing's jobs logged, and why they failed."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from jobsched import documents, phrases
from jobsched.cli import options, tables
from jobsched.cli.printing import show_line
from jobsched.cli.target import schedule_ids, suggesting, warn_without_daemon
from jobsched.model import LIVE_FIRINGS, Firing, FiringStatus, JobRun, LogLine

if TYPE_CHECKING:
    from jobsched.scheduler import Scheduler

PAGE = 1000
"""Log lines read at once."""
POLL_S = 0.5
"""How long `--follow` waits between two reads."""

Said = tuple[LogLine, JobRun | None]
"""A log line, and the job run that said it where that is known."""


@click.command(
    epilog=options.examples(
        "jobsched logs feed-refresh",
        "jobsched logs feed-refresh --follow",
        "jobsched logs --firing 1234 -n 100",
        "jobsched logs --run 5678 --json | jq -r .message",
    )
)
@click.argument("schedule_id", required=False, metavar="[ID]")
@click.option(
    "--firing", "firing_id", type=options.ID, metavar="N", help="The logs of this firing."
)
@click.option(
    "--run", "run_id", type=options.ID, metavar="N", help="The logs of this job run alone."
)
@click.option("-f", "--follow", is_flag=True, help="Go on until the firing has ended.")
@click.option(
    "-n",
    "--limit",
    "count",
    type=click.IntRange(min=0),
    metavar="N",
    help="Only the last N lines of what is there; every line without it.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON Lines, one object for each log line."
)
@click.pass_context
def logs(
    context: click.Context,
    schedule_id: str | None,
    firing_id: int | None,
    run_id: int | None,
    follow: bool,
    count: int | None,
    as_json: bool,
) -> None:
    """Show what jobs logged, and why they failed.

    Of the latest firing of schedule ID, of --firing N, or of --run N alone. The latest firing is
    the last one that was not skipped; `jobsched history` lists the ids of earlier ones. Job runs
    that failed show their traceback at the end. With --follow the exit code is 0 when the firing
    ends with SUCCESS, 1 otherwise; --json prints JSON Lines and no traceback.
    """
    _refuse_unclear(schedule_id, firing_id, run_id, follow)
    scheduler = context.obj.scheduler()
    if run_id is not None:
        _print_run(scheduler, run_id, count, as_json)
        return
    if schedule_id is not None:
        firing_id = _latest(scheduler, schedule_id)
    if firing_id is None:
        click.echo(f"Schedule {schedule_id} has not run yet.", err=True)
        return
    tail = Tail(scheduler, firing_id)
    _print_firing(tail, follow, count, as_json)
    if follow and tail.firing.status is not FiringStatus.SUCCESS:
        context.exit(1)


def _refuse_unclear(
    schedule_id: str | None, firing_id: int | None, run_id: int | None, follow: bool
) -> None:
    if sum(one is not None for one in (schedule_id, firing_id, run_id)) != 1:
        raise click.UsageError("name one of: a schedule ID, --firing N, --run N")
    if follow and run_id is not None:
        raise click.UsageError("--follow waits for the end of a firing: name it, not a job run")


def _print_firing(tail: "Tail", follow: bool, count: int | None, as_json: bool) -> None:
    if not as_json:
        click.echo(_title(tail.firing), err=True)
    _print(_last(tail.read(), count), as_json)
    if follow and tail.firing.status in LIVE_FIRINGS:
        _follow(tail, as_json)
        if not as_json:
            click.echo(_title(tail.firing), err=True)
    if not as_json:
        _print_failures(tail.firing)


@dataclass
class Tail:
    """The log lines of a firing, read from where the last reading stopped."""

    scheduler: "Scheduler"
    firing_id: int
    firing: Firing = field(init=False)
    _after: int = 0

    def __post_init__(self) -> None:
        """Read the firing once; raises NotFoundError."""
        self.firing = self.scheduler.firing(self.firing_id)

    def read(self) -> Iterator[Said]:
        """The lines that were written since the last reading."""
        # The firing first: when it has ended here, no line can follow those read below.
        self.firing = self.scheduler.firing(self.firing_id)
        runs = {run.id: run for run in self.firing.runs}
        for line in _pages(
            lambda after: self.scheduler.logs(firing_id=self.firing_id, after=after, limit=PAGE),
            self._after,
        ):
            self._after = line.id
            if line.job_run_id not in runs:  # it has started since
                runs = {run.id: run for run in self.scheduler.firing(self.firing_id).runs}
            yield line, runs.get(line.job_run_id)


def _follow(tail: Tail, as_json: bool) -> None:
    if tail.firing.status is FiringStatus.QUEUED:
        warn_without_daemon(tail.scheduler)
    clock, never = tail.scheduler.database.clock, threading.Event()
    while tail.firing.status in LIVE_FIRINGS:
        clock.wait(never, POLL_S)
        _print(tail.read(), as_json)


def _print_run(scheduler: "Scheduler", run_id: int, count: int | None, as_json: bool) -> None:
    run = scheduler.job_run(run_id)
    lines = _pages(lambda after: scheduler.logs(run_id=run_id, after=after, limit=PAGE), 0)
    _print(_last(((line, run) for line in lines), count), as_json)


def _pages(read: Callable[[int], list[LogLine]], after: int) -> Iterator[LogLine]:
    """Every line after `after`, a page at a time."""
    while page := read(after):
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1].id


def _last(lines: Iterable[Said], count: int | None) -> Iterable[Said]:
    """The last `count` of the lines, or all of them."""
    return lines if count is None else deque(lines, count)


def _latest(scheduler: "Scheduler", schedule_id: str) -> int | None:
    """The id of the schedule's last firing that was not skipped."""
    with suggesting(schedule_id, lambda: schedule_ids(scheduler)):
        before = None
        while page := scheduler.history(schedule_id, limit=100, before=before):
            for firing in page:
                if firing.status is not FiringStatus.SKIPPED:
                    return firing.id
            before = page[-1].id
    return None


def _print(lines: Iterable[Said], as_json: bool) -> None:
    for line, run in lines:
        if as_json:
            show_line(documents.log_line(line, run))
        else:
            who = f"{phrases.attempt(run)}: " if run else ""
            click.echo(
                f"{phrases.instant(line.created_at)} {line.level:<7} {who}"
                f"{phrases.harmless(line.message)}"
            )


def _print_failures(firing: Firing) -> None:
    for run in phrases.failed_runs(firing):
        click.echo(f"\n{phrases.attempt(run)} {tables.styled(run.status)}, job run {run.id}:")
        click.echo(phrases.harmless(run.traceback or phrases.failure(run)).rstrip())


def _title(firing: Firing) -> str:
    why = f" ({phrases.one_line(reason)})" if (reason := phrases.why(firing)) else ""
    return (
        f"Firing {firing.id} of {phrases.target(firing)}, {firing.trigger} for "
        f"{phrases.moment(firing.scheduled_for.replace(microsecond=0))}: {firing.status}{why}"
    )
