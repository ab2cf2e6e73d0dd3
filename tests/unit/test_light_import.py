"""What `import jobsched` costs its host: next to nothing."""

import json
import subprocess
import sys

import pytest

HEAVY = [
    "alembic",
    "click",
    "fastapi",
    "flask",
    "jinja2",
    "psycopg",
    "pymysql",
    "redis",
    "rich",
    "starlette",
]
LOOK = f"""
import json, logging, sys, threading
print(json.dumps({{
    "loaded": [name for name in {HEAVY!r} if name in sys.modules],
    "threads": threading.active_count(),
    "handlers": len(logging.getLogger().handlers) + len(logging.getLogger("jobsched").handlers),
}}))
"""


@pytest.mark.parametrize("statement", ["import jobsched", "from jobsched import *"])
def test_importing_does_nothing(statement: str) -> None:
    """In a fresh interpreter, importing jobsched and every public name loads no web framework,
    driver, Alembic, click or rich, starts no thread, and leaves the host's logging alone."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{statement}\n{LOOK}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"loaded": [], "threads": 1, "handlers": 0}
