"""The daemon in web servers and in processes that fork."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from jobsched.model import FiringStatus, Worker, WorkerStatus

if TYPE_CHECKING:
    from conftest import Daemon, Ledger, Operator

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def serve(
    spawn: Callable[..., "Daemon"],
    database_url: str,
    operator: "Operator",
    until: Callable[..., Any],
) -> Callable[..., tuple["Daemon", list[Worker]]]:
    """Start a web server, and wait until so many daemons run in it."""

    def serve(*command: str, daemons: int = 1) -> tuple["Daemon", list[Worker]]:
        server = spawn("-m", *command, JOBSCHED_DATABASE_URL=database_url)
        operator.verbs.migrate()

        def running() -> list[Worker]:
            workers = operator.list_workers()
            synced = len(workers) == daemons and operator.list_jobs()
            return workers if synced else []

        return server, list(until(running, f"{daemons} daemons"))

    return serve


def statuses(operator: "Operator") -> set[WorkerStatus]:
    return {worker.status for worker in operator.list_workers(ended=True)}


@pytest.mark.backends("sqlite", "postgresql")
def test_an_asgi_app_under_uvicorn(
    serve: Callable[..., tuple["Daemon", list[Worker]]], operator: "Operator", ledger: "Ledger"
) -> None:
    """`lifespan` starts the daemon with the app and drains it when the server is told to stop."""
    server, (worker,) = serve("uvicorn", "web:asgi", "--port", "0")
    assert worker.pid == server.pid
    firing = operator.enqueue("obliging")
    ledger.wait("start")
    operator.cancel(firing.id)
    assert operator.ended(firing.id).status is FiringStatus.CANCELLED
    server.send(signal.SIGTERM)
    server.exit_code()
    assert statuses(operator) == {WorkerStatus.STOPPED}


@pytest.mark.backends("sqlite", "postgresql", "mariadb")
def test_gunicorn_with_a_preloaded_app(
    serve: Callable[..., tuple["Daemon", list[Worker]]], operator: "Operator", ledger: "Ledger"
) -> None:
    """Made and used before the fork, each worker is a daemon of its own, and each of them works."""
    server, workers = serve("gunicorn", "--config", "python:gunicorn_settings", daemons=2)
    pids = {worker.pid for worker in workers}
    assert len(pids) == 2
    assert server.pid not in pids
    held = [operator.enqueue("obliging") for _ in range(20)]  # more than one daemon's slots
    assert {one["pid"] for one in ledger.wait("start", len(held))} == pids
    for firing in held:
        operator.cancel(firing.id)
    for firing in held:
        assert operator.ended(firing.id).status is FiringStatus.CANCELLED
    server.send(signal.SIGTERM)
    assert server.exit_code() == 0
    assert statuses(operator) == {WorkerStatus.STOPPED}


@pytest.mark.backends("sqlite", "postgresql", "mariadb")
def test_a_fork_of_a_running_daemon(
    spawn: Callable[..., "Daemon"], database_url: str, here: Path, operator: "Operator"
) -> None:
    """The child is no daemon and can use the verbs; when it starts one, that one runs jobs."""
    process = spawn(str(here / "forking.py"), JOBSCHED_DATABASE_URL=database_url)
    parent = process.wait_for("parent")["fields"]
    assert parent["ran_in"] == parent["pid"] == process.pid
    forked = process.wait_for("forked")["fields"]
    child = forked["pid"]
    assert child != process.pid
    assert (forked["running"], forked["stopped"]) == (False, True)
    assert process.wait_for("ran")["fields"]["ran_in"] == process.pid
    assert process.wait_for("parent_stopped")["fields"]["stopped"] is True
    started = process.wait_for("started")["fields"]
    assert (started["running"], started["ran_in"]) == (True, child)
    assert process.wait_for("stopped")["fields"] == {"pid": child, "stopped": True}
    assert process.exit_code() == 0
    assert {worker.pid for worker in operator.list_workers(ended=True)} == {process.pid, child}
    assert statuses(operator) == {WorkerStatus.STOPPED}
