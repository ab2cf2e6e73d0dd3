"""Values as JSON, for programs: the keys are a promise, kept within a major version.

The command line's `--json` and the admin API give the same documents. Times are ISO 8601 in UTC
with microseconds and a final `Z`, durations are seconds (keys that end in `_s`) or milliseconds
(`_ms`), states are the words of the glossary. Keys may be added. Params whose names say that they
are secrets are shown as `***`.
"""

from jobsched.documents.declared import JobDocument, ScheduleDocument, job, schedule
from jobsched.documents.history import (
    FiringDocument,
    FiringWithRunsDocument,
    LogLineDocument,
    OccurrenceDocument,
    RunDocument,
    firing,
    firing_with_runs,
    log_line,
    occurrence,
    run,
)
from jobsched.documents.state import (
    HealthDocument,
    ProblemDocument,
    WorkerDocument,
    health,
    problems,
    pruned,
    status,
    worker,
)
from jobsched.documents.values import optional_time, time

__all__ = [
    "FiringDocument",
    "FiringWithRunsDocument",
    "HealthDocument",
    "JobDocument",
    "LogLineDocument",
    "OccurrenceDocument",
    "ProblemDocument",
    "RunDocument",
    "ScheduleDocument",
    "WorkerDocument",
    "firing",
    "firing_with_runs",
    "health",
    "job",
    "log_line",
    "occurrence",
    "optional_time",
    "problems",
    "pruned",
    "run",
    "schedule",
    "status",
    "time",
    "worker",
]
