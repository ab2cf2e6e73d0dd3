"""Which of a firing's params its jobs take."""

from collections.abc import Mapping, Sequence
from typing import Any

from jobsched.model import JobDefinition


def unfit(params: Mapping[str, Any], jobs: Sequence[JobDefinition], target: str) -> str | None:
    """What is wrong with `params` for `jobs`, as a sentence; None when nothing is.

    A parameter that no job takes is wrong, and so is a required one that is missing. Values are
    validated where the job's function is known.
    """
    taken = {name for job in jobs for name in _properties(job)}
    unknown = sorted(set(params) - taken)
    if unknown:
        takes = f"they take {', '.join(sorted(taken))}" if taken else "they take none"
        return f"no job of {target} takes the parameter {unknown[0]!r}; {takes}"
    for job in jobs:
        for name in job.parameters.get("required", ()):
            if name not in params:
                return f"job {job.name!r} of {target} needs the parameter {name!r}"
    return None


def _properties(job: JobDefinition) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = job.parameters.get("properties", {})
    return properties
