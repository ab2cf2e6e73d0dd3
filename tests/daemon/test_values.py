"""Results, errors and texts that a database cannot keep as they are: the job still ends."""

import dataclasses
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from jobsched import JobContext, Registry
from jobsched.model import FiringStatus, JobRunStatus

if TYPE_CHECKING:
    from conftest import Embedding, Operator

NUL, HALF = "a\x00b", "a\ud800b"
LONG = 70_000


@dataclasses.dataclass
class Point:
    x: int
    y: Decimal


def nested(depth: int) -> Any:
    document: Any = "bottom"
    for _ in range(depth):
        document = [document]
    return document


def itself() -> Any:
    document: list[Any] = []
    document.append(document)
    return document


KEPT: dict[str, tuple[Any, Any]] = {
    "nothing": (None, None),
    "false": (False, False),
    "document": ({"rows": 3, "names": ("å", "😀")}, {"rows": 3, "names": ["å", "😀"]}),
    "values": (
        [Point(1, Decimal("1.50")), datetime(2026, 1, 2, tzinfo=UTC), timedelta(hours=1)],
        [{"x": 1, "y": "1.50"}, "2026-01-02T00:00:00Z", "PT1H"],
    ),
    "nul": ({NUL: NUL}, {r"a\x00b": r"a\x00b"}),
    "an escape by itself": (r"\u0000 \\u0000 \ud800", r"\u0000 \\u0000 \ud800"),
    "deep": (nested(30), nested(30)),
}
DROPPED: dict[str, Any] = {
    "object": object(),
    "half a pair": {HALF: HALF},
    "not a number": math.nan,
    "infinite": [math.inf],
    "itself": itself(),
    "long": "x" * LONG,
    "too deep": nested(31),
    "far too deep": nested(5_000),
}


def test_results(embed: "Embedding", operator: "Operator") -> None:
    """What is JSON is kept, its texts made fit; what is not is dropped, and the log says so."""
    registry = Registry()

    @registry.job
    def returning(case: str, ctx: JobContext) -> Any:
        ctx.log.info("returning %s", case)
        return KEPT[case][0] if case in KEPT else DROPPED[case]

    embed.started(registry)
    asked = {
        case: operator.enqueue("returning", params={"case": case}) for case in [*KEPT, *DROPPED]
    }
    for case, firing in asked.items():
        done = operator.ended(firing.id)
        assert done.status is FiringStatus.SUCCESS, case
        messages = operator.messages(firing.id)
        assert messages[0] == f"returning {case}"
        if case in KEPT:
            assert done.runs[0].result == KEPT[case][1], case
            assert len(messages) == 1
        else:
            assert done.runs[0].result is None, case
            assert messages[1].startswith("the result is not kept"), case


class NoTextError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("broken")


class NotTextError(Exception):
    def __str__(self) -> str:
        return 7  # noqa: PLE0307  # on purpose: what a careless host may write


ERRORS: dict[str, tuple[BaseException, str]] = {
    "nul": (RuntimeError(NUL), r"RuntimeError: a\x00b"),
    "half a pair": (RuntimeError(HALF), r"RuntimeError: a\ud800b"),
    "no text": (NoTextError(), "NoTextError: (its text cannot be read)"),
    "not text": (NotTextError(), "NotTextError: (its text cannot be read)"),
    "empty": (RuntimeError(), "RuntimeError"),
    "long": (RuntimeError("x" * LONG), "RuntimeError: xxx"),
    "exit": (SystemExit(3), "SystemExit: 3"),
    "interrupt": (KeyboardInterrupt(), "KeyboardInterrupt"),
}


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_errors(kind: str, embed: "Embedding", operator: "Operator") -> None:
    """Whatever a job raises ends that job, FAILED with what can be read of it, and nothing else."""
    registry = Registry()

    def failing(case: str, ctx: JobContext) -> None:
        ctx.log.info("raising %s", case)
        raise ERRORS[case][0]

    async def failing_task(case: str, ctx: JobContext) -> None:
        failing(case, ctx)

    registry.job("failing")(failing if kind == "sync" else failing_task)
    embed.started(registry)
    asked = {case: operator.enqueue("failing", params={"case": case}) for case in ERRORS}
    for case, firing in asked.items():
        (run,) = operator.ended(firing.id).runs
        assert run.status is JobRunStatus.FAILED, case
        assert (run.error or "").startswith(ERRORS[case][1]), case
        assert len(run.error or "") < LONG
        assert "raise ERRORS[case][0]" in (run.traceback or "")
        assert operator.messages(firing.id) == [f"raising {case}"]


def test_texts(embed: "Embedding", operator: "Operator") -> None:
    """In log lines and progress, too: what a database refuses is escaped, what is long is cut."""
    registry = Registry()

    @registry.job
    def texts(ctx: JobContext) -> str:
        ctx.log.info(NUL)
        ctx.log.info(HALF)
        ctx.log.info("x" * LONG)
        ctx.progress(0.5, NUL + HALF)
        return "done"

    embed.started(registry)
    firing = operator.ended(operator.enqueue("texts").id)
    assert firing.status is FiringStatus.SUCCESS
    assert firing.runs[0].result == "done"
    assert firing.runs[0].progress == {"fraction": 0.5, "message": r"a\x00ba\ud800b"}
    messages = operator.messages(firing.id)
    assert messages[:2] == [r"a\x00b", r"a\ud800b"]
    assert messages[2].endswith("more characters)")
