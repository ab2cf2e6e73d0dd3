"""Options that several commands share, and the form of a command's examples."""

import getpass
import json
import os
import socket
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

ID = click.IntRange(1, 2**63 - 1)
"""The id of a firing or a job run, as a database can have it."""
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON, for a program to read.")
app_argument = click.argument("app", required=False, metavar="[APP]")


def version(command: F) -> F:
    """`--version`; the package's metadata is read only when it is asked for."""

    def show(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
        if wanted:
            click.echo(f"jobsched {_installed_version()}")
            context.exit()

    return click.option(
        "--version",
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the version and exit.",
    )(command)


def by(command: F) -> F:
    """`--by WHO`, for a command that changes something."""
    return click.option(
        "--by",
        metavar="WHO",
        default=operator,
        show_default="USER@HOST",
        help="Who does it, for the audit log.",
    )(command)


def reason(command: F) -> F:
    """`--reason TEXT`, for a command that changes something."""
    return click.option("--reason", metavar="TEXT", help="Why, for the audit log.")(command)


def limit(default: int, what: str) -> Callable[[F], F]:
    """`-n`, `--limit`: how many of a list."""
    return click.option(
        "-n",
        "--limit",
        "count",
        type=click.IntRange(1, 1000),
        default=default,
        show_default=True,
        help=what,
    )


def params(command: F) -> F:
    """`--params JSON`, for a command that makes a firing."""
    return click.option(
        "--params",
        callback=_json_object,
        metavar="JSON",
        help="""Parameters for the jobs, such as '{"limit": 10}'.""",
    )(command)


def examples(*lines: str) -> str:
    """The epilog of a command's help: one example a line, as it would be typed."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def operator() -> str:
    """Who runs this command: the system's user, and the machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without an entry in passwd
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}"


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("jobsched")
    except PackageNotFoundError:  # run from a checkout
        return "(not installed)"


def _json_object(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> dict[str, Any] | None:
    """The object that was written; anything else is wrong usage, with where it went wrong."""
    if value is None:
        return None
    try:
        document = json.loads(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise click.BadParameter(
            f"""{value!r} is not a JSON object; write the names too, as in '{{"limit": 10}}'"""
        )
    return document
