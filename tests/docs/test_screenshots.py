"""The documentation's screenshots are those that `docs/screenshots.py` takes."""

import ast
import re
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
PICTURES = DOCS / "_static" / "screenshots"
MOST_BYTES = 150_000


def taken() -> list[str]:
    """The names of the shots, read without the browser that takes them."""
    tree = ast.parse((DOCS / "screenshots.py").read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    made = [call for call in calls if getattr(call.func, "id", None) == "Shot"]
    return [call.args[0].value for call in made if isinstance(call.args[0], ast.Constant)]


def test_the_pages_that_are_shown_are_those_that_are_taken() -> None:
    """Each picture in docs/admin.md is made by the command, and none is made for nothing."""
    page = (DOCS / "admin.md").read_text("utf-8")
    shown = re.findall(r"^```\{screenshot\} (\S+)$", page, re.MULTILINE)
    assert sorted(shown) == sorted(taken())
    assert len(shown) == len(set(shown)) > 0


def test_each_picture_is_there_in_both_schemes_and_is_light() -> None:
    """Light and dark of every shot, none left over, each at most 150 kB."""
    found = {path.name: path.stat().st_size for path in PICTURES.iterdir()}
    assert found.keys() == {
        f"{name}-{scheme}.png" for name in taken() for scheme in ("light", "dark")
    }
    assert {name: size for name, size in found.items() if size > MOST_BYTES} == {}
