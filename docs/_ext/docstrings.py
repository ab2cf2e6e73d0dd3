"""Docstrings are written to be read in the code; this makes Sphinx show them as they are meant.

- A name between single backticks is code (the default role does that), and an indented block
  after a line that ends in a colon is an example.
- `job` has the signature that a type checker sees, not that of its implementation.
- A command's examples are code too.
- A pydantic model is shown as its constructor, with what each field means; its annotations are
  validators and tell a reader nothing.
"""

import inspect
import types
import typing
from datetime import timedelta
from enum import StrEnum
from typing import Any

from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

from jobsched.registry import Job, Registry


def signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, args: str | None, returns: str | None
) -> tuple[str | None, str | None] | None:
    """A signature that a reader can use, where the inspected one is not."""
    if name == "jobsched.job":
        of_the_decorator = inspect.signature(typing.get_overloads(Registry.job)[-1])
        own = [one for one in of_the_decorator.parameters.values() if one.name != "self"]
        return _plain(own), None
    if what == "class" and issubclass(obj, BaseModel):
        return _plain(inspect.signature(obj).parameters.values()), None
    if obj is Job:
        return "", None  # only `@job` makes one
    return None


def _plain(parameters: typing.Iterable[inspect.Parameter]) -> str:
    bare = [
        one.replace(
            annotation=inspect.Parameter.empty,
            default=one.default if one.default is one.empty else _AsWritten(one.default),
        )
        for one in parameters
    ]
    return str(inspect.Signature(bare))


class _AsWritten:
    """A default, shown as one would write it."""

    def __init__(self, default: object) -> None:
        self._default = default

    def __repr__(self) -> str:
        match self._default:
            case StrEnum():
                return repr(self._default.value)
            case timedelta():
                return f"timedelta(seconds={self._default.total_seconds():g})"
            case types.EllipsisType():
                return "Backoff()"  # the one default that the overloads leave open
            case tuple(errors) if all(isinstance(one, type) for one in errors):
                return f"({', '.join(one.__name__ for one in errors)}{',' * (len(errors) == 1)})"
            case _:
                return repr(self._default)


def describe(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Show examples as code, and a model's fields with their meaning."""
    _examples_as_code(lines)
    if what == "class" and isinstance(obj, type) and issubclass(obj, BaseModel):
        meanings = ModuleAnalyzer.for_module(obj.__module__).find_attr_docs()
        lines.append("")
        for field in obj.model_fields:
            meaning = " ".join(meanings[obj.__name__, field]).strip()
            lines.append(f":param {field}: {meaning}")


def _examples_as_code(lines: list[str]) -> None:
    """Turn `:` before an indented block into reStructuredText's `::`."""
    for number in range(len(lines) - 2):
        line, blank, block = lines[number : number + 3]
        if line.endswith(":") and not line.endswith("::") and not blank and block.startswith("  "):
            lines[number] = f"{line}:"


def command_examples(app: Sphinx, context: Any, lines: list[str]) -> None:
    """Show the examples at the end of a command's help as they would be typed."""
    said = [line.removeprefix("|").strip() for line in lines]
    commands = [line for line in said if line and line != "Examples:"]
    if commands:
        lines[:] = [".. code-block:: text", "", *(f"   {line}" for line in commands), ""]


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("autodoc-process-signature", signature)
    app.connect("autodoc-process-docstring", describe)
    app.connect("sphinx-click-process-epilog", command_examples)
    return {"parallel_read_safe": True}
