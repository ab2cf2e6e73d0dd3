"""jobsched: schedules declared in code, run by your own application, kept in its own database.

The names below are loaded when they are first used: `import jobsched` does nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobsched.backoff import Backoff
    from jobsched.context import JobContext
    from jobsched.declarations import Schedule
    from jobsched.errors import (
        ConfigurationError,
        ConflictError,
        DeclarationError,
        JobschedError,
        NotFoundError,
        ParameterError,
        SchemaError,
    )
    from jobsched.model import (
        ExecutionMode,
        FiringStatus,
        HealthLevel,
        JobRunStatus,
        Misfire,
        OnLost,
        Overlap,
        Reason,
        TriggerType,
        WorkerStatus,
        WorkerType,
    )
    from jobsched.registry import Job, Registry, job
    from jobsched.scheduler import Scheduler
    from jobsched.settings import Settings

__all__ = [
    "Backoff",
    "ConfigurationError",
    "ConflictError",
    "DeclarationError",
    "ExecutionMode",
    "FiringStatus",
    "HealthLevel",
    "Job",
    "JobContext",
    "JobRunStatus",
    "JobschedError",
    "Misfire",
    "NotFoundError",
    "OnLost",
    "Overlap",
    "ParameterError",
    "Reason",
    "Registry",
    "Schedule",
    "Scheduler",
    "SchemaError",
    "Settings",
    "TriggerType",
    "WorkerStatus",
    "WorkerType",
    "job",
]

_HOMES = {
    "backoff": ["Backoff"],
    "context": ["JobContext"],
    "declarations": ["Schedule"],
    "registry": ["Job", "Registry", "job"],
    "scheduler": ["Scheduler"],
    "settings": ["Settings"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'jobsched' has no attribute {name!r}")
    home = _HOME.get(name) or ("errors" if name.endswith("Error") else "model")
    value = getattr(import_module(f"jobsched.{home}"), name)
    globals()[name] = value  # the next look does not come here
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
