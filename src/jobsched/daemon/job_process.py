"""The inside of a process that runs one job run: it calls the job, and tells the daemon.

Everything that happens here belongs to that job run. When the daemon is gone nobody can take its
report, and others will judge the run lost: the job is asked to stop, and the process ends itself
and its children soon after.
"""

import faulthandler
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from jobsched.context import CancelSignal, JobContext
from jobsched.daemon.calling import Around, Call
from jobsched.daemon.reports import described, report_of, traced
from jobsched.errors import DatabaseError
from jobsched.executors import wire
from jobsched.executors.references import find
from jobsched.executors.remote import Report
from jobsched.executors.wire import Message, Pipe
from jobsched.model import Reason
from jobsched.registry import Job

LOOK_S = 1.0
"""How often to look whether the daemon is still there; its end of the pipe mostly tells at once."""


def main(pipe_fd: int, trace_fd: int) -> None:
    """Run the one job run that the daemon sends; called in a fresh interpreter."""
    for fd in (pipe_fd, trace_fd):
        os.set_inheritable(fd, False)
    faulthandler.enable(trace_fd)
    del sys.argv[1:]  # what is there is ours
    pipe = Pipe(Connection(pipe_fd))
    setup = pipe.receive()
    if setup is not None:
        JobProcess(pipe, trace_fd, wire.Setup(**setup)).run()


class JobProcess:
    """One job run, from its import to its report."""

    def __init__(self, pipe: Pipe, trace_fd: int, setup: wire.Setup) -> None:
        self._pipe = pipe
        self._trace_fd = trace_fd
        self._setup = setup
        self._daemon_pid = os.getppid()
        self._signal = CancelSignal()
        self._stop_call: Callable[[str], None] = self._signal.set
        self._answers: SimpleQueue[Message] = SimpleQueue()
        self._asking = threading.Lock()
        self._ended = threading.Event()

    def run(self) -> None:
        """Call the job and report how it ended."""
        threading.Thread(target=self._watch, name="jobsched-watch", daemon=True).start()
        report = replace(self._called(), seen=self._signal.seen)
        self._pipe.send({"report": asdict(report)})
        self._ended.set()

    def _called(self) -> Report:
        try:
            job, around = self._find()
        except BaseException as error:  # the host's modules may raise anything when imported
            return Report(error=described(error), traceback=traced(error))
        take_logs(self._pipe, self._setup.levels)
        call = Call(job, self._context(job), around)
        self._stop_call = call.stop
        try:
            return report_of(job, result=call.result())
        except BaseException as error:  # whatever a job raises is its end
            return report_of(job, error=error)

    def _find(self) -> tuple[Job, Around | None]:
        job = find(self._setup.job)
        name = self._setup.context["job_name"]
        if not isinstance(job, Job) or job.name != name:
            raise LookupError(f"{self._setup.job} is not job {name!r} in a process of its own")
        return job, None if self._setup.around is None else find(self._setup.around)

    # What the job says

    def _context(self, job: Job) -> JobContext:
        return wire.context_of(
            self._setup.context,
            log=logging.getLogger(f"jobsched.job.{job.name}"),
            signal=self._signal,
            report_progress=lambda fraction, text: self._say({"progress": [fraction, text]}),
            find_result=self._ask_result,
        )

    def _say(self, message: Message) -> None:
        self._pipe.send(message)

    def _ask_result(self, job: str) -> Any:
        with self._asking:  # answers carry no number: one question at a time
            self._say({"result_of": job})
            answer = self._answers.get()
        if "refused" in answer:
            raise DatabaseError(answer["refused"])
        return answer["result"]

    # What the daemon says

    def _watch(self) -> None:
        while True:
            if self._pipe.wait(LOOK_S):
                message = self._pipe.receive()
                if message is None:
                    break
                self._take(message)
            elif os.getppid() != self._daemon_pid:
                break
        self._end_without_daemon()

    def _take(self, message: Message) -> None:
        match message:
            case {"cancel": str(reason)}:
                self._stop(reason)
            case {"result": _} | {"refused": _}:
                self._answers.put(message)

    def _stop(self, reason: str) -> None:
        # Should it not stop, the daemon shows where it was.
        faulthandler.dump_traceback(self._trace_fd)
        self._stop_call(reason)

    def _end_without_daemon(self) -> None:
        self._answers.put({"refused": "the daemon that started this job has gone"})
        self._stop(Reason.WORKER_LOST)
        self._ended.wait(self._setup.kill_grace_s)
        os.killpg(os.getpgrp(), signal.SIGKILL)


class PipeHandler(logging.Handler):
    """Sends every record to the daemon, where the host's handlers take it as one of their own."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self._pipe = pipe

    def emit(self, record: logging.LogRecord) -> None:
        """Send it at once: a crash in the next instruction does not take it along."""
        try:
            message = self.format(record)
        except Exception:  # a bad format string is the job's mistake, and must not end it
            message = str(record.msg)
        self._pipe.send({"log": wire.record_values(record, message)})


def take_logs(pipe: Pipe, levels: Mapping[str, int]) -> None:
    """Let the daemon's process write what is logged here, at the levels that hold there.

    The handlers that the host's modules have set up on import are there as well, and would write
    each line a second time.
    """
    loggers = [logging.getLogger(name) for name in logging.root.manager.loggerDict]
    for logger in loggers:
        logger.handlers.clear()
        logger.propagate = True
    logging.root.handlers[:] = [PipeHandler(pipe)]
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
