"""What the jobs themselves say, in a file outside the database: one write for each record."""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path


def boot_clock() -> float:
    """Seconds of the machine's clock that never steps and that no fault of ours shifts."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@dataclass(frozen=True)
class Record:
    """A job began (`start`), or ended: it returned (`done`), raised, or was asked to (`stopped`).

    `at` is in seconds of the boot clock in the file, of the database's clock in evidence.
    """

    kind: str
    schedule: str
    job: str
    occurrence: int
    firing: int
    attempt: int
    run: int
    pid: int
    at: float


class Ledger:
    """Appends records; those of killed processes stay whole, for each is one write."""

    def __init__(self, path: str | Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def write(self, record: Record) -> None:
        """Append one line."""
        os.write(self._file, f"{json.dumps(asdict(record))}\n".encode())


def read(path: Path, offset: float) -> list[Record]:
    """The records in the order of their writing; `offset` turns boot clock into database time.

    Raises ValueError for a line that is not whole.
    """
    lines = path.read_text().splitlines() if path.exists() else []
    records = [Record(**json.loads(line)) for line in lines]
    return [Record(**{**asdict(one), "at": one.at + offset}) for one in records]
