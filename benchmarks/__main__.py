"""`python -m benchmarks`: what jobsched costs, beside its peers and bare SQL."""

import json
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from benchmarks.report import (
    as_document,
    as_markdown,
    as_table,
    circumstances,
    exit_code,
    from_document,
)
from benchmarks.rows import ROWS
from benchmarks.servers import drop_leftovers
from benchmarks.setting import HISTORY_ROWS, Line, Measure, Setting
from benchmarks.statistics import REPETITIONS


@click.command()
@click.argument("rows", nargs=-1, type=click.Choice(list(ROWS)))
@click.option("--list", "listing", is_flag=True, help="Name the rows, and measure nothing.")
@click.option("--repetitions", type=click.IntRange(1), default=REPETITIONS, show_default=True)
@click.option("--small", is_flag=True, help="A few of everything, once, without the peers.")
@click.option("--history-rows", type=click.IntRange(1000), default=HISTORY_ROWS, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Everything, for programs.")
@click.option("--markdown", is_flag=True, help="The table of docs/performance.md.")
@click.option(
    "--from",
    "kept",
    type=click.Path(path_type=Path, exists=True),
    help="Show what --keep wrote, and measure nothing.",
)
@click.option("--keep", type=click.Path(path_type=Path), help="Write the JSON here after each row.")
def main(
    rows: tuple[str, ...],
    listing: bool,
    repetitions: int,
    small: bool,
    history_rows: int,
    as_json: bool,
    markdown: bool,
    kept: Path | None,
    keep: Path | None,
) -> None:
    """Measure ROWS (default: all), and say what the figures say about their bars.

    Ends with 0 when every bar is met or tied, else with 1.
    """
    if listing:
        for name, row in ROWS.items():
            click.echo(f"{name:12} {(row.__doc__ or '').strip().splitlines()[0]}")
        return
    if kept is not None:
        lines, where = from_document(json.loads(kept.read_text("utf-8")))
        show(lines, where, as_json=as_json, markdown=markdown)
        sys.exit(exit_code(lines, small=small))
    drop_leftovers()
    lines = []
    with tempfile.TemporaryDirectory(prefix="jobsched-benchmarks-") as folder:
        setting = Setting(
            Path(folder),
            repetitions=1 if small else repetitions,
            small=small,
            history_rows=min(history_rows, 20_000) if small else history_rows,
            say=progress(),
        )
        for name in rows or ROWS:
            setting.say(name)
            lines += measured(name, setting)
            if keep is not None:
                document = as_document(lines, circumstances())
                keep.write_text(json.dumps(document, indent=1), "utf-8")
    show(lines, circumstances(), as_json=as_json, markdown=markdown)
    sys.exit(exit_code(lines, small=small))


def progress() -> Callable[[str], None]:
    """Says on stderr what is done, with the seconds since now."""
    began = time.monotonic()

    def say(text: str) -> None:
        click.echo(f"{time.monotonic() - began:6.0f} s  {text}", err=True)

    return say


def show(lines: list[Line], where: dict[str, Any], *, as_json: bool, markdown: bool) -> None:
    """As it was asked for."""
    if as_json:
        click.echo(json.dumps(as_document(lines, where), indent=1))
    elif markdown:
        click.echo(as_markdown(lines, where))
    else:
        console = Console(width=None if sys.stdout.isatty() else 160)
        console.print(where)
        as_table(lines, console)


def measured(name: str, setting: Setting) -> list[Line]:
    """A row; one that breaks down is a line that says so, and the others go on."""
    try:
        return ROWS[name].measure(setting)
    except Exception as error:
        click.echo(traceback.format_exc(), err=True)
        found = Measure(name)
        found.missing("the row itself", f"{type(error).__name__}: {error}".splitlines()[0])
        return found.lines


if __name__ == "__main__":
    main()
