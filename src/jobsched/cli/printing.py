"""JSON on the terminal, for programs that read it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click


def show(document: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> None:
    """Print one JSON document, indented."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def show_line(document: Mapping[str, Any]) -> None:
    """Print one line of JSON Lines."""
    click.echo(json.dumps(document, ensure_ascii=False))
