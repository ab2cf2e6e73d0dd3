"""The blind check: starts against time windows, whatever the daemon says of them.

Only the ledger's times and process ids count, and what was done to those processes. Each start
is matched to an occurrence of its schedule that was due by then; a start that finds none needs a
licence: an attempt that was cut off or raised before it, and whose job may run again.
A pure function of the evidence.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.faults import model
from tests.faults.evidence import Evidence
from tests.faults.ledger import Record
from tests.faults.verdict import Finding, Judgement
from tests.faults.workload import Spec

CLOCKS_S = 0.02
CALM_LAG_S = 3.0
"""How late a start may be while nothing is struck, on a machine that others use too."""
SETTLING_S = 2.0
"""After a fault that no worker dies of, until the next occurrences are in time again."""

DEADLY = {"kill", "exit", "freeze", "silence", "starved", "end", "term-twice"}
"""Faults after which a job may run again elsewhere."""
LASTING = {"doubt"}
"""Faults that go on to the end: there is no calm after them to be checked."""


@dataclass(frozen=True)
class Matching:
    """Which starts have an occurrence of their own."""

    matched: dict[int, Record]
    extra: tuple[Record, ...]


def match(occurrences: Sequence[int], starts: Iterable[Record], patience: float) -> Matching:
    """Give each start, in order, the oldest free occurrence that is due and not too long ago.

    With windows of one length this matches as many starts as can be.
    """
    free = list(occurrences)
    matched: dict[int, Record] = {}
    extra = []
    for start in sorted(starts, key=lambda record: record.at):
        while free and free[0] < start.at - patience:
            free.pop(0)
        if free and free[0] <= start.at + CLOCKS_S:
            matched[free.pop(0)] = start
        else:
            extra.append(start)
    return Matching(matched, tuple(extra))


def check(evidence: Evidence) -> Judgement:
    """Too many starts, too early ones, and occurrences without one."""
    findings = [f for spec in evidence.specs for f in _check(evidence, spec)]
    lasting = any(fault.kind in LASTING for fault in evidence.faults)
    calm = lasting or any(is_calm(evidence, at) for at in _seconds(evidence))
    doubts = () if calm else ("no second of the trial was calm",)
    return Judgement(tuple(findings), evidence.doubts + doubts)


def _check(evidence: Evidence, spec: Spec) -> Iterator[Finding]:
    state = next((one for one in evidence.schedules if one.id == spec.id), None)
    if state is None:
        yield Finding("absent", f"{spec.id} is not in the database")
        return
    due = model.occurrences(spec, state.created_at, evidence.disabled_by)
    starts = [record for record in evidence.starts if record.job == spec.jobs[0]]
    never_late = spec.misfire == "run_all" or spec.limited
    patience = float("inf") if never_late else CALM_LAG_S + _longest_trouble(evidence)
    found = match(due, starts, patience)
    licences = _licences(evidence, spec)
    if len(found.extra) > licences:
        some = ", ".join(f"{record.at:.2f} by {record.pid}" for record in found.extra[:5])
        yield Finding(
            "unlicensed",
            f"{spec.id}: {len(found.extra)} starts without an occurrence ({some}), of which "
            f"{licences} may be",
        )
    yield from _misses(evidence, spec, [at for at in due if at <= evidence.disabled_at], starts)


def _licences(evidence: Evidence, spec: Spec) -> int:
    """How many starts may be second ones: after a cut-off or an error, where policy allows."""
    ends = {
        (record.run, record.pid): record for record in evidence.ledger if record.kind != "start"
    }
    licences = 0
    for start in evidence.starts:
        if start.job != spec.jobs[0]:
            continue
        end = ends.get((start.run, start.pid))
        raised = end is not None and end.kind == "raised"
        # An end that was not written down before the process died is as good as none.
        until = (end.at if end else start.at + spec.longest) + evidence.lock_timeout
        struck = evidence.struck(start.pid, DEADLY, start.at, until)
        if (raised and spec.retries) or (struck and spec.on_lost == "rerun"):
            licences += 1
    return licences


def _misses(
    evidence: Evidence, spec: Spec, due: Sequence[int], starts: Sequence[Record]
) -> Iterator[Finding]:
    """In the calm every occurrence starts; of a complete schedule every one does, some time."""
    if spec.limited:
        return  # an earlier firing may rightly be in the way
    seconds = Counter(int(record.at) for record in starts)
    calm = [at for at in due if is_calm(evidence, at) and at <= evidence.disabled_at - CALM_LAG_S]
    in_calm = match(calm, [s for s in starts if s.at >= min(calm, default=0)], CALM_LAG_S)
    for occurrence in calm:
        if occurrence not in in_calm.matched and not seconds[occurrence]:
            yield Finding("missed", f"{spec.id}: nothing started for {occurrence}, in the calm")
    if spec.misfire == "run_all" and spec.on_lost == "rerun":
        short = len(due) - len(starts)
        if short > 0:
            yield Finding("missed", f"{spec.id}: {len(due)} occurrences, {len(starts)} starts")


def _seconds(evidence: Evidence) -> range:
    first = min((state.created_at for state in evidence.schedules), default=0.0)
    return range(int(first) + 1, int(evidence.disabled_at))


def is_calm(evidence: Evidence, at: float) -> bool:
    """Nothing was struck shortly before, or while an occurrence of then might start."""
    since = at - 2 * evidence.lock_timeout - SETTLING_S
    return not any(
        fault.begun <= at + CALM_LAG_S
        and ((fault.ended or fault.begun) >= since or fault.kind in LASTING)
        for fault in evidence.faults
        if fault.kind != "end"
    )


def _longest_trouble(evidence: Evidence) -> float:
    """How long the longest row of faults lasted with no calm between them."""
    longest = begun = last = 0.0
    for at in _seconds(evidence):
        if is_calm(evidence, at):
            continue
        if at > last + 1:
            begun = at
        last = at
        longest = max(longest, last - begun)
    return longest
