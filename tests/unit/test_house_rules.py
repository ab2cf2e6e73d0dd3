"""House rules that no linter knows."""

import ast
import inspect
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import jobsched

ROOT = Path(__file__).resolve().parents[2]
LONGEST_MODULE = 400
NAMELESS = {"base", "common", "helpers", "manager", "misc", "util", "utils"}
"""Names that say nothing about what is in the module."""
LEFT_OUT = {"importorskip", "skip", "skipif", "xfail"}
SWITCHED_OFF = re.compile(r"#\s*(?:type: ignore\[[\w\-, ]+\]|noqa: [A-Z0-9, ]+)(?P<reason>.*)")


def python_files(folder: str) -> Iterator[tuple[str, Path]]:
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield str(path.relative_to(ROOT)), path


def parsed_tests() -> Iterator[tuple[str, ast.Module]]:
    for name, path in python_files("tests"):
        yield name, ast.parse(path.read_text("utf-8"))


def last_name(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]


def comments(path: Path) -> Iterable[tokenize.TokenInfo]:
    with path.open("rb") as lines:
        return [
            token for token in tokenize.tokenize(lines.readline) if token.type == tokenize.COMMENT
        ]


def test_every_test_states_its_promise() -> None:
    """A reader learns from a test's docstring what is promised, without reading its body."""
    silent = [
        f"{name}:{node.lineno} {node.name}"
        for name, tree in parsed_tests()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_no_test_sleeps() -> None:
    """Tests wait on signals and turn the fake clock: they are quick, and never a little late."""
    sleeping = [
        f"{name}:{node.lineno}"
        for name, tree in parsed_tests()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and last_name(node.func) == "sleep"
    ]
    assert sleeping == []


def test_no_test_is_skipped() -> None:
    """A test runs or is not there; only those that want an absent server are left out, aloud."""
    skipping = [
        f"{name}:{node.lineno}"
        for name, tree in parsed_tests()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr in LEFT_OUT
        and ast.unparse(node.value) in ("pytest", "pytest.mark")
    ]
    assert skipping == []


def test_what_is_switched_off_says_why() -> None:
    """Beside a rule of lint or types that is switched off stands its reason."""
    unexplained = [
        f"{name}:{comment.start[0]}"
        for folder in ("src", "tests", "examples")
        for name, path in python_files(folder)
        for comment in comments(path)
        if (off := SWITCHED_OFF.search(comment.string)) and not re.search(r"\w{2}", off["reason"])
    ]
    assert unexplained == []


def test_modules_are_short_and_named_for_what_they_hold() -> None:
    """A module is one noun: past 400 lines it wants dividing, and `utils` is no noun."""
    sizes = {name: len(path.read_text("utf-8").splitlines()) for name, path in python_files("src")}
    assert {name: size for name, size in sizes.items() if size > LONGEST_MODULE} == {}
    assert [name for name in sizes if NAMELESS & set(Path(name).with_suffix("").parts)] == []


def test_every_public_name_is_documented() -> None:
    """Each name in `jobsched.__all__` has a docstring that somebody wrote."""
    public = {name: getattr(jobsched, name) for name in jobsched.__all__}
    silent = [
        name
        for name, thing in public.items()
        if callable(thing) and (own_docstring(thing) or f"{name}(").startswith(f"{name}(")
    ]
    assert silent == []


def own_docstring(thing: object) -> str | None:
    """Not what a class inherited; a dataclass without one makes up `Name(field, ...)`."""
    return vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__
