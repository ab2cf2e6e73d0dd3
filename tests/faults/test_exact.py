"""The exact checker finds what is spoilt in a trial that was fine, and nothing in one that is."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.faults import exact
from tests.faults.book import Exit, Fault
from tests.faults.evidence import Evidence, Move
from tests.faults.sample import FIRED, SPEC, T0, firing, moves, records, run, sample
from tests.faults.verdict import Verdict

Spoil = Callable[[Evidence], Evidence]
AT = T0 + 10
"""The occurrence that is spoilt, of firing 10 and run 10."""


def without(evidence: Evidence, number: int) -> Evidence:
    return replace(
        evidence,
        firings=tuple(one for one in evidence.firings if one.id != number),
        runs=tuple(one for one in evidence.runs if one.id != number),
        moves=tuple(one for one in evidence.moves if one.row != str(number)),
        ledger=tuple(one for one in evidence.ledger if one.run != number),
        schedules=(replace(evidence.schedules[0], run_count=FIRED - 1),),
    )


def skipped(evidence: Evidence, reason: str, **changed: object) -> Evidence:
    one = firing(10, AT, status="SKIPPED", reason=reason, started_at=None, finished_at=None)
    spoilt = without(evidence, 10)
    return replace(spoilt, firings=(*spoilt.firings, replace(one, **changed)))


def twice(evidence: Evidence) -> Evidence:
    number = FIRED + 1
    return replace(
        evidence,
        firings=(*evidence.firings, firing(number, AT)),
        runs=(*evidence.runs, run(number, AT)),
        moves=(*evidence.moves, *moves(number, AT + 5)),
        schedules=(replace(evidence.schedules[0], run_count=number),),
    )


def changed_firing(**changed: object) -> Spoil:
    return lambda evidence: replace(
        evidence,
        firings=tuple(replace(f, **changed) if f.id == 10 else f for f in evidence.firings),
    )


def changed_run(**changed: object) -> Spoil:
    return lambda evidence: replace(
        evidence, runs=tuple(replace(r, **changed) if r.id == 10 else r for r in evidence.runs)
    )


def changed_start(**changed: object) -> Spoil:
    return lambda evidence: replace(
        evidence,
        ledger=tuple(
            replace(r, **changed) if r.run == 10 and r.kind == "start" else r
            for r in evidence.ledger
        ),
    )


def more_moves(*more: Move) -> Spoil:
    return lambda evidence: replace(
        evidence, moves=tuple(sorted((*evidence.moves, *more), key=lambda move: move.seq))
    )


def run_after_its_firing(firing: int | None, run: int | None, *, worker: str = "w1") -> Spoil:
    """Run 10 is ended after its firing was, in these transactions."""
    ends = {
        102: Move(102, "firing", "10", "RUNNING", "SUCCESS", "w1", AT + 0.35, firing),
        103: Move(103, "run", "10", "RUNNING", "SUCCESS", worker, AT + 0.35, run),
    }
    return lambda evidence: replace(
        evidence, moves=tuple(ends.get(move.seq, move) for move in evidence.moves)
    )


def lost(evidence: Evidence) -> Evidence:
    """Run 10 was lost with worker w1 and ran again on w2."""
    number = FIRED + 1
    began = records(10, AT)[:1]
    again = [replace(r, run=number, attempt=2, at=r.at + 4) for r in records(10, AT, pid=22)]
    story = [
        Move(100, "firing", "10", None, "RUNNING", "w1", AT + 0.05),
        Move(101, "run", "10", None, "RUNNING", "w1", AT + 0.05),
        Move(501, "run", "10", "RUNNING", "LOST", "w1", AT + 3.5),
        Move(502, "run", str(number), None, "QUEUED", None, AT + 3.5),
        Move(503, "firing", "10", "RUNNING", "QUEUED", None, AT + 3.5),
        Move(504, "firing", "10", "QUEUED", "RUNNING", "w2", AT + 3.9),
        Move(505, "run", str(number), "QUEUED", "QUEUED", "w2", AT + 3.9),
        Move(506, "run", str(number), "QUEUED", "RUNNING", "w2", AT + 3.9),
        Move(507, "run", str(number), "RUNNING", "SUCCESS", "w2", AT + 4.4),
        Move(508, "firing", "10", "RUNNING", "SUCCESS", "w2", AT + 4.4),
    ]
    first = replace(run(10, AT), status="LOST", reason="worker_lost", finished_at=AT + 3.5)
    second = replace(run(number, AT, worker_id="w2", attempt=2), firing_id=10)
    return replace(
        evidence,
        specs=(replace(SPEC, overlap="allow"),),
        runs=(*(r for r in evidence.runs if r.id != 10), first, second),
        moves=(*(m for m in evidence.moves if m.row != "10"), *story),
        ledger=(*(r for r in evidence.ledger if r.run != 10), *began, *again),
    )


def killed(evidence: Evidence) -> Evidence:
    return replace(lost(evidence), faults=(Fault("kill", 11, AT + 0.2),))


def test_a_trial_that_kept_every_promise_is_valid() -> None:
    """Nothing is found where nothing is spoilt."""
    assert exact.check(sample()).findings == ()


def test_a_firing_and_its_run_that_end_in_one_transaction_end_in_either_order() -> None:
    """Nobody sees the one without the other, and the firing's lock is taken first."""
    assert exact.check(run_after_its_firing(7, 7)(sample())).findings == ()
    assert exact.check(sample()).verdict is Verdict.VALID


def test_what_a_killed_worker_ran_may_run_again() -> None:
    """A loss that has a cause, and the re-run that policy allows, are no findings."""
    assert exact.check(killed(sample())).findings == ()


@pytest.mark.parametrize("reason", ["missed", "overlap", "deadline", "cap"])
def test_a_skip_needs_a_reason_of_its_policy(reason: str) -> None:
    """`run_all` skips nothing as missed or for an overlap, no schedule for a deadline it has
    not; `paused` is always one."""
    assert "reason" in exact.check(skipped(sample(), reason)).rules()
    assert exact.check(skipped(sample(), "paused")).findings == ()


@pytest.mark.parametrize(
    ("rule", "spoil"),
    [
        ("missing", lambda e: without(e, 10)),
        ("duplicated", twice),
        ("spurious", changed_firing(scheduled_for=T0 + FIRED + 10.0)),
        ("count", lambda e: skipped(e, "paused", missed_from=AT, missed_count=3)),
        ("stopped", lambda e: replace(e, disabled_at=e.disabled_at + 20)),
        ("early", changed_start(at=AT - 0.5)),
        ("early", changed_firing(started_at=AT - 0.001)),
        (
            "deadline",
            lambda e: replace(
                changed_firing(started_at=AT + 2.5)(e), specs=(replace(SPEC, deadline=2.0),)
            ),
        ),
        ("transition", more_moves(Move(900, "run", "10", "LOST", "SUCCESS", "w1", AT + 5))),
        ("transition", more_moves(Move(900, "firing", "10", "SUCCESS", "RUNNING", "w1", AT + 5))),
        ("fencing", run_after_its_firing(None, None)),
        ("fencing", run_after_its_firing(7, 8)),
        ("fencing", run_after_its_firing(7, 7, worker="w2")),
        ("fencing", more_moves(Move(102, "run", "10", "RUNNING", "SUCCESS", "w2", AT + 0.2))),
        ("overlap", more_moves(Move(101, "firing", "11", None, "RUNNING", "w2", AT + 0.2))),
        ("overlap", changed_start(at=AT - 0.8)),
        ("record", lambda e: replace(e, runs=tuple(r for r in e.runs if r.id != 10))),
        ("record", lambda e: replace(e, ledger=tuple(r for r in e.ledger if r.run != 10))),
        ("record", changed_run(status="FAILED")),
        ("twice", lambda e: replace(e, ledger=(*e.ledger, *records(10, AT, pid=22)))),
        ("unmarked", changed_start(at=AT + 0.01)),
        ("attempts", changed_run(attempt=2)),
        ("alive", lost),
        ("alive", lambda e: replace(lost(e), faults=(Fault("kill", 22, AT + 0.2),))),
        ("alive", lambda e: replace(lost(e), faults=(Fault("outage", None, AT + 0.2, AT + 3),))),
        ("rerun", lambda e: replace(killed(e), specs=(replace(SPEC, on_lost="fail"),))),
        ("hanging", changed_firing(status="RUNNING")),
        ("hanging", changed_run(status="QUEUED")),
        ("ending", changed_firing(status="FAILED")),
        ("counts", lambda e: replace(e, schedules=(replace(e.schedules[0], run_count=29),))),
        ("hanging", lambda e: replace(e, schedules=(replace(e.schedules[0], locked_by="w:1"),))),
        ("exit", lambda e: replace(e, exits=(Exit(11, 1, None, AT),))),
        ("exit", lambda e: replace(e, exits=(Exit(11, 1, "term", AT),))),
        ("exit", lambda e: replace(e, notes=("it did not end",))),
        ("unlocked", lambda e: replace(e, faults=(Fault("no-lock", None, AT - 5, AT + 5),))),
    ],
)
def test_each_broken_promise_is_found(rule: str, spoil: Spoil) -> None:
    """Every rule of the checker finds what it is there for: the trial is invalid, and says so."""
    judgement = exact.check(spoil(sample()))
    assert rule in judgement.rules()
    assert judgement.verdict is Verdict.INVALID


def test_a_drain_that_a_frozen_writer_holds_up_is_found_unless_there_is_one_writer() -> None:
    """On SQLite who is frozen while it writes blocks everyone; elsewhere a drain ends in time."""
    frozen = Fault("freeze", 22, AT - 7, AT)
    spoilt = replace(sample(), exits=(Exit(11, 1, "term", AT),), faults=(frozen,))
    spoilt = replace(spoilt, workers={**spoilt.workers, "other": 22})
    assert "exit" in exact.check(spoilt).rules()
    assert "exit" not in exact.check(replace(spoilt, one_writer=True)).rules()


def test_a_start_after_the_loss_is_found_unless_it_was_frozen_on_the_way() -> None:
    """Who was declared dead starts nothing; a process cannot help what it did when it woke."""
    spoilt = changed_start(at=AT + 3.8)(killed(sample()))
    start = next(r for r in spoilt.ledger if r.run == 10)
    assert start.at > spoilt.lost_at[10]
    assert "dead" in exact.check(spoilt).rules()
    frozen = Fault("freeze", 11, AT + 0.1, AT + 3.7)
    assert "dead" not in exact.check(replace(spoilt, faults=(frozen,))).rules()


def test_who_connects_anew_within_a_delay_may_be_late_with_its_heartbeat() -> None:
    """A delay alone kills nobody, nor does a cut; a cut while each step of connecting is late
    may."""
    spoilt = lost(sample())
    at = max(spoilt.lost_at.values())
    delay = Fault("delay", 11, at - 4, at - 1)
    for cut, found in (((at - 3, at - 2.9), False), ((at - 0.9, at - 0.8), True)):
        faults = (delay, Fault("cut", None, *cut))
        assert ("alive" in exact.check(replace(spoilt, faults=faults)).rules()) is found
    told = exact.check(replace(spoilt, faults=(delay,))).findings
    assert any("lived: delay -4.0 to -1.0" in one.what for one in told if one.rule == "alive")


def test_a_skip_for_an_overlap_needs_a_live_firing_in_the_way() -> None:
    """What had ended long before, or never was, blocks nothing."""
    specs = (replace(SPEC, misfire="run_once"),)
    for blocker, found in ((9, False), (2, True), (999, True)):
        spoilt = replace(skipped(sample(), "overlap", blocked_by=blocker), specs=specs)
        assert ("phantom" in exact.check(spoilt).rules()) is found


def test_a_dependent_starts_after_what_it_depends_on() -> None:
    """By the ledger: the first job said that it was done before the second began."""
    spec = replace(SPEC, chained=True)
    evidence = sample()
    ledger = tuple(replace(r, job="s.then") if r.kind == "start" else r for r in evidence.ledger)
    assert "order" in exact.check(replace(evidence, specs=(spec,), ledger=ledger)).rules()


def test_doubts_make_a_clean_trial_unknown() -> None:
    """What could not be checked is not valid, and not invalid either."""
    assert exact.check(replace(sample(), doubts=("a clock was set",))).verdict is Verdict.UNKNOWN
