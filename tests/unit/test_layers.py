"""The direction of imports: each layer knows those below it, and nobody above."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = Path(__file__).resolve().parents[2] / "src" / "jobsched"

LAYERS = (
    {
        "errors",
        "arguments",
        "clock",
        "values",
        "json_values",
        "durations",
        "fixed",
        "model",
        "backoff",
        "cron",
        "occurrences",
        "settings",
    }
    | {"failpoints", "redaction", "windows_zones", "zones"},
    {"registry", "policies", "parameters", "context", "declarations"},
    {"planning"},
    {"store"},
    {"locks", "executors"},
    {"daemon"},
    {"operations", "reading", "scheduler", "soundness", "job_worker", "documents", "phrases"},
    {"__init__"},
    {"admin", "cli", "testing"},
    {"__main__"},
)
"""From the bottom up; a module may import its own layer and those before it."""

CORE = {"croniter", "pydantic", "pydantic_core", "pydantic_settings", "sqlalchemy"} | {
    "typing_extensions"  # pydantic has it, and reads its TypedDict
}
"""What any module may import; the driver of a database is SQLAlchemy's business."""

ONLY_IN = {
    "alembic": {"store.schema", "store.migrations"},
    "celery": {"executors.celery"},
    "click": {"cli"},
    "distributed": {"executors.dask"},
    "fastapi": {"admin.fastapi"},
    "flask": {"admin.flask"},
    "jinja2": {"admin"},
    "markupsafe": {"admin"},
    "opentelemetry": {"daemon.otel"},
    "prometheus_client": {"daemon.prometheus"},
    "pytest": {"testing"},
    "redis": {"locks.redis"},
    "rich": {"cli"},
    "starlette": {"admin.fastapi"},
}
"""What only these modules (and those inside them) may import."""

IMPURE = {"asyncio", "logging", "os", "random", "socket", "sqlalchemy", "threading", "time"}
"""What a pure decision has no use for."""


class Import(NamedTuple):
    """One imported module, as seen from one place."""

    by: str
    """Our module, without `jobsched.`."""
    line: int
    module: str

    @property
    def top(self) -> str:
        """The imported package, or the module of ours: `registry` for `jobsched.registry.job`."""
        top, _, rest = self.module.partition(".")
        return (rest.partition(".")[0] or "__init__") if self.is_ours else top

    @property
    def is_ours(self) -> bool:
        return self.module.partition(".")[0] == "jobsched"

    def __str__(self) -> str:
        return f"jobsched.{self.by}, line {self.line}: imports {self.module}"


class ImportFinder(ast.NodeVisitor):
    """All imports of a module that happen when it runs, those inside functions too."""

    def __init__(self, by: str) -> None:
        self.by = by
        self.found: list[Import] = []

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [Import(self.by, node.lineno, alias.name) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.module is not None, f"jobsched.{self.by}: a relative import; write it in full"
        for alias in node.names:
            name = f"{node.module}.{alias.name}"
            self.found.append(
                Import(self.by, node.lineno, name if is_module(name) else node.module)
            )

    def visit_If(self, node: ast.If) -> None:
        if ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            node.body = []
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        if ast.unparse(node.func).endswith("import_module"):
            match node.args:
                case [ast.Constant(value=str(name)), *_]:
                    self.found.append(Import(self.by, node.lineno, name))
        self.generic_visit(node)


def is_module(name: str) -> bool:
    path = PACKAGE.parent.joinpath(*name.split("."))
    return path.is_dir() or path.with_suffix(".py").is_file()


def modules() -> Iterator[tuple[str, Path]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts), path


def imports_in(source: str, by: str) -> list[Import]:
    finder = ImportFinder(by)
    finder.visit(ast.parse(source))
    return finder.found


@pytest.fixture(scope="module")
def imports() -> list[Import]:
    return [
        found for name, path in modules() for found in imports_in(path.read_text("utf-8"), name)
    ]


def layer(top: str) -> int:
    for number, members in enumerate(LAYERS):
        if top in members:
            return number
    pytest.fail(
        f"jobsched.{top} has no layer yet: add it to LAYERS in tests/unit/test_layers.py, "
        "in the lowest layer whose imports it can live with"
    )


def inside(module: str, homes: set[str]) -> bool:
    return any(module == home or module.startswith(f"{home}.") for home in homes)


def test_every_module_has_a_layer() -> None:
    """A new module at the top is placed on purpose."""
    for name, _ in modules():
        layer(name.partition(".")[0])


def test_imports_go_down(imports: list[Import]) -> None:
    """No module imports one of a layer above its own."""
    upward = [
        str(found)
        for found in imports
        if found.is_ours and layer(found.top) > layer(found.by.partition(".")[0])
    ]
    assert upward == []


def test_other_packages_are_imported_where_they_belong(imports: list[Import]) -> None:
    """Alembic, click, rich and every optional dependency stay in their own adapter, so that
    nobody pays for, or needs, what they do not use."""
    astray = [
        f"{found}, which belongs in {sorted(ONLY_IN.get(found.top, ())) or 'CORE or ONLY_IN'}"
        for found in imports
        if not found.is_ours
        and found.top not in sys.stdlib_module_names | CORE
        and not inside(found.by, ONLY_IN.get(found.top, set()))
    ]
    assert astray == []


def test_decisions_are_pure(imports: list[Import]) -> None:
    """Planning needs no database, clock, thread or chance: what it decides depends on what it is
    given alone."""
    impure = [
        str(found) for found in imports if inside(found.by, {"planning"}) and found.top in IMPURE
    ]
    assert impure == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import jobsched.store.fire", ["jobsched.store.fire"]),
        ("from jobsched import store", ["jobsched.store"]),
        ("from jobsched import Scheduler", ["jobsched"]),
        ("def f():\n    from jobsched.errors import JobschedError", ["jobsched.errors"]),
        ("if TYPE_CHECKING:\n    import redis\nelse:\n    import flask", ["flask"]),
        ("import_module('rich.table')", ["rich.table"]),
    ],
)
def test_imports_are_found_wherever_they_stand(source: str, found: list[str]) -> None:
    """The checks above see every way to import, and pass over what only type checkers read."""
    assert [each.module for each in imports_in(source, "cli")] == found
