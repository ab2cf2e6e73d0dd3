"""A small shop with a real daemon: its jobs do what a test lets them."""

import queue
import threading
from dataclasses import dataclass, field
from datetime import timedelta

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from jobsched import JobContext, Registry, Schedule, Scheduler, Settings
from jobsched.admin import wsgi_app
from jobsched.admin.access import EVERYTHING, Access, Actor
from jobsched.model import ScheduleState
from tests.admin.browser.web import PREFIX, WebServer
from tests.admin.hosts import nothing_here

KARI = Actor("kari", EVERYTHING)
NEVER = "0 0 1 1 *"
"""So seldom that only the tests fire it."""
SOON = Settings(poll_interval=timedelta(milliseconds=200), shutdown_grace=timedelta(seconds=5))
PATIENCE_S = 50.0
"""How long a job waits for its test, which is short of the test's own end."""


def kari(_request: object) -> Actor:
    """Lets everybody in as Kari, who may do everything."""
    return KARI


@dataclass
class Work:
    """What the jobs wait for."""

    lines: "queue.Queue[str | float | None]" = field(default_factory=queue.Queue)
    """What the talker logs; a number is its progress, None lets it end."""
    mended: threading.Event = field(default_factory=threading.Event)
    """Until then the supplier does not answer."""
    gate: threading.Event = field(default_factory=threading.Event)
    """Lets the steady job end."""

    def release(self) -> None:
        """Let everything end."""
        self.lines.put(None)
        self.mended.set()
        self.gate.set()


def registry(work: Work) -> Registry:
    """The shop's jobs."""
    jobs = Registry()
    _add_patient(jobs, work)
    _add_plan(jobs, work)

    @jobs.job(group="greet")
    def greeter(ctx: JobContext, name: str, times: int = 1) -> dict[str, str]:
        """Greet a customer."""
        for _ in range(times):
            ctx.log.info("good day, %s", name)
        return {"greeted": name}

    return jobs


def _add_patient(jobs: Registry, work: Work) -> None:
    @jobs.job(group="talk")
    def talker(ctx: JobContext) -> None:
        """Log each line as a test gives it."""
        while (said := work.lines.get(timeout=PATIENCE_S)) is not None:
            if isinstance(said, float):
                ctx.progress(said, "so far")
            else:
                ctx.log.info("%s", said)

    @jobs.job(group="patience")
    def obliging(ctx: JobContext) -> None:
        """Stop when asked."""
        ctx.log.info("waiting")
        ctx.cancelled.wait(PATIENCE_S)

    @jobs.job(group="steady")
    def steady() -> None:
        """Run until the gate is open."""
        work.gate.wait(PATIENCE_S)


def _add_plan(jobs: Registry, work: Work) -> None:
    @jobs.job(group="plan")
    def fetch(ctx: JobContext) -> None:
        """Fetch what suppliers sent."""
        ctx.log.info("fetched")

    @jobs.job(group="plan", depends_on=[fetch])
    def convert() -> None:
        """Fail until the supplier answers."""
        if not work.mended.is_set():
            raise LookupError("the supplier does not answer")

    @jobs.job(group="plan", depends_on=[convert])
    def publish() -> None:
        """Show it to customers."""


def schedules() -> list[Schedule]:
    """The shop's schedules; none of them fires by itself while a test runs."""
    return [
        Schedule("greeting", cron=NEVER, group="greet", params={"name": "nobody"}, enabled=True),
        Schedule("off", cron="0 3 * * *", group="greet", params={"name": "nobody"}),
        Schedule("patience", cron=NEVER, group="patience", enabled=True),
        Schedule("plan", cron=NEVER, group="plan", timezone="Europe/Oslo", enabled=True),
        Schedule("steady", cron=NEVER, group="steady", overlap="queue", enabled=True),
        Schedule("talk", name="Talk to suppliers", cron=NEVER, group="talk", enabled=True),
    ]


class Shop:
    """The shop on one database: a daemon in threads, and the web process beside it."""

    def __init__(self, url: str, *, access: Access = kari, daemon: bool = True) -> None:
        """With `daemon=False` nothing is declared, and the database is empty."""
        self.work = Work()
        self.web = Scheduler(url, registry=Registry(), settings=SOON)
        """As a web process has it: it knows no job's code."""
        self.daemon = Scheduler(
            url, schedules=schedules(), registry=registry(self.work), settings=SOON
        )
        if daemon:
            self.daemon.start()
        else:
            self.web.migrate()
        self.server = WebServer(
            DispatcherMiddleware(nothing_here, {PREFIX: wsgi_app(self.web, access=access)})
        )

    @property
    def url(self) -> str:
        """The address of the first page."""
        return self.server.url

    def schedule(self, schedule_id: str) -> ScheduleState:
        """One of the schedules, as the database has it."""
        (found,) = [one for one in self.web.list_schedules() if one.declaration.id == schedule_id]
        return found

    def close(self) -> None:
        """End what runs, the daemon and the server."""
        self.work.release()
        self.server.stop()
        assert self.daemon.close(grace=30), "a job did not end"
        self.web.close()
