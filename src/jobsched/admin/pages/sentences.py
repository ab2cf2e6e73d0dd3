"""A schedule's policies in sentences: what happens when, for who did not write the code."""

from collections.abc import Iterator

from jobsched import phrases
from jobsched.model import (
    ExecutionMode,
    Misfire,
    Overlap,
    ScheduleDeclaration,
    ScheduleState,
)

_OVERLAPS = {
    Overlap.SKIP: "An occurrence that comes due while an earlier firing is live is skipped.",
    Overlap.QUEUE: (
        "An occurrence that comes due while an earlier firing is live waits for it; one waits at "
        "most, and later ones are skipped."
    ),
    Overlap.ALLOW: "Firings may run side by side.",
    Overlap.CANCEL_PREVIOUS: (
        "An occurrence that comes due while an earlier firing is live has that one cancelled, and "
        "starts when it has ended."
    ),
}


def policies(state: ScheduleState) -> list[tuple[str, str]]:
    """What the declaration says of how it fires: a word for each policy, and a sentence."""
    declared = state.declaration
    return [
        ("Overlap", _OVERLAPS[declared.overlap]),
        ("Misfire", misfire(declared)),
        *_limits(declared),
        *_bounds(state),
    ]


def misfire(declared: ScheduleDeclaration) -> str:
    """What becomes of occurrences that nobody noticed in time, as when no daemon was alive."""
    grace = phrases.span(declared.misfire_grace)
    if declared.misfire is Misfire.RUN_ONCE:
        return (
            "When occurrences were missed, the latest of them fires, however late; the earlier "
            "ones are skipped."
        )
    if declared.misfire is Misfire.SKIP:
        return (
            f"An occurrence that is noticed more than {grace} late is skipped; of several, only "
            "the latest fires, and only within that time."
        )
    return (
        f"When occurrences were missed, each of them fires, oldest first: those of the last "
        f"{phrases.span(declared.catchup_window)}, {declared.max_catchup} at most."
    )


def selection(declared: ScheduleDeclaration) -> str:
    """Which jobs it selects."""
    if declared.execution_mode is ExecutionMode.GROUP:
        said = f"Every job of group {declared.group}"
    elif declared.execution_mode is ExecutionMode.JOBS:
        said = "The jobs that it names"
    else:
        said = "Every registered job"
    if declared.include_dependencies:
        return f"{said}, and what they depend on; in the order of their dependencies."
    return f"{said}, in the order of their dependencies."


def _limits(declared: ScheduleDeclaration) -> Iterator[tuple[str, str]]:
    if declared.timeout is not None:
        yield (
            "Timeout",
            (
                f"A firing may take {phrases.span(declared.timeout)} from its start; what runs "
                "then is asked to stop, and nothing more of it starts."
            ),
        )
    if declared.start_deadline is not None:
        yield (
            "Start deadline",
            (
                f"What has not started {phrases.span(declared.start_deadline)} after its time "
                "is skipped."
            ),
        )
    if declared.jitter is not None:
        yield (
            "Jitter",
            (
                f"Its start is delayed by up to {phrases.span(declared.jitter)}, always the same "
                "for one occurrence."
            ),
        )
    if declared.priority:
        what = "before" if declared.priority > 0 else "after"
        yield (
            "Priority",
            f"{declared.priority}: where slots are scarce, it starts {what} those of priority 0.",
        )


def _bounds(state: ScheduleState) -> Iterator[tuple[str, str]]:
    declared, timing = state.declaration, state.declaration.timing
    if declared.environments is not None:
        wanted = ", ".join(declared.environments) or "none"
        here = "which this is" if state.in_environment else f"and this is {state.environment}"
        yield "Environments", f"It fires in {wanted} only, {here}."
    if timing.start is not None:
        yield "Start", f"Nothing is due before {phrases.moment(timing.start, timing.timezone)}."
    if timing.end is not None:
        yield "End", f"Nothing is due after {phrases.moment(timing.end, timing.timezone)}."


# What a "Run now" leads to


def run_now(state: ScheduleState, live_id: int | None, since: str | None) -> str:
    """What becomes of a firing by hand while another is live, by the overlap policy."""
    if live_id is None:
        return "Nothing of it is running: it starts as soon as a daemon has a free slot."
    busy = f"Firing {live_id} is live{f' since {since}' if since else ''}"
    overlap = state.declaration.overlap
    if overlap is Overlap.ALLOW:
        return f"{busy}: this one will run beside it."
    if overlap is Overlap.CANCEL_PREVIOUS:
        return f"{busy}: it will be cancelled, and this one starts when it has ended."
    return f"{busy}: this one will wait until it has ended."
