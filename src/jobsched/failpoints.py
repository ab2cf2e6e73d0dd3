"""Places where a test of reliability may strike this process; they cost nothing when unset.

`JOBSCHED_FAILPOINTS=name:action:probability[,…]`, read once at import, arms some of the points.
An action strikes with its probability each time the point is reached: `kill` (SIGKILL), `stop`
(SIGSTOP, until somebody sends SIGCONT), `raise` (the error of a database that did not answer),
`delay` (up to a second). A name that ends in `*` arms every point that begins so.
"""

import os
import random
import signal
import threading
from collections.abc import Callable

from sqlalchemy.exc import OperationalError

from jobsched.errors import ConfigurationError

VARIABLE = "JOBSCHED_FAILPOINTS"
LONGEST_DELAY_S = 1.0

watch: Callable[[str, str], None] | None = None
"""Called with the point and the action just before it strikes, for a harness to count."""


def parse(text: str) -> dict[str, tuple[str, float]]:
    """What the variable says: by point (or prefix with `*`), the action and its probability.

    Raises ConfigurationError that shows the part that cannot be read.
    """
    armed = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, rest = part.partition(":")
        action, _, probability = rest.partition(":")
        try:
            chance = float(probability)
        except ValueError:
            chance = -1.0
        if not name or action not in _ACTIONS or not 0 <= chance <= 1:
            raise ConfigurationError(
                f"{VARIABLE}: {part!r} cannot be read; write name:action:probability, with an "
                f"action of {', '.join(_ACTIONS)} and a probability from 0 to 1"
            )
        armed[name] = action, chance
    return armed


def reach(name: str, armed: dict[str, tuple[str, float]]) -> None:
    """The process is at the point: strike if it is armed and chance has it so."""
    found = armed.get(name) or next(
        (one for key, one in armed.items() if key.endswith("*") and name.startswith(key[:-1])), None
    )
    if found is None or random.random() >= found[1]:
        return
    if watch is not None:
        watch(name, found[0])
    _ACTIONS[found[0]](name)


def _kill(_name: str) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _stop(_name: str) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _raise(name: str) -> None:
    raise OperationalError(f"failpoint {name}", None, ConnectionError("no answer"))


def _delay(_name: str) -> None:
    threading.Event().wait(random.random() * LONGEST_DELAY_S)


_ACTIONS: dict[str, Callable[[str], None]] = {
    "kill": _kill,
    "stop": _stop,
    "raise": _raise,
    "delay": _delay,
}
_ARMED = parse(os.environ.get(VARIABLE, ""))


def _pass(_name: str) -> None:
    """A point of a process in which none is armed."""


def _strike(name: str) -> None:
    reach(name, _ARMED)


failpoint: Callable[[str], None] = _strike if _ARMED else _pass
"""`failpoint("noun.moment")`: this process is there now."""
