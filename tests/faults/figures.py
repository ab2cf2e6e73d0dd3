"""What a trial measured: a zero is told as "0 of n"."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.faults import blind, exact, model
from tests.faults.evidence import Evidence
from tests.faults.verdict import Judgement


@dataclass(frozen=True)
class Share:
    """So many of so many."""

    found: int
    of: int

    def __str__(self) -> str:
        return f"{self.found} of {self.of}"


@dataclass(frozen=True)
class Spread:
    """Seconds: the middle, one in a hundred, the longest."""

    seconds: Sequence[float]

    def __str__(self) -> str:
        if not self.seconds:
            return "none"
        ordered = sorted(self.seconds)
        parts = [ordered[int(share * (len(ordered) - 1))] for share in (0.5, 0.99, 1.0)]
        p50, p99, longest = (f"{part:.2f}" for part in parts)
        return f"{p50} s, p99 {p99} s, longest {longest} s, of {len(ordered)}"


def figures(
    evidence: Evidence, judgement: Judgement, events: Iterable[dict[str, object]]
) -> dict[str, object]:
    """The figures by their names."""
    due = sum(_due(evidence))
    broken = Counter(finding.rule for finding in judgement.findings)
    runs = len(evidence.runs)
    unexplained = [
        run_id
        for run_id, at in evidence.lost_at.items()
        if not exact.has_cause(evidence, evidence.run_by_id[run_id], at)
    ]
    calm, fault = _lags(evidence)
    return {
        "faults": dict(Counter(fault.kind for fault in evidence.faults if fault.kind != "end")),
        "occurrences": due,
        "missing": Share(broken["missing"] + broken["missed"], due),
        "duplicates": Share(broken["duplicated"] + broken["twice"] + broken["unlicensed"], due),
        "early": Share(broken["early"], len(evidence.starts)),
        "lost job runs": Share(len(evidence.lost_at), runs),
        "re-runs": Share(_reruns(evidence), runs),
        "false re-runs": Share(len(unexplained), runs),
        "writes refused (fenced)": sum(event["event"] == "fenced" for event in events),
        "detection of the dead": Spread(_detections(evidence)),
        "start lag in calm": Spread(calm),
        "start lag under fault": Spread(fault),
        "catch-up after the last fault": f"{_catch_up(evidence):.1f} s",
    }


def _due(evidence: Evidence) -> Iterable[int]:
    states = {state.id: state for state in evidence.schedules}
    for spec in evidence.specs:
        if spec.id in states:
            yield len(model.occurrences(spec, states[spec.id].created_at, evidence.disabled_at))


def _reruns(evidence: Evidence) -> int:
    again = {(run.firing_id, run.job_name, run.attempt) for run in evidence.runs}
    return sum(
        (run.firing_id, run.job_name, run.attempt + 1) in again
        for run in evidence.runs
        if run.status == "LOST"
    )


def _detections(evidence: Evidence) -> list[float]:
    """From the death of a process to the loss of its job runs, in seconds."""
    died = {fault.pid: fault.begun for fault in evidence.faults if fault.kind in ("kill", "exit")}
    found = []
    for run_id, at in evidence.lost_at.items():
        pid = evidence.workers.get(evidence.run_by_id[run_id].worker_id or "")
        if pid in died and at > died[pid]:
            found.append(at - died[pid])
    return found


def _lags(evidence: Evidence) -> tuple[list[float], list[float]]:
    """Seconds from occurrence to start of first attempts that nothing held back."""
    free = {spec.jobs[0] for spec in evidence.specs if not spec.limited}
    calm: list[float] = []
    fault: list[float] = []
    for start in evidence.starts:
        if start.job in free and start.attempt == 1:
            of = calm if blind.is_calm(evidence, start.occurrence) else fault
            of.append(start.at - start.occurrence)
    return calm, fault


def _catch_up(evidence: Evidence) -> float:
    """From the end of the last fault to the last start that came more than a second late."""
    over = max(
        (f.ended or f.begun for f in evidence.faults if f.kind != "end"),
        default=evidence.disabled_at,
    )
    free = {spec.jobs[0] for spec in evidence.specs if not spec.limited}
    late = [s.at for s in evidence.starts if s.job in free and s.at - s.occurrence > 1]
    return max(0.0, max(late, default=over) - over)
