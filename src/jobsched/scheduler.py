"""The face: declarations, store and daemon as one object that a host makes and keeps."""

import asyncio
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from datetime import timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Self

import sqlalchemy as sa

from jobsched import phrases, soundness
from jobsched.arguments import checked_params, checked_who
from jobsched.clock import Clock, SystemClock
from jobsched.daemon import interpreter, stopping
from jobsched.daemon.calling import Around
from jobsched.daemon.daemon import Daemon, Parts
from jobsched.daemon.events import emit
from jobsched.daemon.exec import execute_here
from jobsched.daemon.launch import Launcher
from jobsched.declarations import Declarations, Schedule
from jobsched.durations import Duration, parse_duration
from jobsched.errors import ConfigurationError, DeclarationError
from jobsched.executors import JobExecutor, ThreadExecutor
from jobsched.locks import DatabaseLock, LockBackend
from jobsched.model import Firing, SyncReport
from jobsched.operations import Operations, job_name
from jobsched.registry import Job, Registry, default_registry
from jobsched.settings import Settings, unknown_variables
from jobsched.store import request, schema, sync
from jobsched.store.database import Database


class Scheduler(Operations):
    """The schedules of one app, on one database.

    Making it opens no connection and starts no thread. The operators' verbs of `Operations` work
    in any process that has the database; `start()` or `run_forever()` makes this one a daemon.
    """

    def __init__(
        self,
        engine: sa.Engine | sa.URL | str | None = None,
        *,
        schedules: Sequence[Schedule] = (),
        registry: Registry | None = None,
        settings: Settings | None = None,
        lock: LockBackend | None = None,
        executor: JobExecutor | Mapping[str, JobExecutor] | None = None,
        around: Around | None = None,
        clock: Clock | None = None,
        app: str = "default",
    ) -> None:
        """`engine` is an Engine, a URL, or None for the settings' URL; ours is a sibling of it.

        `registry` holds the jobs (default: those of `@job`). `executor` runs sync jobs: one for
        all, or several by the names that jobs give as `executor=`, with "default" for the rest; a
        ProcessExecutor runs async jobs, too.
        `around` makes a context manager that is entered around every job run (`app.app_context`);
        it may take the `JobContext`. Several apps share a database under different `app` names.

        Raises ConfigurationError for an engine, setting, lock or executor that cannot be used,
        and DeclarationError for two schedules of one id.
        """
        self.settings = settings if settings is not None else Settings()
        self.app = soundness.checked_app(app)
        self.registry = registry if registry is not None else default_registry
        self.schedules = soundness.checked_schedules(schedules)
        self._clock = clock if clock is not None else SystemClock()
        self.database = Database(
            engine if engine is not None else self.settings.database_url,
            prefix=self.settings.table_prefix,
            clock=self._clock,
        )
        self.lock = lock if lock is not None else DatabaseLock()
        self._executors = executor
        self._own_executor: ThreadExecutor | None = None
        self._around = around
        self._starting = threading.Lock()
        self._daemon: Daemon | None = None
        self._pid = os.getpid()
        self._inline: Daemon | None = None
        soundness.refuse_what_cannot_be_used(self.lock, self._executors, around)
        soundness.refuse_duplicates(self.schedules)

    def __repr__(self) -> str:
        url = self.database.engine.url.render_as_string(hide_password=True)
        return f"<Scheduler app={self.app!r} database={url!r} schedules={len(self.schedules)}>"

    # Life

    @property
    def running(self) -> bool:
        """Whether this process runs the daemon of this scheduler."""
        return self._live_daemon() is not None

    def run_forever(self, *, install_signals: bool = True) -> bool:
        """Run the daemon until SIGTERM or SIGINT; whether every job run has ended by itself.

        The first signal drains within `JOBSCHED_SHUTDOWN_GRACE`, a second one stops at once. What
        still runs then is written down as LOST, reason shutdown, and False is returned; Python
        waits for threads that are left when it exits. What is loaded by now is left out of garbage
        collections (`gc.freeze`), and threads switch more often (`sys.setswitchinterval`): a
        firing waits for neither. With `JOBSCHED_ENABLED=false` it returns True at once.
        """
        stop = stopping.StopRequest()
        # Before the start: a registered daemon is never killed by a signal that it could obey.
        with stopping.signals(stop) if install_signals else nullcontext():
            self.start()
            daemon = self._live_daemon()
            return True if daemon is None else self._run_until_asked(daemon, stop)

    def start(self) -> None:
        """Start the daemon in background threads of this process; nothing when it runs already.

        While an earlier `stop()` has not succeeded yet it cannot be started.
        Creates or upgrades the tables (unless `JOBSCHED_AUTO_MIGRATE=false`), registers this
        process and mirrors the declarations. With `JOBSCHED_ENABLED=false` it only says so.
        Raises DeclarationError, ConfigurationError, SchemaError or DatabaseError.
        """
        self._leave_to_the_parent()
        with self._starting:
            daemon = self._live_daemon()
            if daemon is not None:
                if daemon.is_draining():
                    raise ConfigurationError(
                        "the daemon is still stopping: a job's thread runs on; call stop() until "
                        "it returns True, then start()"
                    )
                return
            if not self.settings.enabled:
                emit("daemon_disabled", "JOBSCHED_ENABLED is false: no daemon is started")
                return
            daemon = self._registered(inline=False)
            daemon.start()
            self._daemon = daemon

    def stop(self, grace: Duration | None = None) -> bool:
        """Drain and stop the daemon; True when everything it ran has ended.

        Nothing new is claimed, what has not started is handed back, and running jobs get `grace`
        seconds (default `JOBSCHED_SHUTDOWN_GRACE`). When the grace is over async jobs are
        cancelled. While a job's thread still runs the answer is False: heartbeats go on, so that
        nobody runs the job a second time, and `stop()` may be called again.
        """
        daemon = self._live_daemon()
        if daemon is None:
            return True
        if not stopping.drain(daemon, self._grace(grace), self._clock, None):
            return False
        self._end(daemon)
        return True

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    @asynccontextmanager
    async def lifespan(self, app: object = None) -> AsyncIterator[None]:
        """For ASGI apps: `FastAPI(lifespan=scheduler.lifespan)` starts and stops the daemon."""
        await asyncio.to_thread(self.start)
        try:
            yield
        finally:
            await asyncio.to_thread(self.stop)

    def close(self, grace: Duration | None = None) -> bool:
        """Stop the daemon, if it runs, and close our connections to the database; idempotent.

        The answer is that of `stop`: while it is False the connections stay open. The host's own
        engine is not touched.
        """
        if not self.stop(grace):
            return False
        if self._inline is not None:
            self._inline.end()
            self._inline = None
        self._end_threads()  # those of `exec` and `tick`
        self.database.dispose()
        return True

    def tick(self) -> timedelta:
        """One pass without threads, for tests: fire what is due and run it to its end here.

        How long until the next pass has something to do, at most the poll interval. With a
        `FakeClock` the test says what time it is. Raises ConfigurationError while `start()` runs.
        """
        if self.running:
            raise ConfigurationError("tick() is for a scheduler that is not started: stop it first")
        if self._inline is None:
            self._inline = self._registered(inline=True)
        return self._inline.tick()

    def exec(
        self,
        job: str | Callable[..., Any],
        *,
        params: Mapping[str, Any] | None = None,
        by: str | None = None,
    ) -> Firing:
        """Run one registered job here and now, with history and logs; its firing, ended.

        Raises NotFoundError for an unknown job and ParameterError for params that do not fit.
        """
        self.migrate_if_allowed()
        found = self.registry.get(job_name(job))
        wanted, who = checked_params(params), checked_who(by)
        request.refuse_unfit(wanted, [found.definition], f"job {found.name!r}")
        found.check(wanted)
        firing_id = execute_here(self._parts(), found, wanted, who)
        return self.firing(firing_id)

    def migrate(self) -> list[str]:
        """Create or upgrade the tables; what was applied, oldest first."""
        self.database.refuse_old_server()
        return schema.migrate(self.database)

    def migrate_if_allowed(self) -> None:
        """Bring the tables up to date, or raise SchemaError that says how to."""
        self.database.refuse_old_server()
        schema.ensure(self.database, auto_migrate=self.settings.auto_migrate)

    def check(self) -> list[str]:
        """Everything that is wrong with the declarations, as sentences; needs no database."""
        return soundness.wrong_declarations(
            self.schedules, self.registry, self._executors, self._around
        )

    def sync(self) -> SyncReport:
        """Mirror the declarations in the database; what operators set is kept.

        New schedules are disabled unless declared `enabled=True`. Raises DeclarationError with
        everything that is wrong, or when another app owns a schedule's id.
        """
        return self._sync(self._sound_parts(), None)

    # Within

    def make_daemon(self, launcher: Launcher) -> Daemon:
        """A registered daemon without threads, for simulations: it acts when it is told to."""
        return self._registered(inline=True, launcher=launcher)

    def _registered(self, *, inline: bool, launcher: Launcher | None = None) -> Daemon:
        for name, said in unknown_variables(os.environ).items():
            emit("unknown_setting", said, level=logging.WARNING, name=name)
        parts = self._sound_parts()
        daemon = Daemon(parts, inline=inline, launcher=launcher)
        daemon.register()
        try:
            report = self._sync(parts, daemon.heart.worker_id)
        except BaseException:
            daemon.end()
            raise
        schedules = phrases.counted(len(self.schedules), "schedule")
        jobs = phrases.counted(len(self.registry), "job")
        changes = phrases.changes(report)
        emit(
            "synced",
            f"{schedules} and {jobs} are declared{changes and f': {changes}'}",
            added=list(report.added),
            changed=list(report.changed),
            revived=list(report.revived),
            retired=list(report.retired),
        )
        return daemon

    def _sync(self, parts: Parts, declared_by: str | None) -> SyncReport:
        return self._change(lambda tx: sync.sync(tx, parts.code, declared_by=declared_by))

    def _sound_parts(self) -> Parts:
        if wrong := self.check():
            raise DeclarationError("\n".join(wrong))
        self.migrate_if_allowed()
        return self._parts()

    def _parts(self) -> Parts:
        jobs = dict(self.registry.jobs)
        return Parts(
            database=self.database,
            settings=self.settings,
            code=sync.declared(
                self.app,
                self.settings.environment,
                Declarations(self.schedules),
                {name: one.definition for name, one in jobs.items()},
            ),
            jobs=jobs,
            executors=self._executor_map(jobs),
            around=self._around,
            lock=self.lock,
            clock=self._clock,
            version=_version(),
        )

    def _executor_map(self, jobs: Mapping[str, Job]) -> dict[str, JobExecutor]:
        given = self._executors
        named = dict(given) if isinstance(given, Mapping) else {}
        if given is not None and not isinstance(given, Mapping):
            named["default"] = given
        if missing := soundness.missing_executors(jobs.values(), given):
            raise ConfigurationError(missing[0])
        if "default" not in named:
            if self._own_executor is None:
                self._own_executor = ThreadExecutor(self.settings.max_workers)
            named["default"] = self._own_executor
        return named

    def _wake(self) -> None:
        daemon = self._live_daemon()
        if daemon is not None:
            daemon.wake()

    def _live_daemon(self) -> Daemon | None:
        """The daemon of this process."""
        self._leave_to_the_parent()
        return self._daemon

    def _leave_to_the_parent(self) -> None:
        """After a fork: forget daemons, threads and locks that are the parent's alone."""
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._starting = threading.Lock()
            self._daemon = self._inline = self._own_executor = None

    def _grace(self, grace: Duration | None) -> timedelta:
        return self.settings.shutdown_grace if grace is None else parse_duration(grace, zero=True)

    def _run_until_asked(self, daemon: Daemon, stop: stopping.StopRequest) -> bool:
        with interpreter.prepared():
            stopping.wait_for_request(daemon, stop)
        died = daemon.has_failed()
        drained = stopping.drain(daemon, self._grace(None), self._clock, stop)
        if not drained:
            daemon.abandon(stopping.LAST_WORDS)
        self._end(daemon)
        return drained and not died

    def _end(self, daemon: Daemon) -> None:
        daemon.end()
        self._daemon = None
        self._end_threads()

    def _end_threads(self) -> None:
        executor, self._own_executor = self._own_executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)


def _version() -> str:
    try:
        return version("jobsched")
    except PackageNotFoundError:  # run from a source tree that is not installed
        return "unknown"
