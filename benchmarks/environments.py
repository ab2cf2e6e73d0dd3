"""The peers, pinned, each in an environment of its own under a cache folder that git ignores."""

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

CACHE = Path(__file__).with_name(".environments")
PATIENCE_S = 600
_SQLALCHEMY, _PSYCOPG = "sqlalchemy==2.1.9", "psycopg[binary]==3.3.9"
PINS: dict[str, tuple[str, ...]] = {
    "apscheduler3": ("apscheduler==3.11.3", _SQLALCHEMY, _PSYCOPG),
    "apscheduler4": (
        "apscheduler==4.0.0a6",
        "sniffio==1.3.1",  # which it imports and does not ask for
        "sqlalchemy[asyncio]==2.1.9",
        _PSYCOPG,
    ),
    "procrastinate": ("procrastinate==3.10.0", _PSYCOPG),
    "pgqueuer": ("pgqueuer==1.6.0", "asyncpg==0.32.0"),
    "celery": ("celery==5.7.0", _SQLALCHEMY, _PSYCOPG),
}


class PeerMissingError(Exception):
    """A peer that cannot be installed; the message says why."""


def python_of(peer: str) -> Path:
    """The interpreter of a peer's environment, which is made at the first use.

    Raises PeerMissingError.
    """
    pins = PINS[peer]
    folder = CACHE / f"{peer}-{hashlib.sha256(repr(pins).encode()).hexdigest()[:8]}"
    python, done = folder / "bin" / "python", folder / "installed"
    if done.exists():
        return python
    if folder.exists():
        shutil.rmtree(folder)
    CACHE.mkdir(exist_ok=True)
    try:
        venv.create(folder, with_pip=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *pins]
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=PATIENCE_S)
    except subprocess.CalledProcessError as error:
        raise PeerMissingError(_last_line(error.stderr or str(error))) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerMissingError(str(error)) from error
    done.write_text(f"{sys.version}\n", "utf-8")
    return python


def _last_line(text: object) -> str:
    shown = text.decode() if isinstance(text, bytes) else str(text)
    return shown.strip().splitlines()[-1] if shown.strip() else "pip failed without a word"
