"""The exact check: every occurrence, firing, job run and record against the model and the faults.

A pure function of the evidence. Each rule is a generator of findings, in the order of a life:
an occurrence is accounted for, its firing is claimed, its jobs run, and everything ends.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from tests.faults import model
from tests.faults.evidence import Evidence, Firing, Move, Run
from tests.faults.ledger import Record
from tests.faults.verdict import Finding, Judgement
from tests.faults.workload import MAX_LOST, Spec

CLOCKS_S = 0.02
"""How far the ledger's times, turned into the database's, may be off."""
SLACK_S = 2.0
"""How late anything may be on a machine that others use too."""
UNDER_WAY_S = 1.0
"""How long a claim may take whose lock was taken before its server went away."""
DEADLY = {"kill", "exit", "freeze", "silence", "starved", "end"}
"""Faults after which a worker may rightly be declared dead."""
CUTTING = {"cut", "outage", "reset"}
"""Faults that end connections. One within a delay, which makes each step of connecting late, may
take longer than a lock timeout to get over."""

_LIVE = {"QUEUED", "RUNNING", "WAITING"}
_FIRING = {
    None: {"QUEUED", "RUNNING", "SKIPPED"},
    "QUEUED": {"QUEUED", "RUNNING", "SKIPPED", "CANCELLED", "FAILED"},
    "RUNNING": {"QUEUED", "WAITING", "SUCCESS", "FAILED", "CANCELLED"},
    "WAITING": {"RUNNING", "CANCELLED"},
}
_RUN = {
    None: {"QUEUED", "RUNNING"},
    "QUEUED": {"QUEUED", "RUNNING", "SKIPPED", "CANCELLED"},
    "RUNNING": {"SUCCESS", "FAILED", "CANCELLED", "LOST"},
}


def check(evidence: Evidence) -> Judgement:
    """Everything that the evidence says against the promises."""
    rules = (
        _accounting,
        _reasons,
        _clocks,
        _transitions,
        _claims,
        _overlaps,
        _locks,
        _records,
        _attempts,
        _losses,
        _endings,
        _exits,
    )
    return Judgement(tuple(f for rule in rules for f in rule(evidence)), evidence.doubts)


# Occurrences


def _accounting(evidence: Evidence) -> Iterator[Finding]:
    """I1, I2: each occurrence is one firing or part of one recorded skip, and nothing else is."""
    states = {state.id: state for state in evidence.schedules}
    for spec in evidence.specs:
        state = states.get(spec.id)
        if state is None or state.last_scheduled_for is None:
            yield Finding("missing", f"{spec.id} never fired")
            continue
        if state.last_scheduled_for < evidence.disabled_at - spec.every - SLACK_S:
            yield Finding("stopped", f"{spec.id} was last decided for {state.last_scheduled_for}")
        expected = model.occurrences(spec, state.created_at, state.last_scheduled_for)
        found = Counter(covered(spec, _of(evidence.firings, spec.id)))
        for occurrence in expected:
            if not found[occurrence]:
                yield Finding("missing", f"{spec.id} {occurrence} was neither fired nor skipped")
        for occurrence, times in found.items():
            if times > 1:
                yield Finding("duplicated", f"{spec.id} {occurrence} is there {times} times")
        for occurrence in sorted(found.keys() - set(expected)):
            yield Finding("spurious", f"{spec.id} {occurrence} was never due")


def _of(firings: Iterable[Firing], schedule_id: str) -> list[Firing]:
    return [firing for firing in firings if firing.schedule_id == schedule_id]


def covered(spec: Spec, firings: Iterable[Firing]) -> Iterator[int]:
    """The occurrences that the firings stand for, each as often as one does."""
    for firing in firings:
        if firing.missed_from is None:
            yield firing.occurrence
        else:
            yield from model.occurrences(spec, firing.missed_from - 1, firing.scheduled_for)


def _reasons(evidence: Evidence) -> Iterator[Finding]:
    """What is skipped has a reason that its schedule's policy allows, and that holds."""
    specs = {spec.id: spec for spec in evidence.specs}
    for firing in evidence.firings:
        named = f"firing {firing.id} of {firing.schedule_id} {firing.occurrence}"
        spec = specs[firing.schedule_id]
        if firing.reason == "no_worker" or (firing.status == "CANCELLED" and not spec.heeds):
            yield Finding("reason", f"{named} ended {firing.status}, {firing.reason}")
        if firing.status != "SKIPPED":
            continue
        if firing.reason not in _allowed_reasons(spec):
            yield Finding("reason", f"{named} was skipped, {firing.reason}")
        if firing.missed_count is not None:
            count = len(list(covered(spec, [firing])))
            if count != firing.missed_count:
                yield Finding("count", f"{named} stands for {count}, not {firing.missed_count}")
        if firing.reason == "overlap" and not _was_in_the_way(evidence, firing):
            yield Finding(
                "phantom", f"{named} was skipped for {firing.blocked_by}, which had ended"
            )


def _allowed_reasons(spec: Spec) -> set[str]:
    reasons = {"paused"}
    if spec.misfire != "run_all":
        reasons.add("missed")
        if spec.overlap in ("skip", "queue"):
            reasons.add("overlap")
    if spec.deadline is not None:
        reasons.add("deadline")
    return reasons


def _was_in_the_way(evidence: Evidence, skipped: Firing) -> bool:
    blocker = evidence.firing_by_id.get(skipped.blocked_by or 0)
    if blocker is None or blocker.schedule_id != skipped.schedule_id:
        return False
    ended = blocker.finished_at
    return blocker.created_at <= skipped.created_at + SLACK_S and (
        ended is None or ended >= skipped.created_at - SLACK_S
    )


# Times


def _clocks(evidence: Evidence) -> Iterator[Finding]:
    """I6: never early; and never after the start deadline, by the database's word."""
    specs = {spec.id: spec for spec in evidence.specs}
    for record in evidence.starts:
        if record.at < record.occurrence - CLOCKS_S:
            early = record.occurrence - record.at
            yield Finding(
                "early", f"run {record.run} of {record.schedule} began {early:.3f} s early"
            )
    for firing in evidence.firings:
        spec = specs[firing.schedule_id]
        if firing.started_at is None:
            continue
        if firing.started_at < firing.scheduled_for:
            yield Finding("early", f"firing {firing.id} of {spec.id} {firing.occurrence}")
        late = firing.started_at - firing.scheduled_for
        if spec.deadline is not None and late > spec.deadline:
            yield Finding("deadline", f"firing {firing.id} of {spec.id} started {late:.3f} s late")


# States


def _transitions(evidence: Evidence) -> Iterator[Finding]:
    """Nothing that has ended changes again; nothing changes in a way that has no arrow."""
    for move in evidence.moves:
        allowed = {"firing": _FIRING, "run": _RUN}.get(move.kind)
        if allowed is not None and move.became not in allowed.get(move.was, set()):
            yield Finding("transition", f"{move.kind} {move.row}: {move.was} -> {move.became}")


def _claims(evidence: Evidence) -> Iterator[Finding]:
    """I3: only the worker that holds the claim starts and ends the firing's job runs."""
    firings: dict[int, Move] = {}
    for move in evidence.moves:
        if move.kind == "firing":
            firings[int(move.row)] = move
        elif move.kind == "run" and move.became in ("RUNNING", "SUCCESS", "FAILED"):
            run = evidence.run_by_id.get(int(move.row))
            if run is not None and not _holds(move, firings.get(run.firing_id)):
                yield Finding(
                    "fencing",
                    f"run {run.id} became {move.became} by {move.worker}, while firing "
                    f"{run.firing_id} stood at {firings.get(run.firing_id)}",
                )


def _holds(move: Move, firing: Move | None) -> bool:
    """Whether the run's worker has the firing, or has ended it in the same transaction."""
    if firing is None or firing.worker != move.worker:
        return False
    together = firing.transaction is not None and firing.transaction == move.transaction
    return firing.became == "RUNNING" or (together and firing.was == "RUNNING")


def _overlaps(evidence: Evidence) -> Iterator[Finding]:
    """I9: where overlap is limited, no two firings of a schedule run at once."""
    limited = {spec.id for spec in evidence.specs if spec.limited}
    running: dict[str, set[int]] = defaultdict(set)
    for move in evidence.moves:
        firing = evidence.firing_by_id.get(int(move.row)) if move.kind == "firing" else None
        if firing is None or firing.schedule_id not in limited:
            continue
        at_once = running[firing.schedule_id]
        (at_once.add if move.became == "RUNNING" else at_once.discard)(firing.id)
        if len(at_once) > 1 and move.became == "RUNNING":
            yield Finding("overlap", f"{firing.schedule_id}: firings {sorted(at_once)} at once")
    yield from _overlapping_work(evidence, limited)


def _overlapping_work(evidence: Evidence, limited: set[str]) -> Iterator[Finding]:
    """The same by the ledger, where nobody was declared dead while at work."""
    ends = {record.run: record.at for record in evidence.ledger if record.kind != "start"}
    busy_until: dict[str, tuple[float, Record]] = {}
    for record in evidence.starts:
        if record.schedule not in limited or record.run in evidence.lost_at:
            continue
        until, earlier = busy_until.get(record.schedule, (0.0, record))
        if earlier.firing != record.firing and record.at < until - CLOCKS_S:
            yield Finding("overlap", f"{record.schedule}: {earlier.run} and {record.run} at once")
        end = ends.get(record.run)
        if end is not None and end > until:
            busy_until[record.schedule] = (end, record)


def _locks(evidence: Evidence) -> Iterator[Finding]:
    """While the lock backend is away, nothing that needs a lock is claimed."""
    limited = {spec.id for spec in evidence.specs if spec.limited}
    away = [fault for fault in evidence.faults if fault.kind == "no-lock"]
    for move in evidence.moves:
        if move.kind != "firing" or move.became != "RUNNING":
            continue
        firing = evidence.firing_by_id[int(move.row)]
        for fault in away:
            last = fault.ended or evidence.disabled_at
            if firing.schedule_id in limited and fault.begun + UNDER_WAY_S < move.at < last:
                yield Finding("unlocked", f"firing {firing.id} of {firing.schedule_id} was claimed")


# Job runs


def _records(evidence: Evidence) -> Iterator[Finding]:
    """I5: what the jobs say fits what the database says of them."""
    running_at = {
        int(m.row): m.at for m in evidence.moves if m.kind == "run" and m.became == "RUNNING"
    }
    records: dict[int, list[Record]] = defaultdict(list)
    for record in evidence.ledger:
        records[record.run].append(record)
    for run_id, of_run in records.items():
        run = evidence.run_by_id.get(run_id)
        if run is None:
            yield Finding("record", f"run {run_id} is at work, and the database knows of none")
            continue
        if [record.kind for record in of_run].count("start") != 1 or len(of_run) > 2:
            kinds = ", ".join(f"{record.kind} by {record.pid}" for record in of_run)
            yield Finding("twice", f"run {run_id} of {run.job_name}: {kinds}")
        start = of_run[0]
        if (run.firing_id, run.job_name, run.attempt) != (start.firing, start.job, start.attempt):
            yield Finding("record", f"run {run_id} was told that it is {start}")
        if run_id not in running_at or start.at < running_at[run_id] - CLOCKS_S:
            yield Finding("unmarked", f"run {run_id} began before it was RUNNING")
        if start.at > evidence.lost_at.get(run_id, start.at) + CLOCKS_S:
            yield from _late_start(evidence, start)
    for run in evidence.runs:
        yield from _fits(run, records[run.id])


def _late_start(evidence: Evidence, start: Record) -> Iterator[Finding]:
    """I7: who was declared dead starts nothing, unless it was frozen on the way to the start."""
    woken = any(
        fault.pid in (None, start.pid)
        and fault.kind in ("freeze", "starved", "silence")
        and fault.ended is not None
        and fault.ended - CLOCKS_S <= start.at <= fault.ended + 0.5
        for fault in evidence.faults
    )
    if not woken:
        late = start.at - evidence.lost_at[start.run]
        yield Finding("dead", f"run {start.run} began {late:.2f} s after it was LOST")


_SAID = {
    "SUCCESS": (["start", "done"], ["start", "stopped"]),
    "FAILED": (["start", "raised"],),
}


def _fits(run: Run, records: list[Record]) -> Iterator[Finding]:
    said = [record.kind for record in records]
    expected = _SAID.get(run.status)
    if expected is not None and said not in expected:
        yield Finding("record", f"run {run.id} of {run.job_name} is {run.status}, it said {said}")
    if run.status in ("QUEUED", "SKIPPED") and said:
        yield Finding("record", f"run {run.id} of {run.job_name} is {run.status}, it said {said}")


def _attempts(evidence: Evidence) -> Iterator[Finding]:
    """A job runs again for a cause, and dependents run after what they depend on."""
    specs = {spec.id: spec for spec in evidence.specs}
    by_job: dict[tuple[int, str], list[Run]] = defaultdict(list)
    for run in evidence.runs:
        by_job[run.firing_id, run.job_name].append(run)
    for (firing_id, job), runs in by_job.items():
        spec = specs[runs[0].schedule_id]
        runs.sort(key=lambda run: run.attempt)
        named = f"{job} of firing {firing_id}"
        statuses = [run.status for run in runs]
        if [run.attempt for run in runs] != list(range(1, len(runs) + 1)):
            yield Finding("attempts", f"{named}: {[run.attempt for run in runs]}")
        for status in statuses[:-1]:
            if not (status == "FAILED" and spec.retries) and not (
                status == "LOST" and spec.on_lost == "rerun"
            ):
                yield Finding("rerun", f"{named} ran again after {statuses}")
        if statuses.count("FAILED") > spec.retries + 1 or statuses.count("LOST") > MAX_LOST + 1:
            yield Finding("attempts", f"{named}: {statuses}")
    yield from _order(evidence)


def _order(evidence: Evidence) -> Iterator[Finding]:
    done: dict[tuple[int, str], float] = {}
    for record in evidence.ledger:
        if record.kind == "done":  # the first: a lost attempt may end after the one that counts
            done.setdefault((record.firing, record.job), record.at)
    before = {later: earlier for spec in evidence.specs for earlier, later in pairwise(spec.jobs)}
    for record in evidence.starts:
        earlier = before.get(record.job)
        ready_at = done.get((record.firing, earlier or ""))
        if earlier is not None and (ready_at is None or record.at < ready_at):
            yield Finding("order", f"{record.job} before {earlier} in firing {record.firing}")


def _losses(evidence: Evidence) -> Iterator[Finding]:
    """Nobody is declared dead without cause: neither a slow database nor its outage is one."""
    for run_id, at in evidence.lost_at.items():
        run = evidence.run_by_id[run_id]
        if not has_cause(evidence, run, at):
            worker = f"{run.worker_id} (pid {evidence.workers.get(run.worker_id or '')})"
            near = _strikes_before(evidence, run, at)
            yield Finding(
                "alive", f"run {run_id} of {run.job_name} is LOST, {worker} lived: {near}"
            )


def has_cause(evidence: Evidence, run: Run, at: float) -> bool:
    """Whether a fault had struck the worker whose run was declared lost."""
    pid = evidence.workers.get(run.worker_id or "")
    since = at - 2 * evidence.lock_timeout - SLACK_S
    if pid is None:
        return False
    if run.reason == "shutdown":
        return evidence.struck(pid, {"term-twice", "end", "kill"}, since, at)
    return evidence.struck(pid, DEADLY, since, at) or any(
        evidence.struck(pid, CUTTING, max(since, delay.begun), min(at, delay.ended or at))
        for delay in evidence.faults
        if delay.kind == "delay" and delay.pid == pid and delay.begun <= at
    )


def _strikes_before(evidence: Evidence, run: Run, at: float) -> str:
    """What struck a worker in the last lock timeouts, in seconds before it was declared lost."""
    pid = evidence.workers.get(run.worker_id or "")
    since = at - 3 * evidence.lock_timeout
    struck = [
        f"{fault.kind} {fault.begun - at:.1f} to {(fault.ended or at) - at:.1f}"
        for fault in evidence.faults
        if fault.pid in (None, pid) and fault.begun <= at and (fault.ended or at) >= since
    ]
    return ", ".join(struck) or "nothing struck it"


# Ends


def _endings(evidence: Evidence) -> Iterator[Finding]:
    """I4: when the faults are over, nothing is left hanging, and every end is counted."""
    runs: dict[int, list[Run]] = defaultdict(list)
    for run in evidence.runs:
        runs[run.firing_id].append(run)
    for firing in evidence.firings:
        if firing.status in _LIVE:
            yield Finding("hanging", f"firing {firing.id} of {firing.schedule_id} {firing.status}")
        elif firing.status != "SKIPPED" and firing.status != _ending(runs[firing.id]):
            statuses = [(run.job_name, run.attempt, run.status) for run in runs[firing.id]]
            yield Finding("ending", f"firing {firing.id} ended {firing.status}: {statuses}")
    for run in evidence.runs:
        if run.status in _LIVE:
            yield Finding("hanging", f"run {run.id} of {run.job_name} is {run.status}")
    for state in evidence.schedules:
        ended = Counter(firing.status for firing in _of(evidence.firings, state.id))
        counts = (state.run_count, state.failure_count)
        if counts != (ended["SUCCESS"], ended["FAILED"]):
            yield Finding("counts", f"{state.id} has {counts}, of {dict(ended)}")
        if state.locked_by is not None or state.problem is not None:
            yield Finding("hanging", f"{state.id}: {state.locked_by=} {state.problem=}")


def _ending(runs: list[Run]) -> str | None:
    last = {run.job_name: run.status for run in sorted(runs, key=lambda run: run.attempt)}
    statuses = set(last.values())
    if statuses & {"FAILED", "LOST"}:
        return "FAILED"
    return "CANCELLED" if "CANCELLED" in statuses or not statuses else "SUCCESS"


def _exits(evidence: Evidence) -> Iterator[Finding]:
    """I15: no daemon ends by itself, and one that could drain says so by its exit code."""
    registered = set(evidence.workers.values())
    for ended in evidence.exits:
        if ended.code == -15 and ended.pid not in registered:
            continue  # it was told to end before it had begun
        clean = ended.code in _CODES.get(ended.cause, ())
        others = DEADLY | {"outage", "cut", "full", "reset", "delay", "pause", "nap"}
        if not clean and not (
            ended.cause == "term"
            and any(
                evidence.struck(pid, kinds, ended.at - 4 * evidence.lock_timeout, ended.at)
                for pid, kinds in ((ended.pid, others), *_held_up_by(evidence))
            )
        ):
            why = ended.cause or ended.said
            yield Finding("exit", f"process {ended.pid} ended with {ended.code} ({why})")
    for note in evidence.notes:
        yield Finding("exit", note)


def _held_up_by(evidence: Evidence) -> Iterator[tuple[int, set[str]]]:
    """Whose freezing keeps others from writing down what they ran within their grace."""
    if evidence.one_writer:
        yield from ((pid, {"freeze", "nap"}) for pid in set(evidence.workers.values()))


_CODES: dict[str | None, tuple[int, ...]] = {
    "kill": (-9, 0, 1),  # it may have ended just before
    "armed": (-9,),
    "term": (0,),
    "term-twice": (0, 1, -15),  # the second may come when everything is over
    "refused": (3,),
    "end": (0,),
}
