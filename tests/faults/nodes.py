"""The daemons: one process each, that faults may strike and that are started again."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.faults.book import Book, Exit, Fault
from tests.faults.host import REFUSED, ready_file
from tests.faults.ledger import boot_clock

ROOT = Path(__file__).resolve().parents[2]


class Node:
    """One daemon process at a time."""

    def __init__(
        self, config: Mapping[str, Any], book: Book, environment: Mapping[str, str], log: Path
    ) -> None:
        self._config = dict(config)
        self._book = book
        self._environment = dict(environment)
        self._log = log
        self._starts = 0
        self.last_pid = 0
        """Of the process before, when it has ended."""
        self.process: subprocess.Popen[bytes] | None = None
        self.deadly: Fault | None = None
        """The fault that explains an end of the present process."""

    @property
    def pid(self) -> int:
        """Of the present, or last, process."""
        return self.process.pid if self.process else 0

    def start(self, **environment: str) -> None:
        """Start a process; extra variables are for this one only."""
        self._starts += 1
        self.deadly = None
        config = {**self._config, "seed": f"{self._config['seed']}/{self._starts}"}
        path = os.pathsep.join([str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.faults.host", json.dumps(config)],
                env={**os.environ, "PYTHONPATH": path, **self._environment, **environment},
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def alive(self) -> bool:
        """Whether it runs; the end of a process is noted once."""
        if self.process is None:
            return False
        code = self.process.poll()
        if code is None:
            return True
        self.last_pid = self.process.pid
        cause = "refused" if code == REFUSED else self.deadly and self.deadly.kind
        said = "" if cause else self._log.read_text().strip().rpartition("\n")[2]
        with self._book.lock:
            self._book.exits.append(Exit(self.last_pid, code, cause, boot_clock(), said))
        if self.deadly is None:
            self._book.begin("exit", self.last_pid)
        self.process = None
        return False

    def ready(self) -> bool:
        """Whether it has registered and synced, or has ended."""
        return not self.alive() or Path(ready_file(self._config["events"], self.pid)).exists()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, if there is a process."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)

    def frozen(self) -> bool:
        """Whether it has stopped itself, at a failpoint."""
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return False
        return stat.rpartition(")")[2].split()[0] == "T"

    def end(self, patience: float, until: Callable[[Callable[[], bool], float], bool]) -> int:
        """SIGTERM, and SIGKILL when that takes too long; the exit code."""
        process = self.process
        if process is None:
            return 0
        self.deadly = self._book.begin("end", None)
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        if not until(lambda: process.poll() is not None, patience):
            self.signal(signal.SIGKILL)
            process.wait()
        self.process = None
        return process.returncode
