"""Tables for people. On a terminal they fit its width; in a pipe each row is one line.

Nothing is ever cut: what does not fit is folded, between words where that is possible. Rich is
imported with the first table.
"""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence

import click

from jobsched.phrases import one_line

GAP = 2
"""Blanks between two columns."""
LONGEST_WORD = 16
"""Words up to this length are kept whole, in the first column words of any length."""

_STYLES = {
    "SUCCESS": "green",
    "RUNNING": "cyan",
    "WAITING": "yellow",
    "FAILED": "red",
    "LOST": "red",
    "CANCELLED": "yellow",
    "SKIPPED": "bright_black",
    "enabled": "green",
    "disabled": "yellow",
    "problem": "red",
    "retired": "bright_black",
    "elsewhere": "bright_black",
    "healthy": "green",
    "warning": "yellow",
    "critical": "red",
}


def show(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table with these headings; columns that are empty in every row are left out."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    lines = [[one_line(cell) for cell in row] for row in rows]
    columns = {
        heading.upper(): [line[i] for line in lines]
        for i, heading in enumerate(headings)
        if i == 0 or any(line[i] for line in lines)
    }
    console = Console(file=sys.stdout, width=_terminal_width(), highlight=False)
    widths = _widths(columns, console.width)
    console.width = sum(widths) + GAP * len(widths)  # rich cuts what is wider
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    for heading, width in zip(columns, widths, strict=True):
        table.add_column(heading, overflow="fold", width=width)
    for cells in zip(*columns.values(), strict=True):
        # Text, not str: what comes from the database must not be read as markup.
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in cells))
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def styled(word: str) -> str:
    """A state's word in its colour, for a line outside a table."""
    colour = _STYLES.get(word)
    return click.style(word, fg=colour) if colour else word


def _widths(columns: Mapping[str, Sequence[str]], room: int) -> list[int]:
    """The width of each column: what its cells need, less where they can be folded."""
    from rich.cells import cell_len

    needed: list[int] = []
    least: list[int] = []
    for heading, cells in columns.items():
        longest_word = max((cell_len(word) for cell in cells for word in cell.split()), default=0)
        if least:  # an id, in the first column, is always whole
            longest_word = min(longest_word, LONGEST_WORD)
        needed.append(max(len(heading), *(cell_len(cell) for cell in cells), 0))
        least.append(max(len(heading), longest_word))
    while sum(needed) + GAP * (len(needed) - 1) > room and needed != least:
        widest = max(range(len(needed)), key=lambda i: (needed[i] > least[i], needed[i]))
        needed[widest] -= 1
    return needed


def _terminal_width() -> int | None:
    """The terminal's; in a pipe as much as the rows need, unless COLUMNS asks for a width."""
    return None if sys.stdout.isatty() or "COLUMNS" in os.environ else 100_000
