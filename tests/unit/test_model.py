"""The states and their transitions."""

from jobsched.model import (
    FIRING_TRANSITIONS,
    LIVE_FIRINGS,
    LIVE_RUNS,
    RUN_TRANSITIONS,
    FiringStatus,
    JobRunStatus,
)


def test_every_state_is_in_the_table_of_transitions() -> None:
    """No state of a firing or a job run is forgotten in the tables that code and docs read."""
    assert set(FIRING_TRANSITIONS) == set(FiringStatus)
    assert set(RUN_TRANSITIONS) == set(JobRunStatus)


def test_live_is_what_has_a_way_to_run_and_has_not_ended() -> None:
    """Ended job runs have no way out; only an operator's retry reopens an ended firing."""
    assert {status for status, to in RUN_TRANSITIONS.items() if to} == LIVE_RUNS
    ended = set(FiringStatus) - LIVE_FIRINGS
    assert all(FIRING_TRANSITIONS[status] <= {FiringStatus.QUEUED} for status in ended)
