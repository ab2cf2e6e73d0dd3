"""The tables' version: created, upgraded, compared, refused, on every database."""

import logging
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import alembic.command
import alembic.config
import alembic.util
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata

from jobsched.errors import DatabaseError, SchemaError
from jobsched.store import schema
from jobsched.store.database import Database
from jobsched.store.migrations import VERSIONS
from jobsched.store.migrations.compare import differences
from jobsched.store.migrations.context import migration_context, scripts
from jobsched.store.schema import SchemaState, check, ensure, migrate, version_table
from jobsched.store.tables import VERSION_TABLE, is_jobsched_table

HEAD = VERSIONS[-1]


@pytest.fixture
def opened(database_url: str) -> Iterator[Callable[..., Database]]:
    """Opens Databases on an empty database, and closes them."""
    databases: list[Database] = []

    def opened(**options: str) -> Database:
        databases.append(Database(database_url, **options))
        return databases[-1]

    yield opened
    for database in databases:
        database.dispose()


@pytest.fixture
def empty(opened: Callable[..., Database]) -> Database:
    """A Database without tables."""
    return opened()


def set_version(database: Database, version: str) -> None:
    with database.write() as tx:
        table = version_table(tx.tables.prefix, tx.tables.schema)
        tx.connection.execute(sa.update(table).values(version_num=version))


def names(database: Database) -> set[str]:
    return set(sa.inspect(database.engine).get_table_names())


# fresh equals migrated


def described(database: Database) -> dict[str, list[str]]:
    """Every table of ours in the server's own words, in an order that migrations cannot change."""
    with database.read() as tx:
        return {
            table.name: sorted(DESCRIBE[database.dialect](tx.connection, table))
            for table in tx.tables.metadata.sorted_tables
        }


def describe_sqlite(connection: sa.Connection, table: sa.Table) -> list[str]:
    statements = connection.execute(
        sa.text("SELECT sql FROM sqlite_master WHERE tbl_name = :name AND sql IS NOT NULL"),
        {"name": table.name},
    ).scalars()
    return [line.strip(" ,\t") for sql in statements for line in sql.splitlines()]


def describe_mysql(connection: sa.Connection, table: sa.Table) -> list[str]:
    sql = connection.execute(sa.text(f"SHOW CREATE TABLE `{table.name}`")).one()[1]
    return [re.sub(r" AUTO_INCREMENT=\d+", "", line.strip(" ,")) for line in sql.splitlines()]


def describe_postgresql(connection: sa.Connection, table: sa.Table) -> list[str]:
    of = {"table": f'"{table.schema or "public"}"."{table.name}"'}
    columns = (
        "SELECT attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull::text"
        " || coalesce(' ' || pg_get_expr(adbin, adrelid), '') FROM pg_attribute"
        " LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
        " WHERE attrelid = CAST(:table AS regclass) AND attnum > 0 AND NOT attisdropped"
    )
    constraints = (
        "SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE conrelid = CAST(:table AS regclass)"
    )
    indexes = (
        "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = CAST(:table AS regclass)"
    )
    queries = (columns, constraints, indexes)
    return [row for query in queries for row in connection.execute(sa.text(query), of).scalars()]


DESCRIBE = {
    "sqlite": describe_sqlite,
    "postgresql": describe_postgresql,
    "mysql": describe_mysql,
    "mariadb": describe_mysql,
}


@pytest.mark.parametrize("prefix", ["", "jobs_"])
def test_fresh_equals_migrated(opened: Callable[..., Database], prefix: str) -> None:
    """The migrations make, to the letter, what tables.py describes: options and names as well."""
    database = opened(prefix=prefix)
    migrate(database)
    migrated = described(database)
    database.tables.metadata.drop_all(database.engine)
    database.tables.metadata.create_all(database.engine)
    assert described(database) == migrated


def test_autogenerate_finds_nothing_to_do(empty: Database) -> None:
    """Alembic sees no difference between a migrated database and tables.py, in either direction."""
    migrate(empty)
    with empty.read() as tx:
        context = migration_context(tx.connection, tx.tables)
        assert compare_metadata(context, tx.tables.metadata) == []
    assert differences(empty) == []


@pytest.mark.backends("postgresql")
def test_tables_come_under_a_schema(opened: Callable[..., Database]) -> None:
    """With a schema everything of ours is in it, created when absent, and nothing beside it."""
    database = opened(schema="jobs", prefix="x_")
    assert migrate(database) == list(VERSIONS)
    assert differences(database) == []
    assert check(database) == SchemaState(HEAD, HEAD, ())
    inside = set(sa.inspect(database.engine).get_table_names(schema="jobs"))
    assert inside == {t.name for t in database.tables.metadata.sorted_tables} | {
        f"x_{VERSION_TABLE}"
    }
    assert names(database) == set()
    migrated = described(database)
    database.tables.metadata.drop_all(database.engine)
    database.tables.metadata.create_all(database.engine)
    assert described(database) == migrated


@pytest.mark.backends("postgresql")
def test_two_installations_share_a_database(opened: Callable[..., Database]) -> None:
    """Another prefix or schema is another installation with a version of its own."""
    one, two, three = opened(), opened(prefix="b_"), opened(schema="c")
    migrate(one)
    assert (check(two).current, check(three).current) == (None, None)
    migrate(two)
    migrate(three)
    assert [differences(each) for each in (one, two, three)] == [[], [], []]


def test_versions_are_the_scripts() -> None:
    """The list that spares us Alembic is Alembic's own, oldest first, each with a major."""
    revisions = [script.revision for script in scripts().walk_revisions()]
    assert tuple(reversed(revisions)) == VERSIONS
    assert all(re.fullmatch(r"\d+\.\d+", version) for version in VERSIONS)


# created and upgraded


def test_ensure_creates_what_is_absent_and_then_does_nothing(empty: Database) -> None:
    """The first start creates the tables; what was applied is told once."""
    assert check(empty) == SchemaState(None, HEAD, VERSIONS)
    ensure(empty, auto_migrate=True)
    assert check(empty) == SchemaState(HEAD, HEAD, ())
    assert migrate(empty) == []
    ensure(empty, auto_migrate=False)


def test_a_database_at_head_costs_one_select(empty: Database) -> None:
    """Later starts ask for the version and nothing else."""
    migrate(empty)
    statements: list[str] = []

    @sa.event.listens_for(empty.engine, "before_cursor_execute")
    def record(_c: object, _cu: object, statement: str, *_: object) -> None:
        statements.append(statement)

    ensure(empty, auto_migrate=True)
    assert [s.split()[0] for s in statements if s != "BEGIN"] == ["SELECT"]


def run_python(source: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", source, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


AT_HEAD = """
import sys
from jobsched.store.database import Database
from jobsched.store.schema import ensure
ensure(Database(sys.argv[1]), auto_migrate=True)
print([name for name in sys.modules if name.startswith("alembic")])
"""


@pytest.mark.backends("sqlite")
def test_a_database_at_head_needs_no_alembic(empty: Database, database_url: str) -> None:
    """A daemon that finds its tables does not import Alembic."""
    migrate(empty)
    assert run_python(AT_HEAD, database_url) == "[]"


MIGRATE_ON_SIGNAL = """
import sys
from jobsched.store.database import Database
from jobsched.store.schema import migrate
import jobsched.store.migrations.context
database = Database(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(len(migrate(database)), flush=True)
"""


def test_of_four_processes_one_migrates(empty: Database, database_url: str) -> None:
    """Daemons that start at once on an empty database all succeed; one of them creates it."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MIGRATE_ON_SIGNAL, database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ends = [process.communicate() for process in processes]
    applied = sorted(out.strip() for out, _ in ends)
    assert applied == ["0", "0", "0", str(len(VERSIONS))], ends
    assert differences(empty) == []


def test_threads_may_start_at_once(empty: Database) -> None:
    """Several schedulers of one process ensure the tables side by side."""
    barrier = threading.Barrier(6)

    def start(_: int) -> None:
        barrier.wait()
        ensure(empty, auto_migrate=True)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(start, range(6)))
    assert differences(empty) == []


def test_a_migration_that_broke_off_is_taken_up_again(empty: Database) -> None:
    """Where DDL commits at once, half a schema without a version is completed, not refused."""
    migrate(empty)
    whole = described(empty)
    tables = empty.tables
    with empty.write() as tx:
        tables.job_log.drop(tx.connection)
        next(i for i in tables.job_firing.indexes if "live" in str(i.name)).drop(tx.connection)
        tx.connection.execute(sa.delete(version_table("", None)))
    assert check(empty).current is None
    assert migrate(empty) == list(VERSIONS)
    assert described(empty) == whole


def test_logging_is_left_alone(empty: Database, caplog: pytest.LogCaptureFixture) -> None:
    """Migrating changes no logger of the host's, and says what it did on ours."""
    loggers = [logging.getLogger(name) for name in (None, "alembic", "sqlalchemy", "host")]
    before = [(each.level, list(each.handlers), each.disabled) for each in loggers]
    with caplog.at_level(logging.INFO, "jobsched"):
        migrate(empty)
    assert [(each.level, list(each.handlers), each.disabled) for each in loggers] == before
    assert [r.getMessage() for r in caplog.records if r.name.startswith("jobsched")] == [
        f"the tables are now of version {version}" for version in VERSIONS
    ]


# refused


def test_without_auto_migrate_absent_tables_are_refused(empty: Database) -> None:
    """Those who own their schema are told the command, and nothing is created."""
    with pytest.raises(SchemaError, match=r"1\.1.*there are none.*python -m jobsched migrate"):
        ensure(empty, auto_migrate=False)
    assert names(empty) == set()


def test_without_auto_migrate_old_tables_are_refused(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tables behind the code are named with both versions."""
    migrate(empty)
    monkeypatch.setattr(schema, "VERSIONS", (*VERSIONS, "1.10"))
    assert check(empty) == SchemaState(HEAD, "1.10", ("1.10",))
    with pytest.raises(SchemaError, match=rf"1\.10.*they are {re.escape(HEAD)}.*migrate"):
        ensure(empty, auto_migrate=False)


def test_a_newer_minor_version_serves(empty: Database) -> None:
    """In a rolling deploy the old code runs on the tables of the new."""
    migrate(empty)
    set_version(empty, "1.99")
    ensure(empty, auto_migrate=False)
    ensure(empty, auto_migrate=True)
    assert migrate(empty) == []
    assert check(empty) == SchemaState("1.99", HEAD, ())


@pytest.mark.parametrize("auto_migrate", [True, False])
def test_a_newer_major_version_is_refused(empty: Database, auto_migrate: bool) -> None:
    """Tables of another major version are refused with both versions and the way out."""
    migrate(empty)
    set_version(empty, "2.0")
    with pytest.raises(SchemaError, match=rf"2\.0.*{re.escape(HEAD)}.*upgrade jobsched"):
        ensure(empty, auto_migrate=auto_migrate)
    with pytest.raises(SchemaError, match="upgrade jobsched"):
        migrate(empty)


def test_an_older_major_version_is_not_upgraded_at_start(
    empty: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start never takes the tables away from older daemons: that is the operator's step."""
    migrate(empty)
    monkeypatch.setattr(schema, "VERSIONS", (*VERSIONS, "2.0"))
    with pytest.raises(SchemaError, match=r"2\.0: stop the older daemons.*migrate"):
        ensure(empty, auto_migrate=True)
    assert check(empty).current == HEAD


def test_a_version_that_is_not_ours_is_refused(empty: Database) -> None:
    """A revision that some other program wrote is no version, and the prefix is the way out."""
    migrate(empty)
    set_version(empty, "a1b2c3d4e5f6")
    with pytest.raises(SchemaError, match=r"a1b2c3d4e5f6.*JOBSCHED_TABLE_PREFIX"):
        ensure(empty, auto_migrate=True)


def test_the_hosts_own_table_of_the_same_name_is_refused(empty: Database) -> None:
    """A host's `audit_log` is not taken for ours: nothing is created beside it."""
    host = sa.Table("audit_log", sa.MetaData(), sa.Column("entry", sa.Integer))
    with empty.write() as tx:
        host.create(tx.connection)
    with pytest.raises(SchemaError, match=r"'audit_log'.*JOBSCHED_TABLE_PREFIX"):
        ensure(empty, auto_migrate=True)
    assert names(empty) - {VERSION_TABLE} == {"audit_log"}


@pytest.mark.backends("postgresql")
def test_a_user_without_the_right_is_told_so(empty: Database, database_url: str) -> None:
    """The server's refusal is passed on with what to do about it."""
    role = f"reader_{sa.make_url(database_url).database}"
    with empty.write() as tx:
        tx.connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN")
        tx.connection.exec_driver_sql("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        tx.connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {role}")
    reader = Database(sa.make_url(database_url).set(username=role))
    try:
        with pytest.raises(SchemaError, match=r"permission denied.*python -m jobsched migrate"):
            ensure(reader, auto_migrate=True)
    finally:
        reader.dispose()
        with empty.write() as tx:
            tx.connection.exec_driver_sql(f"DROP OWNED BY {role}")
            tx.connection.exec_driver_sql(f"DROP ROLE {role}")


def test_a_database_that_does_not_answer_is_not_taken_for_an_empty_one() -> None:
    """No answer is a DatabaseError, not a SchemaError."""
    nowhere = Database("postgresql://postgres@127.0.0.1:1/none")
    with pytest.raises(DatabaseError):
        ensure(nowhere, auto_migrate=True)


def test_differences_name_what_is_missing(empty: Database) -> None:
    """A lost table, column, index or type is told; an operator's own index and table are not."""
    migrate(empty)
    with empty.write() as tx:
        tx.tables.audit_log.drop(tx.connection)
        for statement in (
            "DROP INDEX ix_job_log_run" + (" ON job_log" if empty.dialect == "mariadb" else ""),
            "ALTER TABLE job_run DROP COLUMN progress",
            "ALTER TABLE job_run ADD COLUMN operators_note INTEGER",
            "CREATE INDEX operators_index ON job_run (schedule_id)",
            "CREATE TABLE operators_table (a INTEGER)",
        ):
            tx.connection.exec_driver_sql(statement)
    assert sorted(differences(empty)) == [
        "column job_run.progress is missing",
        "index ix_job_log_run is missing",
        "table audit_log is missing",
    ]


# beside the host's own Alembic

ENV = """
from alembic import context
import sqlalchemy as sa
from jobsched.store.tables import is_jobsched_table

metadata = sa.MetaData()
sa.Table("customer", metadata, sa.Column("id", sa.Integer, primary_key=True))


def include_name(name, type_, parent_names):
    return not (type_ == "table" and is_jobsched_table(name, prefix={prefix!r}))


engine = sa.create_engine({url!r})
with engine.connect() as connection:
    context.configure(
        connection=connection, target_metadata=metadata, include_name={include_name}
    )
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
"""

CUSTOMER = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "c1", None


def upgrade():
    op.create_table("customer", sa.Column("id", sa.Integer, primary_key=True))
"""

CALLS_US = """
import sqlalchemy as sa
from alembic import op
from jobsched.store.database import Database
from jobsched.store.schema import migrate

revision, down_revision = "c1", None


def upgrade():
    database = Database(op.get_bind().engine)
    migrate(database)
    database.dispose()
    op.create_table("customer", sa.Column("id", sa.Integer, primary_key=True))
"""


def hosts_alembic(
    folder: Path, url: str, revision: str = CUSTOMER, prefix: str = "", excluding: bool = True
) -> alembic.config.Config:
    (folder / "versions").mkdir(exist_ok=True)
    include_name = "include_name" if excluding else "None"
    (folder / "env.py").write_text(ENV.format(url=url, include_name=include_name, prefix=prefix))
    (folder / "versions" / "c1_customer.py").write_text(revision)
    config = alembic.config.Config()
    config.set_main_option("script_location", str(folder))
    config.set_main_option("path_separator", "os")
    return config


@pytest.mark.parametrize("prefix", ["", "jobs_"])
def test_the_hosts_autogenerate_leaves_our_tables_alone(
    opened: Callable[..., Database], database_url: str, tmp_path: Path, prefix: str
) -> None:
    """With the documented `include_name` the host's autogenerate has nothing to say of ours."""
    database = opened(prefix=prefix)
    config = hosts_alembic(tmp_path, database_url, prefix=prefix)
    alembic.command.upgrade(config, "head")
    ensure(database, auto_migrate=True)
    alembic.command.check(config)
    assert {"customer", "alembic_version", prefix + VERSION_TABLE} <= names(database)
    assert differences(database) == []
    # Without the recipe the host would be told to drop them all: this is what it is for.
    with pytest.raises(alembic.util.AutogenerateDiffsDetected, match="remove_table"):
        alembic.command.check(hosts_alembic(tmp_path, database_url, excluding=False))


@pytest.mark.backends("postgresql")
def test_the_hosts_own_migration_may_migrate_us(
    empty: Database, database_url: str, tmp_path: Path
) -> None:
    """Called from inside a host's migration we leave Alembic's global `op` to it."""
    alembic.command.upgrade(hosts_alembic(tmp_path, database_url, CALLS_US), "head")
    assert check(empty).current == HEAD
    assert "customer" in names(empty)


def test_only_our_own_names_are_jobscheds() -> None:
    """Each table of ours is known by its name under the prefix; the host's names are not."""
    tables = Database("sqlite://", prefix="j_").tables.metadata.sorted_tables
    assert all(is_jobsched_table(table.name, prefix="j_") for table in tables)
    assert is_jobsched_table(f"j_{VERSION_TABLE}", prefix="j_")
    assert not any(is_jobsched_table(table.name) for table in tables)
    assert not is_jobsched_table("customer")
    assert not is_jobsched_table("prefix")
