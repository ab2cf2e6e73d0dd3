"""When the schedules are due, by arithmetic of our own: nothing of jobsched is used here."""

import math

from tests.faults.workload import Spec


def occurrences(spec: Spec, after: float, upto: float) -> list[int]:
    """The occurrences in (after, upto], in seconds of the epoch.

    `every` runs on the grid of the epoch; `*/n` of seconds restarts in each minute, which is the
    same grid where n divides 60.
    """
    if 60 % spec.every:
        raise ValueError(f"{spec.id}: {spec.every} s does not divide a minute")
    first = math.floor(after / spec.every) * spec.every + spec.every
    return list(range(first, math.floor(upto) + 1, spec.every))
