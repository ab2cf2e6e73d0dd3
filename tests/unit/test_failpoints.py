import os
import signal
import subprocess
import sys

import pytest
from sqlalchemy.exc import OperationalError

from jobsched import failpoints
from jobsched.errors import ConfigurationError

AT_A_POINT = "from jobsched.failpoints import failpoint; failpoint('commit.after')"


def run(code: str, armed: str) -> int:
    environment = os.environ | {"JOBSCHED_FAILPOINTS": armed, "PYTHONPATH": ":".join(sys.path)}
    return subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode


def test_nothing_is_armed_by_default() -> None:
    """Without the variable a point is a function that does nothing: no look-up, no chance."""
    assert failpoints.failpoint is failpoints._pass


@pytest.mark.parametrize("armed", ["commit.after:kill:1", "other:stop:1, commit.*:kill:1"])
def test_an_armed_point_strikes(armed: str) -> None:
    """A process dies at the point that is armed to kill it, by its name or by its beginning."""
    assert run(AT_A_POINT, armed) == -signal.SIGKILL


@pytest.mark.parametrize("armed", ["commit.after:kill:0", "commit.before:kill:1"])
def test_other_points_do_not_strike(armed: str) -> None:
    """A point of another name, or with no chance, lets the process pass."""
    assert run(AT_A_POINT, armed) == 0


def test_raising_looks_like_a_database_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The error is an operational one, as the driver's would be; whoever watches is told first."""
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(failpoints, "watch", lambda name, action: seen.append((name, action)))
    with pytest.raises(OperationalError, match=r"failpoint beat\.before|no answer"):
        failpoints.reach("beat.before", failpoints.parse("beat.before:raise:1"))
    assert seen == [("beat.before", "raise")]


@pytest.mark.parametrize("text", ["x", "x:kill", "x:burn:1", "x:kill:2", ":kill:1", "x:kill:often"])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    """A misspelt variable is an error that shows the part, not a test that strikes nowhere."""
    with pytest.raises(ConfigurationError, match="JOBSCHED_FAILPOINTS"):
        failpoints.parse(text)
