"""Which failpoints are armed, in turn, and which of them have struck."""

import threading
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Arm:
    """A failpoint that the next process is started with."""

    name: str
    action: str
    probability: float = 1.0

    @property
    def text(self) -> str:
        """As the variable has it."""
        return f"{self.name}:{self.action}:{self.probability}"

    @property
    def at_drain(self) -> bool:
        """Whether it is reached only when the process is told to end."""
        return self.name.startswith("drain.")

    @property
    def patience(self) -> float:
        """Seconds to wait for it to strike, or to let it strike again and again."""
        return 8.0 if self.action in ("kill", "stop") else 4.0


KILLED = tuple(
    Arm(name, "kill", probability)
    for name, probability in {
        "fire.selected": 0.3,
        "fire.inserted": 0.3,
        "claim.locked": 0.5,
        "claim.marked": 0.5,
        "record.locked": 0.2,
        "record.ended": 0.3,
        "recover.marked": 0.5,
        "recover.lost": 0.5,
        "sync.between": 1.0,
        "beat.before": 0.3,
        "beat.after": 0.3,
        "run.before": 0.3,
        "run.after": 0.3,
        "commit.before": 0.05,
        "commit.after": 0.05,
        "prune.selected": 1.0,
        "drain.asked": 1.0,
        "drain.begun": 1.0,
    }.items()
)
"""Every point at which a running daemon may die."""
AT_MIGRATION = (Arm("migrate.locked", "kill"), Arm("migrate.applied", "kill"))
"""Those that only a database without tables has."""
OTHERS = (
    Arm("fire.inserted", "stop", 0.3),
    Arm("commit.after", "raise", 0.05),
    Arm("commit.before", "raise", 0.1),
    Arm("beat.written", "stop", 0.3),
    Arm("run.before", "stop", 0.3),
    Arm("record.ended", "stop", 0.3),
    Arm("beat.before", "delay", 0.5),
    Arm("*", "delay", 0.05),
    Arm("recover.lost", "stop", 0.5),
    Arm("*", "raise", 0.01),
)


class Points:
    """Hands out arms, each in its turn, to the threads that strike."""

    def __init__(self, arms: Iterable[Arm] = (*KILLED, *OTHERS)) -> None:
        self._arms = deque(arms)
        self._lock = threading.Lock()

    def next(self) -> Arm:
        """The arm whose turn it is."""
        with self._lock:
            arm = self._arms[0]
            self._arms.rotate(-1)
            return arm


def hits(events: Iterable[dict[str, object]]) -> Counter[str]:
    """How often each point struck, by `name:action`."""
    return Counter(str(one["message"]) for one in events if one["event"] == "failpoint")


def never_hit(hits: Counter[str], arms: Iterable[Arm] = (*AT_MIGRATION, *KILLED)) -> list[str]:
    """The arms that a trial of all failpoints should have seen strike, and did not."""
    return [f"{arm.name}:{arm.action}" for arm in arms if not hits[f"{arm.name}:{arm.action}"]]
