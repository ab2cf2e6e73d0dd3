"""The lock that a schedule can share with the host's other systems.

A lock backend saves work and shows others that a schedule is busy. It carries no correctness:
what may not happen twice is prevented by rows in the database, so that with a lock server that
is down, emptied, split, or that says yes to everyone, nothing fires twice and nothing overlaps.

    Scheduler(engine, lock=RedisLock("redis://localhost:6379/0"), ...)

`DatabaseLock` is the default and needs nothing. A backend of your own is any object with the
three methods of `LockBackend`; `jobsched.testing.lock_contract` tests that it keeps the contract.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jobsched.locks.backend import LockBackend, LockUnavailableError
    from jobsched.locks.database import DatabaseLock
    from jobsched.locks.memory import MemoryLock
    from jobsched.locks.postgres import PostgresAdvisoryLock
    from jobsched.locks.redis import RedisLock

__all__ = [
    "DatabaseLock",
    "LockBackend",
    "LockUnavailableError",
    "MemoryLock",
    "PostgresAdvisoryLock",
    "RedisLock",
]

_MODULES = {
    "DatabaseLock": "database",
    "LockBackend": "backend",
    "LockUnavailableError": "backend",
    "MemoryLock": "memory",
    "PostgresAdvisoryLock": "postgres",
    "RedisLock": "redis",
}


def __getattr__(name: str) -> Any:
    # Each backend is loaded when asked for: the others' clients need not be installed.
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
