"""What a job sees while it runs."""

import logging
import threading
from datetime import UTC, datetime
from typing import Any

import pytest

from jobsched.context import CancelSignal, JobContext
from jobsched.model import TriggerType
from jobsched.registry import Registry


def context(**given: Any) -> JobContext:
    values: dict[str, Any] = {
        "run_id": 7,
        "firing_id": 3,
        "schedule_id": "nightly",
        "job_name": "report",
        "scheduled_for": datetime(2026, 1, 15, tzinfo=UTC),
        "attempt": 1,
        "trigger": TriggerType.CRON,
        "params": {"password": "hunter2"},
        "log": logging.getLogger("test"),
        "cancelled": CancelSignal(),
        "idempotency_key": "3:report",
        "report_progress": lambda fraction, message: None,
        "find_result": lambda name: None,
    }
    return JobContext(**values | given)


def test_a_signal_is_false_until_it_is_set() -> None:
    """A job may ask by is_set(), by truth, or by waiting no time."""
    signal = CancelSignal()
    assert (bool(signal), signal.is_set(), signal.wait(0)) == (False, False, False)
    signal.set("requested")
    assert (bool(signal), signal.is_set(), signal.wait(0)) == (True, True, True)


def test_the_first_reason_stays() -> None:
    """A job that is cancelled, and then runs out of time, was cancelled."""
    signal = CancelSignal()
    assert repr(signal) == "<CancelSignal not set>"
    signal.set("requested")
    signal.set("timeout")
    assert signal.reason == "requested"
    assert "requested" in repr(signal)


def test_it_remembers_whether_the_job_has_looked() -> None:
    """Only a look after the request counts, and only the job's: others look quietly."""
    signal = CancelSignal()
    assert not signal.is_set()
    assert not signal.seen
    signal.set("timeout")
    assert signal.is_set_quietly()
    assert not signal.seen
    assert signal.wait(0)
    assert signal.seen


def test_all_threads_of_a_job_are_woken() -> None:
    """Whoever waits first, and when it is asked, none of them is left waiting."""
    for _ in range(200):
        signal, begin, woken = CancelSignal(), threading.Barrier(4), list[bool]()

        def wait(
            signal: CancelSignal = signal,
            begin: threading.Barrier = begin,
            woken: list[bool] = woken,
        ) -> None:
            begin.wait()
            woken.append(signal.wait(10))

        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        begin.wait()
        signal.set()
        for thread in threads:
            thread.join()
        assert woken == [True] * 3


def test_a_waiting_job_is_woken() -> None:
    """A job that waits in a thread of its own goes on as soon as it is asked to stop."""
    signal, woken = CancelSignal(), threading.Event()

    def job() -> None:
        if signal.wait(30):
            woken.set()

    thread = threading.Thread(target=job)
    thread.start()
    signal.set("shutdown")
    assert woken.wait(10)
    thread.join()
    assert signal.seen


@pytest.mark.parametrize(
    ("fraction", "reported"), [(0, 0.0), (0.5, 0.5), (1, 1.0), (1 + 1e-9, 1.0), (-1e-9, 0.0)]
)
def test_progress_is_reported_as_a_fraction(fraction: float, reported: float) -> None:
    """What a job says arrives with its message; a sum that is a hair off 0 or 1 is forgiven."""
    said: list[tuple[float, str | None]] = []
    context(report_progress=lambda *what: said.append(what)).progress(fraction, "half way")
    assert said == [(reported, "half way")]


@pytest.mark.parametrize("fraction", [50, -0.1, 1.01, float("nan"), float("inf"), "0.5", True])
def test_what_is_no_fraction_is_refused(fraction: Any) -> None:
    """A percentage or a broken number is the job's mistake, and says so with the job's name."""
    with pytest.raises(ValueError, match=r"'report'.*fraction from 0 to 1.*done / total"):
        context().progress(fraction)


def test_results_are_found_by_name_or_function() -> None:
    """`result_of` takes what `depends_on` takes: the function's job may have another name."""
    registry = Registry()

    @registry.job("load-orders")
    def load() -> None: ...

    asked: list[str] = []

    def find(name: str) -> dict[str, int]:
        asked.append(name)
        return {"rows": 3}

    ctx = context(find_result=find)
    assert ctx.result_of(load) == {"rows": 3}
    assert ctx.result_of("load-orders") == {"rows": 3}
    assert asked == ["load-orders", "load-orders"]


def test_a_context_is_shown_without_its_params() -> None:
    """A context that ends up in a log says which run it is, and no parameter's value."""
    shown = repr(context())
    assert "run_id=7" in shown
    assert "hunter2" not in shown
