"""The tables, as SQLAlchemy Core: state words not codes, UTC with microseconds, no pickles."""

from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from jobsched.fixed import fixed

VERSION_TABLE = "jobsched_version"
"""Alembic's version table of our own, beside the host's; the table prefix goes before it."""


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An instant: aware in Python, UTC with microseconds in every database."""

    impl = sa.DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        """DATETIME(6) on MySQL and MariaDB: plain DATETIME would make two instants equal."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(sa.DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse a naive datetime where it enters; drop the zone where the database has none."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a naive datetime cannot be stored: {value!r}; give it a timezone")
        utc = value.astimezone(UTC)
        return utc if dialect.name == "postgresql" else utc.replace(tzinfo=None)

    def bind_processor(self, dialect: sa.Dialect) -> Callable[[Any], Any] | None:
        """What is written as one transaction's time, or as one due time, is made ready once."""
        process = super().bind_processor(dialect)
        return None if process is None else lru_cache(maxsize=256)(process)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """What the database kept, aware again."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


INTEGER_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
DOCUMENT = sa.JSON(none_as_null=True).with_variant(
    postgresql.JSONB(none_as_null=True), "postgresql"
)


@fixed
class Tables:
    """The tables of one installation, with its prefix and schema."""

    metadata: sa.MetaData
    prefix: str
    schema: str | None
    job_schedule: sa.Table
    job_definition: sa.Table
    job_firing: sa.Table
    job_run: sa.Table
    job_log: sa.Table
    worker_instance: sa.Table
    audit_log: sa.Table


def is_jobsched_table(name: str, prefix: str = "") -> bool:
    """Whether a table of this name is jobsched's, so that a host's autogenerate leaves it alone.

    In the host's Alembic `env.py`, give `context.configure` this as `include_name`:

        def include_name(name, type_, parent_names):
            return not (type_ == "table" and is_jobsched_table(name))
    """
    return name in {prefix + ours for ours in _NAMES}


_NAMES = {field.name for field in fields(Tables)} - {"metadata", "prefix", "schema"}
_NAMES.add(VERSION_TABLE)


def build_tables(prefix: str = "", schema: str | None = None) -> Tables:
    """The tables under `prefix` (put before every table's and index's name) and in `schema`."""
    metadata = sa.MetaData(schema=schema)

    def table(name: str, *items: sa.schema.SchemaItem) -> sa.Table:
        return sa.Table(
            prefix + name,
            metadata,
            *items,
            mysql_charset="utf8mb4",
            mysql_collate="utf8mb4_bin",  # ids differ by letter case, as they do elsewhere
            mysql_engine="InnoDB",
            mariadb_charset="utf8mb4",
            mariadb_collate="utf8mb4_bin",
            mariadb_engine="InnoDB",
        )

    def index(name: str, *columns: str) -> sa.Index:
        return sa.Index(f"{prefix}{name}", *columns)

    return Tables(
        metadata=metadata,
        prefix=prefix,
        schema=schema,
        job_schedule=table("job_schedule", *_schedule_columns(), *_schedule_indexes(index)),
        job_definition=table(
            "job_definition",
            *_definition_columns(),
            sa.UniqueConstraint("app", "name", name=f"{prefix}uq_job_definition_name"),
        ),
        job_firing=table(
            "job_firing",
            *_firing_columns(),
            sa.UniqueConstraint("dedup_key", name=f"{prefix}uq_job_firing_dedup_key"),
            index("ix_job_firing_schedule", "schedule_id", "id"),
            index("ix_job_firing_live", "schedule_id", "status"),
            index("ix_job_firing_status", "status", "available_at"),
        ),
        job_run=table(
            "job_run",
            *_run_columns(),
            sa.UniqueConstraint(
                "firing_id", "job_name", "attempt", name=f"{prefix}uq_job_run_attempt"
            ),
            index("ix_job_run_worker", "worker_id", "status"),
        ),
        job_log=table("job_log", *_log_columns(), index("ix_job_log_run", "job_run_id", "id")),
        worker_instance=table("worker_instance", *_worker_columns()),
        audit_log=table("audit_log", *_audit_columns()),
    )


def _schedule_indexes(index: Any) -> list[sa.Index]:
    return [
        index("ix_job_schedule_due", "enabled", "next_run_at"),
        index("ix_job_schedule_locked", "locked_at"),
    ]


def _schedule_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.String(50), primary_key=True),
        sa.Column("app", sa.String(50), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", LONG_TEXT, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("disabled_reason", LONG_TEXT),
        sa.Column("next_run_at", UtcDateTime),
        sa.Column("last_run_at", UtcDateTime),
        sa.Column("last_scheduled_for", UtcDateTime),
        sa.Column("run_count", sa.Integer, nullable=False),
        sa.Column("failure_count", sa.Integer, nullable=False),
        sa.Column("recent", DOCUMENT),
        sa.Column("problem", LONG_TEXT),
        sa.Column("problem_at", UtcDateTime),
        sa.Column("locked_at", UtcDateTime),
        sa.Column("locked_by", sa.String(80)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("cron", sa.String(200)),
        sa.Column("every_s", sa.Double),
        sa.Column("at", UtcDateTime),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("start_at", UtcDateTime),
        sa.Column("end_at", UtcDateTime),
        sa.Column("execution_mode", sa.String(10), nullable=False),
        sa.Column("group_name", sa.String(100)),
        sa.Column("jobs", DOCUMENT),
        sa.Column("environments", DOCUMENT),
        sa.Column("environment", sa.String(100)),
        sa.Column("overlap", sa.String(20), nullable=False),
        sa.Column("misfire", sa.String(20), nullable=False),
        sa.Column("misfire_grace_s", sa.Double, nullable=False),
        sa.Column("catchup_window_s", sa.Double, nullable=False),
        sa.Column("max_catchup", sa.Integer, nullable=False),
        sa.Column("start_deadline_s", sa.Double),
        sa.Column("timeout_s", sa.Double),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("jitter_s", sa.Double),
        sa.Column("params", DOCUMENT),
        sa.Column("include_dependencies", sa.Boolean, nullable=False),
        sa.Column("source", sa.String(10), nullable=False),
        sa.Column("overrides", DOCUMENT),
        sa.Column("declared_by", sa.String(36)),
        sa.Column("declaration_hash", sa.String(64), nullable=False),
        sa.Column("retired_at", UtcDateTime),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    ]


def _definition_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", INTEGER_ID, primary_key=True, autoincrement=True),
        sa.Column("app", sa.String(50), nullable=False),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("group_name", sa.String(100)),
        sa.Column("depends_on", DOCUMENT),
        sa.Column("description", LONG_TEXT, nullable=False),
        sa.Column("is_async", sa.Boolean, nullable=False),
        sa.Column("retries", sa.Integer, nullable=False),
        sa.Column("backoff", DOCUMENT),
        sa.Column("timeout_s", sa.Double),
        sa.Column("on_lost", sa.String(10), nullable=False),
        sa.Column("max_lost", sa.Integer, nullable=False),
        sa.Column("executor", sa.String(100)),
        sa.Column("parameters", DOCUMENT),
        sa.Column("declared_by", sa.String(36)),
        sa.Column("declaration_hash", sa.String(64), nullable=False),
        sa.Column("retired_at", UtcDateTime),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("updated_at", UtcDateTime, nullable=False),
    ]


def _firing_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", INTEGER_ID, primary_key=True, autoincrement=True),
        sa.Column("app", sa.String(50), nullable=False),
        sa.Column("schedule_id", sa.String(50)),
        sa.Column("job_name", sa.String(100)),
        sa.Column("scheduled_for", UtcDateTime, nullable=False),
        sa.Column("trigger_type", sa.String(10), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(200)),
        sa.Column("blocked_by", sa.BigInteger),
        sa.Column("missed_count", sa.Integer),
        sa.Column("missed_from", UtcDateTime),
        sa.Column("params", DOCUMENT),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("available_at", UtcDateTime, nullable=False),
        sa.Column("claimed_by", sa.String(36)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("requested_by", sa.String(200)),
        sa.Column("cancel_requested_at", UtcDateTime),
        sa.Column("dedup_key", sa.String(255)),
        sa.Column("created_at", UtcDateTime, nullable=False),
        sa.Column("started_at", UtcDateTime),
        sa.Column("finished_at", UtcDateTime),
    ]


def _run_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", INTEGER_ID, primary_key=True, autoincrement=True),
        sa.Column("firing_id", sa.BigInteger, nullable=False),
        sa.Column("schedule_id", sa.String(50)),
        sa.Column("job_name", sa.String(100), nullable=False),
        sa.Column("depends_on", DOCUMENT),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(200)),
        sa.Column("trigger_type", sa.String(10), nullable=False),
        sa.Column("scheduled_for", UtcDateTime, nullable=False),
        sa.Column("available_at", UtcDateTime, nullable=False),
        sa.Column("queued_at", UtcDateTime, nullable=False),
        sa.Column("started_at", UtcDateTime),
        sa.Column("finished_at", UtcDateTime),
        sa.Column("duration_ms", sa.BigInteger),
        sa.Column("error", LONG_TEXT),
        sa.Column("traceback", LONG_TEXT),
        sa.Column("params", DOCUMENT),
        sa.Column("result", DOCUMENT),
        sa.Column("progress", DOCUMENT),
        sa.Column("cancel_requested_at", UtcDateTime),
        sa.Column("worker_id", sa.String(36)),
    ]


def _log_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", INTEGER_ID, primary_key=True, autoincrement=True),
        sa.Column("job_run_id", sa.BigInteger, nullable=False),
        sa.Column("level", sa.String(20), nullable=False),
        sa.Column("message", LONG_TEXT, nullable=False),
        sa.Column("created_at", UtcDateTime, nullable=False),
    ]


def _worker_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("app", sa.String(50), nullable=False),
        sa.Column("worker_type", sa.String(20), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("hostname", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started_at", UtcDateTime, nullable=False),
        sa.Column("last_heartbeat_at", UtcDateTime, nullable=False),
        sa.Column("lock_timeout_s", sa.Double, nullable=False),
        sa.Column("poll_interval_s", sa.Double, nullable=False),
        sa.Column("version", sa.String(20), nullable=False),
        sa.Column("environment", sa.String(100), nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("running", sa.Integer, nullable=False),
        sa.Column("declares", DOCUMENT),
    ]


def _audit_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("id", INTEGER_ID, primary_key=True, autoincrement=True),
        sa.Column("app", sa.String(50), nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("what", sa.String(50), nullable=False),
        sa.Column("target", sa.String(255), nullable=False),
        sa.Column("before_state", DOCUMENT),
        sa.Column("after_state", DOCUMENT),
        sa.Column("reason", LONG_TEXT),
        sa.Column("created_at", UtcDateTime, nullable=False),
    ]
