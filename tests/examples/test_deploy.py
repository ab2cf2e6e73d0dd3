"""The deployment files: what they say agrees with how the daemon stops."""

import configparser
import re
import tomllib
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "examples" / "deploy"
SHUTDOWN_GRACE_S = 30
"""The default of JOBSCHED_SHUTDOWN_GRACE."""
HEROKU_KILLS_AFTER_S = 30
RUN = "python -m jobsched run myapp.jobs:scheduler"


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as its documentation says
    parser.read_string((DEPLOY / "jobsched.service").read_text("utf-8"))
    return parser


def test_systemd_waits_longer_than_the_daemon_drains() -> None:
    """SIGKILL comes after the grace, so that the daemon writes its own end."""
    service = unit()["Service"]
    assert service["KillSignal"] == "SIGTERM"
    assert int(service["TimeoutStopSec"]) > SHUTDOWN_GRACE_S


def test_systemd_restarts_failures_but_not_wrong_usage() -> None:
    """Exit code 1 starts the daemon again; 2 (wrong usage) would only fail again."""
    service = unit()["Service"]
    assert service["Type"] == "exec"
    assert service["ExecStart"].endswith(RUN)
    assert service["Restart"] == "on-failure"
    assert service["RestartPreventExitStatus"] == "2"


def test_procfile_has_a_web_and_a_scheduler_process() -> None:
    """The scheduler drains before Heroku's own limit."""
    lines = (DEPLOY / "Procfile").read_text("utf-8").splitlines()
    processes = {
        match[1]: match[2]
        for line in lines
        if (match := re.match(r"([A-Za-z0-9_-]+):\s*(.+)$", line))
    }
    assert processes.keys() == {"web", "scheduler"}
    assert processes["scheduler"].endswith(RUN)
    grace = re.search(r"JOBSCHED_SHUTDOWN_GRACE=(\d+)", processes["scheduler"])
    assert grace is not None
    assert int(grace[1]) < HEROKU_KILLS_AFTER_S


def test_railway_runs_a_worker_that_may_drain() -> None:
    """No port to check, a restart after failures, and more time than the grace."""
    deploy = tomllib.loads((DEPLOY / "railway.toml").read_text("utf-8"))["deploy"]
    assert deploy["startCommand"].endswith(RUN)
    assert "healthcheckPath" not in deploy
    assert deploy["restartPolicyType"] == "ON_FAILURE"
    assert deploy["drainingSeconds"] > SHUTDOWN_GRACE_S
