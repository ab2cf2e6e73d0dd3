"""What is measured, a module each; `measure(setting)` makes its lines."""

from types import ModuleType

from benchmarks.rows import (
    among,
    burst,
    daemons,
    history,
    idle,
    importing,
    lateness,
    logs,
    run_now,
    statements,
)

ROWS: dict[str, ModuleType] = {
    "burst": burst,
    "statements": statements,
    "lateness": lateness,
    "run-now": run_now,
    "idle": idle,
    "among": among,
    "daemons": daemons,
    "history": history,
    "logs": logs,
    "import": importing,
}
