"""The blind checker believes the ledger's times only, and finds what is too much and too little."""

from dataclasses import replace

from tests.faults import blind
from tests.faults.blind import match
from tests.faults.book import Fault
from tests.faults.evidence import Evidence
from tests.faults.ledger import Record
from tests.faults.sample import SPEC, T0, records, sample
from tests.faults.verdict import Verdict

FREE = replace(SPEC, overlap="allow")
AT = T0 + 10


def trial(*more: Record, drop: int | None = None, **changed: object) -> Evidence:
    evidence = sample(FREE)
    kept = tuple(record for record in evidence.ledger if record.run != drop)
    return replace(evidence, ledger=(*kept, *more), **changed)


def start_at(at: float, pid: int = 22) -> Record:
    return replace(records(99, round(at))[0], at=at, pid=pid)


def test_one_start_for_each_occurrence_is_valid() -> None:
    """Starts in their windows, one for each occurrence, are all that is wanted."""
    judgement = blind.check(trial())
    assert judgement.findings == ()
    assert judgement.verdict is Verdict.VALID


def test_a_second_start_is_found_whatever_it_calls_itself() -> None:
    """Its occurrence, attempt and firing may say what they like: there are too many starts."""
    liar = replace(start_at(AT + 0.2), occurrence=T0 - 500, attempt=2, firing=7)
    assert blind.check(trial(liar)).rules() == {"unlicensed"}


def test_an_early_start_has_no_occurrence() -> None:
    """Before the first occurrence nothing is due."""
    assert "unlicensed" in blind.check(trial(start_at(T0 + 0.5), drop=30)).rules()


def test_a_re_run_needs_a_licence() -> None:
    """A killed process, whose start has no end, allows one more start; of a job that fails when
    it is lost it allows none, and a kill of another process neither."""
    cut_off = replace(records(10, AT)[0], at=AT + 0.1)
    again = start_at(AT + 4)
    kill, other = Fault("kill", 11, AT + 0.2), Fault("kill", 33, AT + 0.2)
    evidence = trial(cut_off, again, drop=10)
    assert "unlicensed" not in blind.check(replace(evidence, faults=(kill,))).rules()
    assert "unlicensed" in blind.check(replace(evidence, faults=(other,))).rules()
    fails = replace(evidence, faults=(kill,), specs=(replace(FREE, on_lost="fail"),))
    assert "unlicensed" in blind.check(fails).rules()


def test_a_missing_start_is_found_in_the_calm() -> None:
    """While nothing is struck every occurrence starts in its window."""
    assert blind.check(trial(drop=10)).rules() == {"missed"}


def test_a_missing_start_under_fault_is_found_where_all_must_run() -> None:
    """A schedule that catches up on everything, and runs again what was lost, misses nothing."""
    kill = (Fault("kill", 11, AT - 0.5),)
    assert blind.check(trial(drop=10, faults=kill)).rules() == {"missed"}
    once = (replace(FREE, misfire="run_once"),)
    assert blind.check(trial(drop=10, faults=kill, specs=once)).findings == ()


def test_a_trial_without_a_calm_second_is_unknown() -> None:
    """Nothing can be said of starts in time when nothing had to be in time."""
    faults = tuple(Fault("kill", 11, T0 + 2.0 * number) for number in range(20))
    assert blind.check(trial(faults=faults)).verdict is Verdict.UNKNOWN


def test_starts_are_matched_to_the_oldest_occurrence_that_is_not_too_long_ago() -> None:
    """As many starts as can be find an occurrence; those too late, early or many find none."""
    starts = [start_at(at) for at in (9.0, 12.5, 12.6, 12.7, 30.0)]
    found = match([10, 11, 12], starts, patience=2.0)
    assert {at: start.at for at, start in found.matched.items()} == {11: 12.5, 12: 12.6}
    assert [start.at for start in found.extra] == [9.0, 12.7, 30.0]
