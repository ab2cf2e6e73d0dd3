"""Version 1.1: the first tables."""

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql

from jobsched.store.migrations.target import Target

revision = "1.1"
down_revision = None

INSTANT = sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")
INTEGER_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG_TEXT = sa.Text().with_variant(mysql.MEDIUMTEXT(), "mysql", "mariadb")
DOCUMENT = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade(target: Target) -> None:
    """Create the tables and their indexes."""
    target.create_tables(
        {
            "job_schedule": _job_schedule(),
            "job_definition": _job_definition(target.prefix),
            "job_firing": _job_firing(target.prefix),
            "job_run": _job_run(target.prefix),
            "job_log": _job_log(),
            "worker_instance": _worker_instance(),
            "audit_log": _audit_log(),
        }
    )
    target.create_index("ix_job_firing_schedule", "job_firing", "schedule_id", "id")
    target.create_index("ix_job_firing_live", "job_firing", "schedule_id", "status")
    target.create_index("ix_job_firing_status", "job_firing", "status", "available_at")
    target.create_index("ix_job_run_worker", "job_run", "worker_id", "status")
    target.create_index("ix_job_log_run", "job_log", "job_run_id", "id")
    target.create_index("ix_job_schedule_due", "job_schedule", "enabled", "next_run_at")
    target.create_index("ix_job_schedule_locked", "job_schedule", "locked_at")


def _job_schedule() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.String(50), primary_key=True),
        sa.Column("app", sa.String(50), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("description", LONG_TEXT, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("disabled_reason", LONG_TEXT),
        sa.Column("next_run_at", INSTANT),
        sa.Column("last_run_at", INSTANT),
        sa.Column("last_scheduled_for", INSTANT),
        sa.Column("run_count", sa.Integer, nullable=False),
        sa.Column("failure_count", sa.Integer, nullable=False),
        sa.Column("recent", DOCUMENT),
        sa.Column("problem", LONG_TEXT),
        sa.Column("problem_at", INSTANT),
        sa.Column("locked_at", INSTANT),
        sa.Column("locked_by", sa.String(80)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("cron", sa.String(200)),
        sa.Column("every_s", sa.Double),
        sa.Column("at", INSTANT),
        sa.Column("timezone", sa.String(64), nullable=False),
        sa.Column("start_at", INSTANT),
        sa.Column("end_at", INSTANT),
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
        sa.Column("retired_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
    ]


def _job_definition(prefix: str) -> list[sa.schema.SchemaItem]:
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
        sa.Column("retired_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.UniqueConstraint("app", "name", name=f"{prefix}uq_job_definition_name"),
    ]


def _job_firing(prefix: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", INTEGER_ID, primary_key=True, autoincrement=True),
        sa.Column("app", sa.String(50), nullable=False),
        sa.Column("schedule_id", sa.String(50)),
        sa.Column("job_name", sa.String(100)),
        sa.Column("scheduled_for", INSTANT, nullable=False),
        sa.Column("trigger_type", sa.String(10), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("reason", sa.String(200)),
        sa.Column("blocked_by", sa.BigInteger),
        sa.Column("missed_count", sa.Integer),
        sa.Column("missed_from", INSTANT),
        sa.Column("params", DOCUMENT),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("available_at", INSTANT, nullable=False),
        sa.Column("claimed_by", sa.String(36)),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("requested_by", sa.String(200)),
        sa.Column("cancel_requested_at", INSTANT),
        sa.Column("dedup_key", sa.String(255)),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT),
        sa.Column("finished_at", INSTANT),
        sa.UniqueConstraint("dedup_key", name=f"{prefix}uq_job_firing_dedup_key"),
    ]


def _job_run(prefix: str) -> list[sa.schema.SchemaItem]:
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
        sa.Column("scheduled_for", INSTANT, nullable=False),
        sa.Column("available_at", INSTANT, nullable=False),
        sa.Column("queued_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT),
        sa.Column("finished_at", INSTANT),
        sa.Column("duration_ms", sa.BigInteger),
        sa.Column("error", LONG_TEXT),
        sa.Column("traceback", LONG_TEXT),
        sa.Column("params", DOCUMENT),
        sa.Column("result", DOCUMENT),
        sa.Column("progress", DOCUMENT),
        sa.Column("cancel_requested_at", INSTANT),
        sa.Column("worker_id", sa.String(36)),
        sa.UniqueConstraint("firing_id", "job_name", "attempt", name=f"{prefix}uq_job_run_attempt"),
    ]


def _job_log() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", INTEGER_ID, primary_key=True, autoincrement=True),
        sa.Column("job_run_id", sa.BigInteger, nullable=False),
        sa.Column("level", sa.String(20), nullable=False),
        sa.Column("message", LONG_TEXT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    ]


def _worker_instance() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("app", sa.String(50), nullable=False),
        sa.Column("worker_type", sa.String(20), nullable=False),
        sa.Column("status", sa.String(10), nullable=False),
        sa.Column("hostname", sa.String(255), nullable=False),
        sa.Column("pid", sa.Integer, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("last_heartbeat_at", INSTANT, nullable=False),
        sa.Column("lock_timeout_s", sa.Double, nullable=False),
        sa.Column("poll_interval_s", sa.Double, nullable=False),
        sa.Column("version", sa.String(20), nullable=False),
        sa.Column("environment", sa.String(100), nullable=False),
        sa.Column("capacity", sa.Integer, nullable=False),
        sa.Column("running", sa.Integer, nullable=False),
        sa.Column("declares", DOCUMENT),
    ]


def _audit_log() -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("id", INTEGER_ID, primary_key=True, autoincrement=True),
        sa.Column("app", sa.String(50), nullable=False),
        sa.Column("who", sa.String(200), nullable=False),
        sa.Column("what", sa.String(50), nullable=False),
        sa.Column("target", sa.String(255), nullable=False),
        sa.Column("before_state", DOCUMENT),
        sa.Column("after_state", DOCUMENT),
        sa.Column("reason", LONG_TEXT),
        sa.Column("created_at", INSTANT, nullable=False),
    ]
