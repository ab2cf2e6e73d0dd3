"""`logs`: what a firing's jobs logged, and why they failed."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from jobsched.cli import documents, options, phrases, tables
from jobsched.cli.target import schedule_ids, suggesting
from jobsched.model import LIVE_FIRINGS, LIVE_RUNS, Firing, FiringStatus, JobRun, LogLine

if TYPE_CHECKING:
    from jobsched.scheduler import Scheduler

PAGE = 1000
"""Log lines read at once."""
POLL_S = 0.5
"""How long `--follow` waits between two reads."""


@click.command(
    epilog=options.examples(
        "jobsched logs feed-refresh",
        "jobsched logs feed-refresh --follow",
        "jobsched logs --firing 1234 -n 100",
        "jobsched logs --run 5678 --json | jq -r .message",
    )
)
@click.argument("schedule_id", required=False, metavar="[ID]")
@click.option("--firing", "firing_id", type=int, metavar="N", help="The logs of this firing.")
@click.option("--run", "run_id", type=int, metavar="N", help="The logs of this job run alone.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the firing has ended.")
@click.option(
    "-n",
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
    ends with SUCCESS, 1 otherwise.
    """
    if sum(one is not None for one in (schedule_id, firing_id, run_id)) != 1:
        raise click.UsageError("name one of: a schedule ID, --firing N, --run N")
    scheduler = context.obj.scheduler()
    if run_id is not None:
        firing_id = scheduler.job_run(run_id).firing_id
    elif schedule_id is not None:
        firing_id = _latest(scheduler, schedule_id)
    if firing_id is None:
        click.echo(f"Schedule {schedule_id} has not run yet.")
        return
    tail = Tail(scheduler, firing_id, run_id)
    if not as_json:
        click.echo(_title(tail.firing, run_id), err=True)
    _print(tail, deque(tail.read(), count) if count is not None else tail.read(), as_json)
    if follow:
        _follow(tail, as_json)
    if not as_json:
        _print_failures(tail)
    if follow and tail.firing.status is not FiringStatus.SUCCESS:
        context.exit(1)


@dataclass
class Tail:
    """The log lines of a firing, or of one of its job runs, read from where it stopped before."""

    scheduler: "Scheduler"
    firing_id: int
    run_id: int | None = None
    firing: Firing = field(init=False)
    _after: int = 0

    def __post_init__(self) -> None:
        """Read the firing once; raises NotFoundError."""
        self.firing = self.scheduler.firing(self.firing_id)

    def read(self) -> Iterator[LogLine]:
        """The lines that were written since the last reading."""
        # The firing first: when it has ended here, no line can follow those read below.
        self.firing = self.scheduler.firing(self.firing_id)
        which = {"firing_id": self.firing_id} if self.run_id is None else {"run_id": self.run_id}
        while page := self.scheduler.logs(**which, after=self._after, limit=PAGE):
            for line in page:
                self._after = line.id
                yield line
            if len(page) < PAGE:
                return

    @property
    def runs(self) -> dict[int, JobRun]:
        """The job runs that are shown, by id."""
        return {run.id: run for run in self.firing.runs if self.run_id in (None, run.id)}

    @property
    def is_live(self) -> bool:
        """Whether more lines may come."""
        if self.run_id is not None:
            return any(run.status in LIVE_RUNS for run in self.runs.values())
        return self.firing.status in LIVE_FIRINGS


def _follow(tail: Tail, as_json: bool) -> None:
    clock, never = tail.scheduler.database.clock, threading.Event()
    while tail.is_live:
        clock.wait(never, POLL_S)
        _print(tail, tail.read(), as_json)


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


def _print(tail: Tail, lines: Iterable[LogLine], as_json: bool) -> None:
    for line in lines:
        run = tail.runs.get(line.job_run_id)
        if as_json:
            documents.show_line(documents.log_line(line, run))
        else:
            who = phrases.attempt(run) if run else f"job run {line.job_run_id}"
            click.echo(
                f"{phrases.instant(line.created_at)} {line.level:<7} {who}: "
                f"{phrases.harmless(line.message)}"
            )


def _print_failures(tail: Tail) -> None:
    for run in phrases.failed_runs(tail.firing):
        if run.id in tail.runs:
            click.echo(f"\n{tables.styled(run.status)} {phrases.attempt(run)}, job run {run.id}")
            click.echo(phrases.harmless(run.traceback or phrases.failure(run)).rstrip())


def _title(firing: Firing, run_id: int | None) -> str:
    which = f"Job run {run_id} of firing" if run_id is not None else "Firing"
    why = f" ({reason})" if (reason := phrases.why(firing)) else ""
    return (
        f"{which} {firing.id} of {phrases.target(firing)}, {firing.trigger} for "
        f"{phrases.moment(firing.scheduled_for)}: {firing.status}{why}"
    )
