"""Values as the scheduler returns them, and the command line as its users have it."""

import importlib
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from jobsched import Scheduler
from jobsched.cli import apps, main
from jobsched.model import (
    Firing,
    FiringStatus,
    JobRun,
    JobRunStatus,
    ScheduleDeclaration,
    ScheduleState,
    Timing,
    TriggerType,
    Worker,
    WorkerStatus,
    WorkerType,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


@pytest.fixture
def noon() -> datetime:
    return NOON


@pytest.fixture
def schedule() -> ScheduleState:
    """An enabled schedule that is due in an hour."""
    return ScheduleState(
        declaration=ScheduleDeclaration(
            id="hourly-matching",
            timing=Timing(cron="0 * * * *", timezone="Europe/Oslo"),
            name="Matching",
        ),
        app="default",
        enabled=True,
        next_run_at=NOON + timedelta(hours=1),
        last_run_at=NOON,
        last_scheduled_for=NOON,
        run_count=3,
        failure_count=1,
        problem=None,
        locked_by=None,
        retired_at=None,
        version=1,
    )


@pytest.fixture
def job_run() -> JobRun:
    """A job run that succeeded."""
    return JobRun(
        id=21,
        firing_id=7,
        schedule_id="hourly-matching",
        job_name="build_user_traits",
        attempt=1,
        status=JobRunStatus.SUCCESS,
        reason=None,
        scheduled_for=NOON,
        available_at=NOON,
        queued_at=NOON,
        started_at=NOON,
        finished_at=NOON + timedelta(milliseconds=1500),
        duration_ms=1500,
        error=None,
        traceback=None,
        result={"users": 3},
        progress=None,
        worker_id="0f5c",
    )


@pytest.fixture
def firing(job_run: JobRun) -> Firing:
    """A firing that succeeded, with its one job run."""
    return Firing(
        id=7,
        app="default",
        schedule_id="hourly-matching",
        job_name=None,
        scheduled_for=NOON,
        trigger=TriggerType.CRON,
        status=FiringStatus.SUCCESS,
        reason=None,
        blocked_by=None,
        missed_count=None,
        missed_from=None,
        params={},
        available_at=NOON,
        claimed_by=None,
        requested_by=None,
        cancel_requested_at=None,
        created_at=NOON,
        started_at=NOON,
        finished_at=NOON + timedelta(seconds=2),
        runs=(job_run,),
    )


@pytest.fixture
def worker() -> Worker:
    """A daemon whose heart beat ten seconds before noon."""
    return Worker(
        id="0f5c",
        app="default",
        worker_type=WorkerType.SCHEDULE_DAEMON,
        status=WorkerStatus.RUNNING,
        hostname="web-1",
        pid=4711,
        started_at=NOON - timedelta(days=1),
        last_heartbeat_at=NOON - timedelta(seconds=10),
        lock_timeout=timedelta(seconds=60),
        version="0.1.0",
        capacity=10,
        running=2,
    )


SHOP = '''
from pathlib import Path

from jobsched import Registry, Schedule, Scheduler

registry = Registry()


@registry.job(group="feed")
def import_feeds(ctx, limit: int = 3):
    """Import what suppliers sent."""
    ctx.log.info("importing %d feeds", limit)
    return {"imported": limit}


@registry.job(group="feed", depends_on=[import_feeds], retries=2, timeout=600)
async def publish(ctx):
    """Show it to customers."""
    ctx.log.warning("published \\x1b[31mall\\x1b[0m")


@registry.job
def broken(ctx):
    print("a line that the job prints")
    ctx.log.info("about to fail")
    raise ValueError("no such supplier")


scheduler = Scheduler(
    f"sqlite:///{Path(__file__).with_name('jobs.db')}",
    registry=registry,
    schedules=[
        Schedule(id="feed-refresh", cron="*/15 * * * *", group="feed", enabled=True),
        Schedule(id="nightly", cron="0 2 * * *", timezone="Europe/Oslo", jobs=["broken"]),
        Schedule(id="dev-only", every=60, environments=["development"], enabled=True),
    ],
)
'''


class CommandLine:
    """`jobsched ARGUMENT...` in this process, in the current folder."""

    def __call__(self, *arguments: str, code: int = 0) -> Result:
        """What the command printed; any other exit code than `code` fails the test."""
        result = CliRunner().invoke(main, arguments, prog_name="jobsched")
        assert result.exit_code == code, result.output + repr(result.exception)
        return result

    def out(self, *arguments: str, code: int = 0) -> str:
        """What it printed on stdout."""
        return self(*arguments, code=code).stdout

    def error(self, *arguments: str, code: int = 1) -> str:
        """The one line that it printed on stderr; nothing on stdout."""
        result = self(*arguments, code=code)
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        return str(line)

    def json(self, *arguments: str, code: int = 0) -> Any:
        """The JSON document that it printed on stdout."""
        return json.loads(self(*arguments, "--json", code=code).stdout)


@pytest.fixture
def jobsched() -> CommandLine:
    return CommandLine()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder, without settings, whose modules are forgotten afterwards."""
    for variable in [*os.environ]:
        if variable.startswith(("JOBSCHED_", "SCHEDULE_")) or variable == "DATABASE_URL":
            monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    known = set(sys.modules)
    importlib.invalidate_caches()
    yield tmp_path
    for name in set(sys.modules) - known:
        if getattr(sys.modules[name], "__file__", None) is None or is_inside(name, tmp_path):
            del sys.modules[name]


def is_inside(module: str, folder: Path) -> bool:
    return Path(str(sys.modules[module].__file__)).is_relative_to(folder)


@pytest.fixture
def shop(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an app, named by JOBSCHED_APP."""
    (folder / "shop.py").write_text(SHOP, "utf-8")
    monkeypatch.setenv("JOBSCHED_APP", "shop:scheduler")
    return folder


@pytest.fixture
def scheduler(shop: Path) -> Iterator[Scheduler]:
    """The app's scheduler, its declarations written to the database."""
    loaded = apps.load("shop:scheduler")
    loaded.sync()
    yield loaded
    loaded.database.dispose()
