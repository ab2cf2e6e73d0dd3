"""`{settings}`: every setting with its variables, default and meaning, read from `Settings`."""

import re
from datetime import timedelta

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective

from jobsched.settings import PREFIX, Settings


class SettingsTable(SphinxDirective):
    """One section of a definition list for each setting, with an anchor of its own."""

    def run(self) -> list[nodes.Node]:
        """The nodes that stand in its place."""
        meanings = ModuleAnalyzer.for_module(Settings.__module__).find_attr_docs()
        items = []
        for name, field in Settings.model_fields.items():
            variable = PREFIX + name.upper()
            term = nodes.term("", "", code(variable))
            term["ids"].append(variable.lower().replace("_", "-"))
            meaning = " ".join(meanings[Settings.__name__, name]).strip()
            facts = [*with_code(meaning), nodes.Text(" Default "), code(shown(field.default))]
            facts += [nodes.Text(", as a keyword "), code(name), nodes.Text(".")]
            definition = nodes.definition("", nodes.paragraph("", "", *facts))
            items.append(nodes.definition_list_item("", term, definition))
        return [nodes.definition_list("", *items)]


def with_code(text: str) -> list[nodes.Node]:
    """The text, with what is between backticks or looks like a variable shown as code."""
    parts = re.split(r"`([^`]+)`|\b([A-Z]+(?:_[A-Z]+)+)\b", text)
    plain, marked, variables = parts[::3], parts[1::3], parts[2::3]
    found: list[nodes.Node] = [nodes.Text(plain[0])]
    for quoted, variable, after in zip(marked, variables, plain[1:], strict=True):
        found += [code(quoted or variable), nodes.Text(after)]
    return found


def code(text: str) -> nodes.literal:
    """The text as code."""
    return nodes.literal("", text)


def shown(default: object) -> str:
    """A default as one would write it into the variable."""
    if isinstance(default, timedelta):
        return f"{default.total_seconds():g}s"
    if isinstance(default, bool):
        return str(default).lower()
    return str(default) or "(empty)"


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("settings", SettingsTable)
    return {"parallel_read_safe": True}
