"""A host clock that is wrong: only CLOCK_REALTIME, and only in the process that is given it."""

import mmap
import shutil
import struct
import subprocess
from pathlib import Path

_SOURCE = Path(__file__).with_name("skew.c")


def compiler() -> str | None:
    """The C compiler, or None."""
    return shutil.which("cc")


def build(folder: Path) -> Path:
    """Compile the library that shifts the clock."""
    library = folder / "skew.so"
    command = [compiler() or "cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE)]
    subprocess.run([*command, "-ldl"], check=True, capture_output=True)
    return library


class Skew:
    """How far one process' clock is off; it may be changed while the process runs."""

    def __init__(self, library: Path, path: Path) -> None:
        path.write_bytes(struct.pack("d", 0.0))
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), struct.calcsize("d"))
        self.environment = {"LD_PRELOAD": str(library), "FAULTS_SKEW": str(path)}

    def set(self, seconds: float) -> None:
        """Step the clock to so far ahead of the true time (behind, when negative)."""
        self._page[:] = struct.pack("d", seconds)
