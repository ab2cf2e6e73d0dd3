"""A database with years of history: firings and job runs by the million, made by the server.

PostgreSQL only (generate_series). All ended with SUCCESS but every fiftieth; spread over the last
twenty days, so that pruning leaves them; and some far older slices, ten days apart, with log
lines, of which each pruning takes one.
"""

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

SCHEDULES = 1_000
OLD_SLICES = 12
OLD_ROWS = 2_000
"""In each slice."""
LINES = 5
"""Log lines of each old job run."""
OLDEST_DAYS = 200
STEP_DAYS = 10

_FIRINGS = """
INSERT INTO job_firing (app, schedule_id, scheduled_for, trigger_type, status, priority,
    available_at, claimed_by, version, dedup_key, created_at, started_at, finished_at)
SELECT :app, :prefix || (n % :schedules), at, 'CRON',
    CASE WHEN n % 50 = 0 THEN 'FAILED' ELSE 'SUCCESS' END, 0,
    at, '00000000-0000-0000-0000-000000000000', 2, 'filled:' || :kind || ':' || n, at,
    at + interval '1 second', at + interval '3 seconds'
FROM (SELECT n, now() - CAST(:first AS interval) + CAST(:step AS interval) * n AS at
      FROM generate_series(1, :rows) AS n) AS moments
"""
_RUNS = """
INSERT INTO job_run (firing_id, schedule_id, job_name, attempt, status, trigger_type,
    scheduled_for, available_at, queued_at, started_at, finished_at, duration_ms, error, worker_id)
SELECT id, schedule_id, 'noop', 1, status, 'CRON', scheduled_for, available_at, created_at,
    started_at, finished_at, 2000, CASE WHEN status = 'FAILED' THEN 'ValueError: no' END,
    claimed_by
FROM job_firing
"""
_LINES = """
INSERT INTO job_log (job_run_id, level, message, created_at)
SELECT job_run.id, 'INFO', 'line ' || line, job_run.finished_at
FROM job_run, generate_series(1, :lines) AS line
WHERE job_run.finished_at < now() - interval '60 days'
"""


def fill(url: str, rows: int, *, app: str, prefix: str) -> None:
    """So many firings with a job run each; the tables must be there, and empty."""
    engine = sa.create_engine(url, poolclass=NullPool)
    common = {"app": app, "prefix": prefix, "schedules": SCHEDULES}
    with engine.begin() as connection:
        indexes = _without_indexes(connection)
        step = f"{20 * 86_400 / rows:.6f} seconds"
        recent = {**common, "kind": "recent", "first": "20 days", "step": step, "rows": rows}
        connection.execute(sa.text(_FIRINGS), recent)
        for number in range(OLD_SLICES):
            first = f"{OLDEST_DAYS - STEP_DAYS * number} days"
            old = {**common, "kind": f"old{number}", "first": first, "step": "1 second"}
            connection.execute(sa.text(_FIRINGS), {**old, "rows": OLD_ROWS})
        connection.execute(sa.text(_RUNS))
        connection.execute(sa.text(_LINES), {"lines": LINES})
        for statement in indexes:
            connection.execute(sa.text(statement))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("VACUUM (ANALYZE)"))


def days_of_slice(number: int) -> int:
    """Pruning what is older than so many days takes the slice, and those before it."""
    return OLDEST_DAYS - STEP_DAYS * number - STEP_DAYS // 2


def _without_indexes(connection: sa.Connection) -> list[str]:
    """Drop the plain indexes of the large tables; the statements that make them again."""
    selected = sa.text(
        "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' "
        "AND tablename IN ('job_firing', 'job_run', 'job_log') AND indexdef LIKE 'CREATE INDEX%'"
    )
    found = connection.execute(selected).all()
    for name, _ in found:
        connection.execute(sa.text(f"DROP INDEX {name}"))
    return [definition for _, definition in found]
