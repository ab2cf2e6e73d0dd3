"""The schedules of the host app: their policies, how long their jobs take, and when they fail.

Plain data that the host app declares to jobsched, and that model and checkers read without it.
"""

import random
from dataclasses import dataclass

LOCK_TIMEOUT_S = 2.5
HEARTBEAT_S = 0.4
POLL_S = 0.3
GRACE_S = 8.0
"""What running jobs get at SIGTERM: more than the longest of them takes."""
SLOTS = 16
MAX_LOST = 20


@dataclass(frozen=True)
class Spec:
    """One schedule with its job, or with two jobs of which the second depends on the first."""

    id: str
    every: int = 1
    """Whole seconds, on the grid of the epoch."""
    as_cron: bool = False
    overlap: str = "allow"
    misfire: str = "run_once"
    grace: float = 5.0
    deadline: float | None = None
    on_lost: str = "fail"
    retries: int = 0
    shortest: float = 0.02
    longest: float = 0.2
    chained: bool = False
    asynchronous: bool = False
    heeds: bool = False
    """Whether its job ends when it is asked to."""

    @property
    def limited(self) -> bool:
        """Whether no two of its firings may run at once."""
        return self.overlap != "allow"

    @property
    def jobs(self) -> tuple[str, ...]:
        """Its jobs in dependency order."""
        return (f"{self.id}.first", f"{self.id}.then") if self.chained else (self.id,)

    def takes(self, occurrence: int) -> float:
        """Seconds of work in the firing of an occurrence; the same in every process."""
        return random.Random(f"{self.id}@{occurrence}").uniform(self.shortest, self.longest)

    def fails(self, occurrence: int, attempt: int) -> bool:
        """Whether an attempt raises: of five occurrences one always does, one at first."""
        kind = occurrence // self.every % 5
        return self.retries > 0 and (kind == 0 or (kind == 1 and attempt == 1))


CAST = (
    Spec("complete", misfire="run_all", on_lost="rerun"),
    Spec("once", overlap="skip", longest=1.4),
    Spec("waits", overlap="queue", misfire="skip", on_lost="rerun", longest=1.2),
    Spec("in-turn", every=2, overlap="skip", misfire="run_all", longest=0.5),
    Spec("retries", every=2, retries=2, on_lost="rerun"),
    Spec("timely", every=1, deadline=2.0),
    Spec("chain", every=2, overlap="skip", on_lost="rerun", chained=True),
    Spec("newest", every=2, overlap="cancel_previous", shortest=0.5, longest=3.0, heeds=True),
    Spec("cron", every=3, as_cron=True, misfire="skip", asynchronous=True),
    Spec("long", every=2, on_lost="rerun", shortest=4.5, longest=5.0),
)
"""Every policy of misfire, overlap and loss, at a cadence of seconds."""
