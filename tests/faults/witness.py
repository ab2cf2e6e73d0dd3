"""The database's own memory of a trial: triggers that note every change of state, and the rows."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from tests.faults import evidence

_WATCHED = {"firing": ("job_firing", "claimed_by"), "run": ("job_run", "worker_id")}
_INSERT = "INSERT INTO fault_moves (kind, row_id, was, became, worker) VALUES"


def install(engine: sa.Engine) -> None:
    """Make the table of moves and the triggers that fill it."""
    with engine.begin() as connection:
        for statement in _statements(engine.dialect.name):
            connection.exec_driver_sql(statement)


def _statements(dialect: str) -> Iterator[str]:
    yield _TABLE[dialect]
    triggers = {"postgresql": _postgresql, "sqlite": _sqlite}.get(dialect, _mysql)
    for kind, (table, worker) in _WATCHED.items():
        yield from triggers(kind, table, worker)
    yield from triggers("worker", "worker_instance", "id")


_TABLE = {
    "postgresql": (
        "CREATE TABLE fault_moves (seq BIGSERIAL PRIMARY KEY, kind TEXT, row_id TEXT, was TEXT, "
        "became TEXT, worker TEXT, at TIMESTAMPTZ DEFAULT clock_timestamp(), "
        "transaction_id BIGINT DEFAULT txid_current())"
    ),
    "sqlite": (
        "CREATE TABLE fault_moves (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT, row_id TEXT, "
        "was TEXT, became TEXT, worker TEXT, "
        "at TEXT DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')), transaction_id INTEGER)"
    ),
    "mariadb": (
        "CREATE TABLE fault_moves (seq BIGINT AUTO_INCREMENT PRIMARY KEY, kind VARCHAR(10), "
        "row_id VARCHAR(40), was VARCHAR(10), became VARCHAR(10), worker VARCHAR(40), "
        "at DATETIME(6), transaction_id BIGINT) ENGINE=InnoDB"
    ),
}


def _postgresql(kind: str, table: str, worker: str) -> Iterator[str]:
    yield (
        f"CREATE FUNCTION fault_{kind}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF OLD.status IS DISTINCT FROM NEW.status OR OLD.{worker} IS DISTINCT FROM NEW.{worker} "
        f"THEN {_INSERT} ('{kind}', NEW.id::text, OLD.status, NEW.status, NEW.{worker}); END IF; "
        "RETURN NULL; END $$"
    )
    yield (
        f"CREATE TRIGGER fault_{kind} AFTER INSERT OR UPDATE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION fault_{kind}()"
    )


def _sqlite(kind: str, table: str, worker: str) -> Iterator[str]:
    yield (
        f"CREATE TRIGGER fault_{kind}_new AFTER INSERT ON {table} BEGIN "
        f"{_INSERT} ('{kind}', NEW.id, NULL, NEW.status, NEW.{worker}); END"
    )
    yield (
        f"CREATE TRIGGER fault_{kind} AFTER UPDATE ON {table} "
        f"WHEN OLD.status IS NOT NEW.status OR OLD.{worker} IS NOT NEW.{worker} BEGIN "
        f"{_INSERT} ('{kind}', NEW.id, OLD.status, NEW.status, NEW.{worker}); END"
    )


def _mysql(kind: str, table: str, worker: str) -> Iterator[str]:
    insert = _INSERT.replace("worker)", "worker, at)")
    values = f"NEW.status, NEW.{worker}, UTC_TIMESTAMP(6))"
    yield (
        f"CREATE TRIGGER fault_{kind}_new AFTER INSERT ON {table} FOR EACH ROW "
        f"{insert} ('{kind}', NEW.id, NULL, {values}"
    )
    yield (
        f"CREATE TRIGGER fault_{kind} AFTER UPDATE ON {table} FOR EACH ROW "
        f"IF NOT (OLD.status <=> NEW.status AND OLD.{worker} <=> NEW.{worker}) THEN "
        f"{insert} ('{kind}', NEW.id, OLD.status, {values}; END IF"
    )


def epoch(value: Any) -> float | None:
    """Seconds of the epoch, from what any of the drivers gives for a UTC time."""
    if value is None:
        return None
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _rows(connection: sa.Connection, table: str, columns: Sequence[str]) -> list[dict[str, Any]]:
    order = "seq" if table == "fault_moves" else "id"
    found = connection.exec_driver_sql(f"SELECT {', '.join(columns)} FROM {table} ORDER BY {order}")
    times = {name for name in columns if name.endswith("_at") or name in _TIMES}
    return [
        {name: epoch(value) if name in times else value for name, value in row._mapping.items()}
        for row in found
    ]


_TIMES = {"at", "scheduled_for", "last_scheduled_for", "missed_from"}
_NAMED_ALIKE = {
    "job_schedule": evidence.Schedule,
    "job_firing": evidence.Firing,
    "job_run": evidence.Run,
}


def rows(engine: sa.Engine) -> dict[str, Any]:
    """The parts of `Evidence` that the database knows."""
    with engine.connect() as connection:
        found = {
            table: tuple(kind(**row) for row in _rows(connection, table, list(kind.__match_args__)))
            for table, kind in _NAMED_ALIKE.items()
        }
        names = ("seq", "kind", "row_id", "was", "became", "worker", "at", "transaction_id")
        moves = [tuple(row.values()) for row in _rows(connection, "fault_moves", names)]
        workers = _rows(connection, "worker_instance", ("id", "pid"))
    return {
        "schedules": found["job_schedule"],
        "firings": found["job_firing"],
        "runs": found["job_run"],
        "moves": tuple(evidence.Move(*move) for move in moves),
        "workers": {row["id"]: row["pid"] for row in workers},
    }
