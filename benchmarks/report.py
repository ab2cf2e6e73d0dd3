"""What was found, as a table to read, as Markdown for the documentation, as JSON for programs."""

import os
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.servers import postgresql_settings
from benchmarks.setting import Line
from benchmarks.statistics import GOOD, Bar, Verdict, summary

HEADINGS = ("row", "measure", "median", "quartiles", "n", "bar", "verdict", "note")


def circumstances() -> dict[str, Any]:
    """Where and when it was measured."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": [round(load, 2) for load in os.getloadavg()],
        "postgresql": postgresql_settings(),
    }


def cells(line: Line) -> tuple[str, ...]:
    """A line as text, in the order of HEADINGS."""
    median, quartiles = "", ""
    if line.values:
        found = summary(line.values)
        median = f"{_shown(found.median)} {line.unit}".strip()
        quartiles = f"{_shown(found.low)}-{_shown(found.high)}"
    bar = str(line.bar or "")
    if line.stretch is not None:
        bar += f" (stretch {line.stretch:g})"
    count = str(len(line.values))
    return (line.row, line.measure, median, quartiles, count, bar, str(line.verdict), line.note)


def as_table(lines: Iterable[Line], console: Console) -> None:
    """Print it for people."""
    table = Table(*HEADINGS)
    for line in lines:
        good = line.verdict in GOOD
        table.add_row(*cells(line), style=None if good else "bold")
    console.print(table)


def as_markdown(lines: Iterable[Line], where: dict[str, Any]) -> str:
    """A paragraph on the circumstances and a table."""
    settings = ", ".join(f"`{name} = {value}`" for name, value in where["postgresql"].items())
    load = ", ".join(f"{load:g}" for load in where["load"])
    said = (
        f"Measured on {where['date']} with Python {where['python']} on {where['machine']}; "
        f"load averages at the end {load}. PostgreSQL: {settings or 'none'}."
    )
    rows = [_row(HEADINGS), _row(["---"] * len(HEADINGS)), *(_row(cells(line)) for line in lines)]
    return "\n".join([said, "", *rows, ""])


def as_document(lines: Iterable[Line], where: dict[str, Any]) -> dict[str, Any]:
    """Everything, each repetition's value too."""
    return {"circumstances": where, "lines": [_document(line) for line in lines]}


def from_document(document: dict[str, Any]) -> tuple[list[Line], dict[str, Any]]:
    """The lines and circumstances that `as_document` wrote."""
    return [_line(one) for one in document["lines"]], document["circumstances"]


def _line(one: dict[str, Any]) -> Line:
    bar = one["bar"] and Bar(one["bar"]["limit"], one["bar"]["at_most"], one["bar"]["tie"])
    values, found = tuple(one["values"]), Verdict(one["verdict"])
    return Line(
        one["row"], one["measure"], values, one["unit"], found, bar, one["stretch"], one["note"]
    )


def exit_code(lines: Sequence[Line], *, small: bool) -> int:
    """0 when every bar is met or tied; a small run fails for lost or doubled fires only."""
    bad = {Verdict.LOST, Verdict.TWICE} if small else set(Verdict) - GOOD
    return int(any(line.verdict in bad and (line.bar or small) for line in lines))


def _document(line: Line) -> dict[str, Any]:
    found = summary(line.values) if line.values else None
    bar = line.bar
    return {
        "row": line.row,
        "measure": line.measure,
        "unit": line.unit,
        "verdict": line.verdict.value,
        "median": found and found.median,
        "quartiles": found and [found.low, found.high],
        "values": list(line.values),
        "bar": bar and {"limit": bar.limit, "at_most": bar.at_most, "tie": bar.tie_is_enough},
        "stretch": line.stretch,
        "note": line.note,
    }


def _row(texts: Iterable[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"


def _shown(value: float) -> str:
    digits = 0 if abs(value) >= 100 else 2 if abs(value) >= 0.1 else 4
    return f"{value:.{digits}f}"
