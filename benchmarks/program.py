"""A program that the harness starts, tells to go, and hears one JSON line from."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Self

import jobsched

ROOT = Path(__file__).resolve().parents[1]
HERE = Path(__file__).resolve().parent
SOURCE = Path(jobsched.__file__).resolve().parents[1]
PATIENCE_S = 240.0
"""How long a program may take in all; it is killed then."""
OURS = ("JOBSCHED_", "SCHEDULE_")
ALSO_OURS = frozenset({"DATABASE_URL", "LOCK_TIMEOUT_MS", "PYTHONPATH"})


class ProgramError(Exception):
    """A program that did not do what it should; the message has its last words."""


class Program:
    """One run of one program."""

    def __init__(
        self,
        path: str,
        plan: dict[str, Any],
        *,
        python: Path | None = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Start `path`, relative to this folder; `python` is a peer's, by default our own."""
        self.name = Path(path).stem
        self._words = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed in `end`
        self._folder = tempfile.TemporaryDirectory(prefix="jobsched-benchmark-")
        self._process = subprocess.Popen(
            [str(python or sys.executable), str(HERE / path), json.dumps(plan)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
            cwd=self._folder.name,  # where no .env is
            env=environment(ours=python is None),
        )
        self._watchdog = threading.Timer(patience_s, self._process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.end()

    def wait_ready(self) -> None:
        """Until it has prepared everything; raises ProgramError."""
        self._read("ready")

    def tell(self, word: str) -> None:
        """Say `go` or `stop`."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{word}\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise self._failure() from None

    def result(self) -> dict[str, Any]:
        """Its JSON line; raises ProgramError."""
        found: dict[str, Any] = json.loads(self._read("{"))
        return found

    def run(self) -> dict[str, Any]:
        """All of it."""
        with self:
            self.wait_ready()
            self.tell("go")
            return self.result()

    def end(self) -> None:
        """Let it end by itself for a while; then kill it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._watchdog.cancel()
        self._process.stdout.close()
        self._words.close()
        self._folder.cleanup()

    def _read(self, beginning: str) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(beginning):
                return line
        raise self._failure()

    def _failure(self) -> ProgramError:
        code = self._process.wait()
        self._words.seek(0)
        lines = [line for line in self._words.read().splitlines() if line.strip()]
        errors = [line for line in lines if "Error" in line or "margin" in line]
        said = (errors or lines or ["no word"])[-1].strip(" |")
        return ProgramError(f"{self.name} ended with {code}: {said}")


def environment(*, ours: bool) -> dict[str, str]:
    """No settings from elsewhere; our own programs find jobsched and this package."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS) and k not in ALSO_OURS}
    if ours:
        kept["PYTHONPATH"] = f"{SOURCE}{os.pathsep}{ROOT}"
    return kept
