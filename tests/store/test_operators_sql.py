"""The SQL of docs/operators-sql.md, run as it stands, gives operators the right answers.

Each session is put into another zone than UTC first: the answers must be UTC all the same.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from jobsched.store.database import Database, Transaction

PAGE = Path(__file__).parents[2] / "docs" / "operators-sql.md"
SECTIONS = {
    "sqlite": "SQLite",
    "postgresql": "PostgreSQL",
    "mysql": "MySQL and MariaDB",
    "mariadb": "MySQL and MariaDB",
}
ELSEWHERE = {
    "postgresql": "SET TIME ZONE 'Asia/Tokyo'",
    "mysql": "SET time_zone = '+09:00'",
    "mariadb": "SET time_zone = '+09:00'",
}
A_MINUTE = timedelta(minutes=1)
AN_HOUR = timedelta(hours=1)
Row = dict[str, Any]
Ask = Callable[[str], list[Row]]


def page() -> dict[tuple[str, str], str]:
    """The page's SQL by question and database."""
    found: dict[tuple[str, str], str] = {}
    text = PAGE.read_text("utf-8")
    for question, body in re.findall(
        r"^## (.+?)\n(.+?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    ):
        for name, sql in re.findall(
            r"^### (.+?)\n\n```sql\n(.+?)^```", body, re.MULTILINE | re.DOTALL
        ):
            found[question, name] = sql
    return found


@pytest.fixture
def ask(database: Database) -> Ask:
    """Asks a question of the page in a session of its own, in another zone than UTC."""

    def ask(question: str) -> list[Row]:
        sql = page()[question, SECTIONS[database.dialect]]
        engine = sa.create_engine(database.engine.url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            if database.dialect in ELSEWHERE:
                connection.exec_driver_sql(ELSEWHERE[database.dialect])
            rows = connection.exec_driver_sql(sql.rstrip().removesuffix(";")).mappings().all()
        return [{name: plain(name, value) for name, value in row.items()} for row in rows]

    return ask


def plain(name: str, value: Any) -> Any:
    """A value as all three databases give it; what looks like local time would show here."""
    if value is not None and name.endswith(("_at", "_for", "_from")):
        shown = datetime.fromisoformat(value) if isinstance(value, str) else value
        assert shown.tzinfo is None, f"{name} is not shown as plain UTC"
        return shown.replace(tzinfo=UTC)
    return value


def columns(rows: list[Row], *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row[name] for name in names) for row in rows]


# rows


def add(tx: Transaction, table: sa.Table, values: Row) -> int | str:
    """Insert a row, with something plain in each column that must not be null."""
    fillers: dict[type, Any] = {str: "", int: 0, bool: False, float: 60.0}
    row = {
        column.name: fillers.get(column.type.python_type, tx.now)
        for column in table.columns
        if not column.nullable and column.name != "id"
    }
    key = tx.connection.execute(sa.insert(table).values(row | values)).inserted_primary_key
    assert key is not None
    return key[0]  # type: ignore[no-any-return]  # untyped in SQLAlchemy


def schedule(tx: Transaction, schedule_id: str, **values: Any) -> None:
    add(tx, tx.tables.job_schedule, {"id": schedule_id, "timezone": "UTC"} | values)


def firing(tx: Transaction, status: str, schedule_id: str | None = "s", **values: Any) -> Any:
    row = {"status": status, "schedule_id": schedule_id, "trigger_type": "CRON"} | values
    return add(tx, tx.tables.job_firing, row)


def run(tx: Transaction, status: str, firing_id: Any = 1, **values: Any) -> Any:
    row = {"status": status, "firing_id": firing_id, "job_name": "job", "attempt": 1} | values
    return add(tx, tx.tables.job_run, row)


def worker(tx: Transaction, host: str, status: str, silent: timedelta, **values: Any) -> None:
    row = {
        "id": f"id-of-{host}",
        "hostname": host,
        "worker_type": "schedule_daemon",
        "status": status,
        "last_heartbeat_at": tx.now - silent,
        "lock_timeout_s": 60.0,
    }
    add(tx, tx.tables.worker_instance, row | values)


# the page


def test_every_question_is_answered_for_every_database() -> None:
    """The page has the same questions for each of the databases."""
    found = page()
    questions = {question for question, _ in found}
    assert questions == {
        "Is a daemon alive?",
        "What is due?",
        "How do the schedules stand?",
        "What were the last 20 runs?",
        "How often does each schedule succeed?",
        "Why did it fail?",
        "What did a run log?",
        "What is running now?",
        "What was skipped, and why?",
    }
    assert set(found) == {(q, name) for q in questions for name in SECTIONS.values()}


def test_nothing_to_tell_is_no_error(ask: Ask) -> None:
    """On an empty database each question has an empty answer."""
    for question in {question for question, _ in page()}:
        assert ask(question) == []


def test_is_a_daemon_alive(database: Database, ask: Ask) -> None:
    """Each daemon that has not stopped is judged by its own lock timeout."""
    with database.write() as tx:
        worker(tx, "fresh", "RUNNING", timedelta(seconds=1))
        worker(tx, "draining", "STOPPING", timedelta(seconds=15))
        worker(tx, "slow", "RUNNING", timedelta(seconds=40))
        worker(tx, "patient", "RUNNING", 3 * A_MINUTE, lock_timeout_s=600.0)
        worker(tx, "silent", "RUNNING", 10 * A_MINUTE)
        worker(tx, "lost", "LOST", timedelta(minutes=20))
        worker(tx, "ended", "STOPPED", AN_HOUR)
        worker(tx, "executes", "RUNNING", timedelta(0), worker_type="job_worker")
    rows = ask("Is a daemon alive?")
    assert columns(rows, "hostname", "daemon") == [
        ("fresh", "alive"),
        ("draining", "stopping"),
        ("slow", "late"),
        ("patient", "alive"),
        ("silent", "dead"),
        ("lost", "dead"),
    ]
    assert 600 <= rows[4]["seconds_since_beat"] < 660


def test_what_is_due(database: Database, ask: Ask) -> None:
    """Enabled schedules and waiting firings whose time has come are due, latest first."""
    with database.write() as tx:
        schedule(tx, "due", enabled=True, next_run_at=tx.now - 5 * A_MINUTE)
        schedule(tx, "later", enabled=True, next_run_at=tx.now + 5 * A_MINUTE)
        schedule(tx, "paused", enabled=False, next_run_at=tx.now - A_MINUTE)
        schedule(tx, "gone", enabled=True, next_run_at=tx.now - A_MINUTE, retired_at=tx.now)
        queued = firing(tx, "QUEUED", available_at=tx.now - A_MINUTE)
        retrying = firing(tx, "WAITING", available_at=tx.now - 2 * A_MINUTE)
        firing(tx, "WAITING", available_at=tx.now + A_MINUTE)
        firing(tx, "RUNNING", available_at=tx.now - A_MINUTE)
        due_at = tx.now - 5 * A_MINUTE
    rows = ask("What is due?")
    assert columns(rows, "what", "schedule_id", "firing_id") == [
        ("schedule", "due", None),
        ("firing", "s", retrying),
        ("firing", "s", queued),
    ]
    assert rows[0]["due_at"] == due_at
    assert 300 <= rows[0]["seconds_late"] < 360


def test_how_the_schedules_stand(database: Database, ask: Ask) -> None:
    """Schedules come in the order of their next runs, each with its latest firing's status."""
    with database.write() as tx:
        next_run = tx.now + AN_HOUR
        schedule(tx, "second", enabled=True, next_run_at=next_run + A_MINUTE, every_s=90.0)
        schedule(
            tx,
            "first",
            enabled=True,
            cron="0 * * * *",
            next_run_at=next_run,
            last_run_at=next_run - 2 * AN_HOUR,
            run_count=7,
            failure_count=2,
            problem="no such zone",
        )
        schedule(tx, "paused", enabled=False, disabled_reason="migrating")
        schedule(tx, "gone", enabled=True, retired_at=tx.now)
        firing(tx, "FAILED", "first")
        firing(tx, "SUCCESS", "first")
        firing(tx, "RUNNING", "second")
    rows = ask("How do the schedules stand?")
    assert columns(rows, "id", "last_status") == [
        ("first", "SUCCESS"),
        ("second", "RUNNING"),
        ("paused", None),
    ]
    first, second, paused = rows
    assert (first["next_run_at"], first["last_run_at"]) == (next_run, next_run - 2 * AN_HOUR)
    assert (first["succeeded"], first["failed"], first["problem"]) == (7, 2, "no such zone")
    assert (second["every_s"], bool(second["enabled"])) == (90, True)
    assert (paused["disabled_reason"], bool(paused["enabled"])) == ("migrating", False)


def test_the_last_20_runs(database: Database, ask: Ask) -> None:
    """The newest 20 runs come first, with what became of them."""
    with database.write() as tx:
        started = tx.now - A_MINUTE
        ids = [run(tx, "SUCCESS", attempt=n, started_at=started) for n in range(24)]
        last = run(tx, "FAILED", attempt=99, started_at=started, duration_ms=5, error="ValueError")
    rows = ask("What were the last 20 runs?")
    assert [row["id"] for row in rows] == [last, *reversed(ids[-19:])]
    assert columns(rows, "status", "duration_ms", "error")[0] == ("FAILED", 5, "ValueError")
    assert {row["started_at"] for row in rows} == {started}


def test_how_often_each_schedule_succeeds(database: Database, ask: Ask) -> None:
    """The rate counts the last 100 ended firings of each schedule, and no skipped or live ones."""
    with database.write() as tx:
        for _ in range(5):
            firing(tx, "FAILED", "mended")
        for n in range(100):
            firing(tx, "FAILED" if n == 0 else "SUCCESS", "mended")
        for status in ("SUCCESS", "SUCCESS", "FAILED", "SKIPPED", "RUNNING", "CANCELLED"):
            firing(tx, status, "mixed")
        firing(tx, "SUCCESS", None, job_name="alone")
    rows = ask("How often does each schedule succeed?")
    assert [(r["schedule_id"], r["firings"], int(r["failed"])) for r in rows] == [
        ("mixed", 3, 1),
        ("mended", 100, 1),
    ]
    assert [float(row["success_percent"]) for row in rows] == [66.7, 99.0]


def test_why_did_it_fail(database: Database, ask: Ask) -> None:
    """Failed firings come with their failed and lost runs, or with the firing's own reason."""
    with database.write() as tx:
        when = tx.now - AN_HOUR
        first = firing(tx, "FAILED", "nightly-sync", scheduled_for=when)
        run(tx, "FAILED", first, job_name="a", attempt=1, error="OSError", traceback="line 1")
        run(tx, "LOST", first, job_name="a", attempt=2, reason="worker died")
        run(tx, "SUCCESS", first, job_name="b")
        run(tx, "SKIPPED", first, job_name="c", reason="dependency")
        unknown = firing(tx, "FAILED", "nightly-sync", reason="no_worker")
        firing(tx, "SUCCESS", "nightly-sync")
        run(tx, "FAILED", firing(tx, "FAILED", "another"))
    rows = ask("Why did it fail?")
    assert columns(rows, "firing_id", "firing_reason", "job_name", "attempt", "status") == [
        (unknown, "no_worker", None, None, None),
        (first, None, "a", 1, "FAILED"),
        (first, None, "a", 2, "LOST"),
    ]
    assert columns(rows, "error", "traceback", "reason")[1:] == [
        ("OSError", "line 1", None),
        (None, None, "worker died"),
    ]
    assert rows[1]["scheduled_for"] == when


def test_what_a_run_logged(database: Database, ask: Ask) -> None:
    """The lines of that run come in the order in which they were written."""
    with database.write() as tx:
        for n, run_id in enumerate((42, 7, 42)):
            row = {"job_run_id": run_id, "level": "INFO", "message": f"line {n} æ 🕰"}
            add(tx, tx.tables.job_log, row)
        written = tx.now
    rows = ask("What did a run log?")
    assert columns(rows, "created_at", "level", "message") == [
        (written, "INFO", "line 0 æ 🕰"),
        (written, "INFO", "line 2 æ 🕰"),
    ]


def test_what_is_running_now(database: Database, ask: Ask) -> None:
    """Running runs come longest first, with their worker, also when its row is gone."""
    with database.write() as tx:
        asked = tx.now - A_MINUTE
        worker(tx, "here", "RUNNING", timedelta(0), pid=123)
        run(tx, "RUNNING", 1, started_at=tx.now - A_MINUTE, worker_id="gone")
        long = tx.now - AN_HOUR
        run(tx, "RUNNING", 2, started_at=long, worker_id="id-of-here", cancel_requested_at=asked)
        run(tx, "QUEUED", 3)
        run(tx, "SUCCESS", 4, started_at=long)
    rows = ask("What is running now?")
    assert columns(rows, "firing_id", "hostname", "pid", "cancel_requested_at") == [
        (2, "here", 123, asked),
        (1, None, None, None),
    ]
    assert rows[0]["started_at"] == long
    assert 3600 <= rows[0]["seconds"] < 3660


def test_what_was_skipped_and_why(database: Database, ask: Ask) -> None:
    """Skipped firings and runs of the last day come newest first, with what was in the way."""
    with database.write() as tx:
        now = tx.now
        day = timedelta(days=1)
        overlap = firing(
            tx, "SKIPPED", scheduled_for=now - A_MINUTE, reason="overlap", blocked_by=17
        )
        missed = firing(
            tx,
            "SKIPPED",
            scheduled_for=now - 2 * A_MINUTE,
            reason="missed",
            missed_count=3,
            missed_from=now - AN_HOUR,
        )
        skipped = run(tx, "SKIPPED", overlap, scheduled_for=now - 3 * A_MINUTE, reason="dependency")
        firing(tx, "SKIPPED", reason="paused", created_at=now - day - AN_HOUR)
        run(tx, "SKIPPED", missed, queued_at=now - day - AN_HOUR)
        firing(tx, "SUCCESS")
    rows = ask("What was skipped, and why?")
    names = ("what", "id", "reason", "blocked_by", "missed_count", "missed_from")
    assert columns(rows, *names) == [
        ("firing", overlap, "overlap", 17, None, None),
        ("firing", missed, "missed", None, 3, now - AN_HOUR),
        ("job run", skipped, "dependency", None, None, None),
    ]
    assert [row["scheduled_for"] for row in rows] == [now - n * A_MINUTE for n in (1, 2, 3)]
