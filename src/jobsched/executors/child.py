"""The daemon's side of a process that runs one job run: it starts, listens, stops and ends it."""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.spawn import get_executable
from typing import IO

from jobsched.errors import JobschedError, ProcessDiedError
from jobsched.executors import wire
from jobsched.executors.references import reference_to
from jobsched.executors.remote import Assignment, Report
from jobsched.executors.wire import Message, Pipe

_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from jobsched.daemon.job_process import main; main(int(sys.argv[2]), int(sys.argv[3]))"
)
TRACE_LIMIT = 64 * 1024
"""Bytes of what a dying process wrote of itself that are kept."""
LAST_MESSAGES_S = 5.0
"""How long messages are waited for when the process has ended but something keeps its pipe."""


class Child:
    """A job run in a process of its own, which leads a session that is killed as a whole."""

    def __init__(self, assignment: Assignment, places: "Places", kill_grace_s: float) -> None:
        """Nothing is started before `begin`."""
        self._assignment = assignment
        self._places = places
        self._kill_grace_s = kill_grace_s
        self._lock = threading.Lock()
        self._asked: str | None = None
        self._timer: threading.Timer | None = None
        self._killed = False
        self._ended = False
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Pipe | None = None
        self._report: Report | None = None

    def begin(self) -> None:
        """Start the thread that lives as long as the process, and tells how it ended."""
        threading.Thread(target=self._live, name="jobsched-process", daemon=True).start()

    def ask(self, reason: str) -> None:
        """Ask the job to stop; its process is killed when the grace is over."""
        with self._lock:
            if self._asked is not None or self._ended:
                return
            self._asked = reason
            self._timer = threading.Timer(self._kill_grace_s, self.kill)
            self._timer.daemon = True
            self._timer.start()
            pipe = self._pipe
        self._places.look_again()
        if pipe is not None:
            pipe.send({"cancel": reason})

    def kill(self) -> None:
        """End the process now, and every process of its session."""
        with self._lock:
            self._killed = True
            self._kill_session()
        self._places.look_again()

    def _kill_session(self) -> None:
        # Until it is reaped, under this lock, nobody else can have its id.
        if self._process is not None and not self._ended:
            # macOS refuses with EPERM when all of the group are zombies.
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def _live(self) -> None:
        how: Report | Exception
        try:
            if self._places.take(unless=lambda: self._asked is not None or self._killed):
                try:
                    how = self._run()
                finally:
                    self._places.give()
            else:
                how = ProcessDiedError("the job was asked to stop before its process had started")
        except Exception as error:  # no process to be had, or a fault of ours: the job has ended
            how = error
        finally:
            if self._timer is not None:
                self._timer.cancel()
        self._assignment.ended(how)

    def _run(self) -> Report | Exception:
        with tempfile.TemporaryFile() as trace:
            ours, theirs = connection.Pipe()
            pipe = Pipe(ours)
            try:
                with theirs:
                    process = self._start(theirs, trace)
                self._introduce(process, pipe)
            except BaseException:
                pipe.close()
                raise
            listener = threading.Thread(
                target=self._listen, args=(pipe,), name="jobsched-listener", daemon=True
            )
            listener.start()
            code = self._wait(process)
            listener.join(LAST_MESSAGES_S)
            return self._judged(code, trace)

    def _start(self, theirs: Connection, trace: IO[bytes]) -> subprocess.Popen[bytes]:
        context = self._assignment.context
        fds = (theirs.fileno(), trace.fileno())
        command = [
            os.fsdecode(get_executable()),
            *(f"-W{option}" for option in sys.warnoptions),
            *(["-" + "O" * sys.flags.optimize] if sys.flags.optimize else []),
            "-c",
            _PROGRAM,
            json.dumps([str(entry) for entry in sys.path]),
            *map(str, fds),
            f"job={context.job_name} run={context.run_id}",  # for who looks at the process table
        ]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, pass_fds=fds, start_new_session=True
        )

    def _introduce(self, process: subprocess.Popen[bytes], pipe: Pipe) -> None:
        """From here on it can be killed; when it has its setup, it can be asked, too."""
        with self._lock:
            self._process = process
            if self._killed:
                self._kill_session()
        pipe.send(self._setup().as_message())
        with self._lock:
            self._pipe, asked = pipe, self._asked
        if asked is not None:
            pipe.send({"cancel": asked})

    def _setup(self) -> wire.Setup:
        one = self._assignment
        return wire.Setup(
            job=reference_to(one.job),
            around=None if one.around is None else reference_to(one.around),
            context=wire.context_values(one.context),
            levels=wire.levels(),
            kill_grace_s=self._kill_grace_s,
        )

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        """Wait for the end of the process, end what is left of its session, reap it."""
        try:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        except (AttributeError, ChildProcessError):  # macOS; a host that ignores SIGCHLD
            process.wait()
        with self._lock:
            self._kill_session()
            self._ended = True
            return process.wait()

    # What it says

    def _listen(self, pipe: Pipe) -> None:
        while (message := pipe.receive()) is not None:
            try:
                self._take(message, pipe)
            except Exception:  # a handler of the host's logging, or nonsense in the pipe
                logging.getLogger("jobsched.daemon").exception(
                    "a message of the process of job %s was not understood",
                    self._assignment.context.job_name,
                )
        pipe.close()

    def _take(self, message: Message, pipe: Pipe) -> None:
        match message:
            case {"log": record}:
                self._assignment.emit(logging.makeLogRecord(record))
            case {"progress": [fraction, text]}:
                self._assignment.context.report_progress(fraction, text)
            case {"result_of": job}:
                pipe.send(self._answer(job))
            case {"report": values}:
                self._report = wire.report_of_message(values)

    def _answer(self, job: str) -> Message:
        try:
            return {"result": self._assignment.context.find_result(job)}
        except JobschedError as error:
            return {"refused": str(error)}

    # What its end means

    def _judged(self, code: int, trace: IO[bytes]) -> Report | Exception:
        if self._report is None:
            return ProcessDiedError(self._cause(code), _read(trace))
        if code < 0 and self._asked is None:
            self._warn(f"the job had ended when its process was killed by {_signal(code)}")
        return self._report

    def _cause(self, code: int) -> str:
        name = self._assignment.context.job_name
        if code >= 0:
            return (
                f"the process of job {name!r} ended with exit code {code} before the job did; "
                "something called os._exit, or Python did not start (its stderr says why)"
            )
        if self._killed and code == -signal.SIGKILL:
            return (
                f"the process of job {name!r} was killed: it had not stopped within "
                f"{self._kill_grace_s:g} s of being asked"
            )
        likely = "; unless somebody sent it, memory had run out" if code == -signal.SIGKILL else ""
        return f"the process of job {name!r} was killed by {_signal(code)}{likely}"

    def _warn(self, message: str) -> None:
        context = self._assignment.context
        record = context.log.makeRecord(
            context.log.name, logging.WARNING, __file__, 0, message, (), None
        )
        self._assignment.emit(record)


class Places:
    """How many processes may run at once; None is any number."""

    def __init__(self, count: int | None) -> None:
        self._free = count
        self._changed = threading.Condition()

    def take(self, *, unless: Callable[[], bool]) -> bool:
        """Wait for a place and take it; False as soon as `unless` says so, after `look_again`."""
        with self._changed:
            self._changed.wait_for(lambda: unless() or self._free != 0)
            if unless():
                return False
            if self._free is not None:
                self._free -= 1
            return True

    def give(self) -> None:
        """Give a place back."""
        with self._changed:
            if self._free is not None:
                self._free += 1
            self._changed.notify_all()

    def look_again(self) -> None:
        """What `unless` depends on has changed."""
        with self._changed:
            self._changed.notify_all()


def _signal(code: int) -> str:
    number = -code
    try:
        name = signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
    return f"{name} ({signal.strsignal(number)})"


def _read(trace: IO[bytes]) -> str | None:
    trace.seek(0)
    return trace.read(TRACE_LIMIT).decode("utf-8", "replace") or None
