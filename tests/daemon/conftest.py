"""Daemons as processes, and what tests see of them: events, the ledger, the database."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from jobsched import Registry, Schedule, Scheduler, Settings
from jobsched.clock import SystemClock
from jobsched.model import LIVE_FIRINGS, Firing, JobRun

HERE = Path(__file__).parent
PATIENCE_S = 30.0
"""How long a condition may take to come true: much longer than it does, short of the timeout."""
CADENCE = {
    "JOBSCHED_POLL_INTERVAL": "200ms",
    "JOBSCHED_HEARTBEAT_INTERVAL": "1s",
    "JOBSCHED_LOCK_TIMEOUT": "3s",
    "JOBSCHED_SHUTDOWN_GRACE": "20s",
}
"""Of daemons in processes: a dead one is found within four seconds."""


def until(
    condition: Callable[[], Any], what: str = "the condition", patience: float = PATIENCE_S
) -> Any:
    """What `condition` returns as soon as that is true; a failure that says what did not come."""
    clock = SystemClock()
    deadline = clock.monotonic() + patience
    while not (found := condition()):
        if clock.monotonic() > deadline:
            pytest.fail(f"{what} did not come within {patience:g} s")
        clock.wait(threading.Event(), 0.02)
    return found


@pytest.fixture(name="until", scope="session")
def _until() -> Callable[..., Any]:
    return until


@pytest.fixture(scope="session")
def here() -> Path:
    """The folder of the apps that run as processes."""
    return HERE


# Outside the database


class Ledger:
    """What jobs wrote down outside the database."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: list[dict[str, Any]] = []
        self._unfinished = ""
        self._file = path.open("a+", encoding="utf-8")
        self._file.seek(0)

    def records(self, what: str | None = None, **wanted: Any) -> list[dict[str, Any]]:
        """The records that match, in the order in which they were written."""
        *lines, self._unfinished = (self._unfinished + self._file.read()).split("\n")
        self._lines.extend(map(json.loads, lines))
        return [
            record
            for record in self._lines
            if (what is None or record["what"] == what)
            and all(record[key] == value for key, value in wanted.items())
        ]

    def close(self) -> None:
        """Read no more."""
        self._file.close()

    def wait(self, what: str, count: int = 1, **wanted: Any) -> list[dict[str, Any]]:
        """At least so many records that match, as soon as they are there."""
        described = f"{count} of {what} {wanted or ''}"
        return list(
            until(
                lambda: len(found := self.records(what, **wanted)) >= count and found,
                f"{described} in the ledger",
            )
        )

    def counts(self, what: str, key: str) -> Counter[Any]:
        """How many records of a kind there are for each value of `key`."""
        return Counter(record[key] for record in self.records(what))


class Gate:
    """The pipe on which gated jobs wait."""

    def __init__(self, path: Path) -> None:
        self.path = path
        os.mkfifo(path)
        self._pipe = os.open(path, os.O_RDWR)  # with a reader of our own, opening never blocks

    def let(self, jobs: int = 1) -> None:
        """Let so many jobs go on, those that come later too."""
        os.write(self._pipe, b"." * jobs)

    def close(self) -> None:
        """Let every job go on."""
        os.close(self._pipe)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger")
    yield ledger
    ledger.close()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.close()


# Processes


class Daemon:
    """A daemon in a process of its own, and the events that it prints."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], folder: Path) -> None:
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # so that its children can be ended with it
        )
        self.pid = self.process.pid
        self.printed: list[str] = []
        self._events: list[dict[str, Any]] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def events(self, name: str, **fields: Any) -> list[dict[str, Any]]:
        """Its events of this name and with these fields, oldest first."""
        return [
            event
            for event in self._events
            if event["event"] == name
            and all(event["fields"].get(key) == value for key, value in fields.items())
        ]

    def wait_for(self, name: str, count: int = 1, **fields: Any) -> dict[str, Any]:
        """The last event of this name and with these fields, when there are so many."""
        with self._news:
            came = self._news.wait_for(
                lambda: len(self.events(name, **fields)) >= count or not self._reader.is_alive(),
                PATIENCE_S,
            )
        found = self.events(name, **fields)
        if not came or len(found) < count:
            pytest.fail(f"no event {name} {fields or ''} of {self.pid}:\n{''.join(self.printed)}")
        return found[-1]

    @property
    def worker_id(self) -> str:
        """The id under which it registered last."""
        return str(self.wait_for("daemon_started")["fields"]["worker_id"])

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it without a word, and wait for that."""
        self.process.kill()
        self.exit_code()

    def exit_code(self) -> int:
        """How it ended, as soon as it has."""
        try:
            code = self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            pytest.fail(f"process {self.pid} does not end:\n{''.join(self.printed)}")
        self._reader.join(PATIENCE_S)
        return code

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # ends frozen ones, too
        self.process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        if self.process.stdout is not None:
            self.process.stdout.close()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            with self._news:
                self.printed.append(line)
                if line.startswith("{"):
                    self._events.append(json.loads(line))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()


@pytest.fixture
def spawn(tmp_path: Path, ledger: Ledger, gate: Gate) -> Iterator[Callable[..., Daemon]]:
    """Start a Python process with the ledger and the gate; it is killed after the test."""
    started: list[Daemon] = []

    def start(*arguments: str, **environment: str) -> Daemon:
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("JOBSCHED_", "SCHEDULE_"))
            and name not in ("DATABASE_URL", "LOCK_TIMEOUT_MS")
        }
        path = os.pathsep.join(filter(None, [str(HERE), clean.get("PYTHONPATH")]))
        if (HERE.parents[1] / "src").is_dir() and "PYTHONPATH" in clean:
            path += os.pathsep + str(HERE.parents[1] / "src")
        ours = {
            "PYTHONPATH": path,
            "PYTHONUNBUFFERED": "1",
            "HOST_LEDGER": str(ledger.path),
            "HOST_GATE": str(gate.path),
        }
        command = [sys.executable, *arguments]
        daemon = Daemon(command, {**clean, **CADENCE, **ours, **environment}, tmp_path)
        started.append(daemon)
        return daemon

    yield start
    for daemon in started:
        daemon.end()


@pytest.fixture
def start_daemons(spawn: Callable[..., Daemon], database_url: str) -> Callable[..., list[Daemon]]:
    """Start daemons of `host` side by side with settings as variables; they are registered."""

    def start(count: int = 1, **environment: str) -> list[Daemon]:
        variables = {"JOBSCHED_DATABASE_URL": database_url, **environment}
        command = ("-m", "jobsched", "run", "host:scheduler", "--log-format", "json")
        daemons = [spawn(*command, **variables) for _ in range(count)]
        for daemon in daemons:
            daemon.wait_for("synced")
        return daemons

    return start


@pytest.fixture(scope="session")
def host() -> ModuleType:
    """The app of the daemons, in this process: to declare schedules of its jobs."""
    spec = importlib.util.spec_from_file_location("daemon_host", HERE / "host.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def declare(database_url: str, host: ModuleType) -> Callable[..., None]:
    """Write schedules of the daemons' jobs to the database."""

    def declare(*schedules: Schedule) -> None:
        declaring = Scheduler(database_url, registry=host.registry, schedules=schedules)
        declaring.sync()
        declaring.database.dispose()

    return declare


# In this process


class Operator:
    """Somebody with the database and without the code, in another process than the daemon."""

    def __init__(self, database_url: str) -> None:
        self.verbs = Scheduler(database_url, registry=Registry())

    def __getattr__(self, verb: str) -> Any:
        return getattr(self.verbs, verb)

    def ended(self, firing_id: int) -> Firing:
        """The firing, as soon as it has ended."""
        return self.when(firing_id, lambda firing: firing.status not in LIVE_FIRINGS)

    def when(self, firing_id: int, holds: Callable[[Firing], bool]) -> Firing:
        """The firing, as soon as it is as wanted."""
        seen: list[Firing] = []

        def look() -> bool:
            seen[:] = [self.verbs.firing(firing_id)]
            return holds(seen[0])

        try:
            until(look, f"firing {firing_id}")
        except pytest.fail.Exception as error:
            raise AssertionError(f"{error}: {seen[0]}") from None
        return seen[0]

    def run(self, firing_id: int) -> JobRun:
        """The last job run of a firing."""
        return self.verbs.firing(firing_id).runs[-1]

    def messages(self, firing_id: int) -> list[str]:
        """What was logged, in order."""
        return [line.message for line in self.verbs.logs(firing_id=firing_id, limit=100_000)]


@pytest.fixture
def operator(database_url: str) -> Iterator[Operator]:
    operator = Operator(database_url)
    yield operator
    operator.verbs.database.dispose()


class Embedding:
    """Schedulers in this process, as a host embeds them; stopped after the test."""

    def __init__(self, database_url: str) -> None:
        self.database_url = database_url
        self.made: list[Scheduler] = []

    def __call__(
        self, registry: Registry, schedules: Sequence[Schedule] = (), **options: Any
    ) -> Scheduler:
        """A scheduler with short cadences, not started."""
        given = options.pop("settings", {})
        settings = Settings(
            **{
                "poll_interval": timedelta(milliseconds=100),
                "heartbeat_interval": timedelta(seconds=1),
                "lock_timeout": timedelta(seconds=5),
                "shutdown_grace": timedelta(seconds=10),
                **given,
            }
        )
        scheduler = Scheduler(
            self.database_url,
            registry=registry,
            schedules=schedules,
            settings=settings,
            **options,
        )
        self.made.append(scheduler)
        return scheduler

    def started(
        self, registry: Registry, schedules: Sequence[Schedule] = (), **options: Any
    ) -> Scheduler:
        """The same, started."""
        scheduler = self(registry, schedules, **options)
        scheduler.start()
        return scheduler

    def close(self) -> None:
        """Stop what still runs."""
        for scheduler in self.made:
            assert scheduler.stop(), "a job of this test has not ended"
            scheduler.database.dispose()


@pytest.fixture
def embed(database_url: str) -> Iterator[Embedding]:
    embedding = Embedding(database_url)
    yield embedding
    embedding.close()


class Switch:
    """An event with which a job and its test wait for each other, never for ever."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def is_on(self) -> bool:
        return self._event.is_set()

    def on(self) -> None:
        """Let whoever waits go on."""
        self._event.set()

    def wait(self) -> None:
        """Until it is on."""
        if not self._event.wait(PATIENCE_S):
            raise TimeoutError("nobody switched on")


class Switches:
    """Switches by name: `switches.started.on()`; after the test all are on."""

    @cached_property
    def started(self) -> Switch:
        return Switch()

    @cached_property
    def released(self) -> Switch:
        return Switch()


@pytest.fixture
def switches(embed: Embedding) -> Iterator[Switches]:
    switches = Switches()
    yield switches
    switches.started.on()
    switches.released.on()
