"""Tables for people. On a terminal they fit its width; in a pipe each row is one line.

Nothing is ever cut: what does not fit is folded. Rich is imported with the first table.
"""

import os
import sys
from collections.abc import Iterable, Sequence

import click

from jobsched.cli.phrases import one_line

_NARROWEST = 8
"""Below this a column is not squeezed; the table is then wider than the terminal."""

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

    cells = [[one_line(cell) for cell in row] for row in rows]
    kept = [i for i in range(len(headings)) if i == 0 or any(row[i] for row in cells)]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i in kept:
        longest_word = max((len(word) for row in cells for word in row[i].split()), default=0)
        table.add_column(
            headings[i].upper(),
            overflow="fold",
            min_width=min(max(longest_word, len(headings[i])), _NARROWEST),
        )
    for row in cells:
        # Text, not str: what comes from the database must not be read as markup.
        table.add_row(*(Text(row[i], style=_STYLES.get(row[i], "")) for i in kept))
    console = Console(file=sys.stdout, width=_width(), highlight=False)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def styled(word: str) -> str:
    """A state's word in its colour, for a line outside a table."""
    colour = _STYLES.get(word)
    return click.style(word, fg=colour) if colour else word


def _width() -> int | None:
    """The terminal's; in a pipe as much as the rows need, unless COLUMNS asks for a width."""
    return None if sys.stdout.isatty() or "COLUMNS" in os.environ else 100_000
