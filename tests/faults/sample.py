"""A small trial in which every promise was kept, for the checkers' own tests to spoil."""

from dataclasses import replace
from typing import Any

from tests.faults.evidence import Evidence, Firing, Move, Run, Schedule
from tests.faults.ledger import Record
from tests.faults.workload import Spec

T0 = 1_800_000_000
"""When the schedules were created, and enabled."""
FIRED = 30
LOCK_TIMEOUT = 2.5
SPEC = Spec("s", misfire="run_all", on_lost="rerun", overlap="skip")


def sample(spec: Spec = SPEC) -> Evidence:
    """One schedule, each of its occurrences fired, begun after 0.1 s and done after 0.3 s."""
    occurrences = [T0 + number for number in range(1, FIRED + 1)]
    return Evidence(
        specs=(spec,),
        schedules=(Schedule(spec.id, T0, occurrences[-1], FIRED, 0, None, None),),
        firings=tuple(firing(n, at) for n, at in enumerate(occurrences, 1)),
        runs=tuple(run(n, at) for n, at in enumerate(occurrences, 1)),
        moves=tuple(move for n, at in enumerate(occurrences, 1) for move in moves(n, at)),
        workers={"w1": 11, "w2": 22},
        ledger=tuple(record for n, at in enumerate(occurrences, 1) for record in records(n, at)),
        faults=(),
        exits=(),
        disabled_at=T0 + FIRED + 0.5,
        disabled_by=T0 + FIRED + 0.6,
        lock_timeout=LOCK_TIMEOUT,
    )


def firing(number: int, occurrence: float, **changed: Any) -> Firing:
    made = Firing(
        id=number,
        schedule_id="s",
        scheduled_for=occurrence,
        status="SUCCESS",
        reason=None,
        blocked_by=None,
        missed_count=None,
        missed_from=None,
        created_at=occurrence + 0.05,
        started_at=occurrence + 0.05,
        finished_at=occurrence + 0.35,
    )
    return replace(made, **changed)


def run(number: int, occurrence: float, **changed: Any) -> Run:
    made = Run(
        id=number,
        firing_id=number,
        schedule_id="s",
        job_name="s",
        attempt=1,
        status="SUCCESS",
        reason=None,
        started_at=occurrence + 0.05,
        finished_at=occurrence + 0.35,
        worker_id="w1",
    )
    return replace(made, **changed)


def moves(number: int, occurrence: float, worker: str = "w1") -> list[Move]:
    row, first = str(number), 10 * number
    return [
        Move(first, "firing", row, None, "RUNNING", worker, occurrence + 0.05),
        Move(first + 1, "run", row, None, "RUNNING", worker, occurrence + 0.05),
        Move(first + 2, "run", row, "RUNNING", "SUCCESS", worker, occurrence + 0.35),
        Move(first + 3, "firing", row, "RUNNING", "SUCCESS", worker, occurrence + 0.35),
    ]


def records(number: int, occurrence: int, pid: int = 11, attempt: int = 1) -> list[Record]:
    def record(kind: str, at: float) -> Record:
        return Record(kind, "s", "s", occurrence, number, attempt, number, pid, at)

    return [record("start", occurrence + 0.1), record("done", occurrence + 0.3)]
