"""The program around the commands: their order in the help, and how errors are said."""

from typing import Any

import click

from jobsched.cli.target import Target
from jobsched.errors import DatabaseError, DeclarationError, JobschedError
from jobsched.phrases import harmless, one_line

INTERRUPTED = 130
"""The exit code after Ctrl+C, as shells have it."""


class Program(click.Group):
    """Commands in the order in which they were added; an error of jobsched is one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every command, as `--help` lists them."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it cannot do is said in one line on stderr, with exit code 1."""
        try:
            return super().invoke(ctx)
        except DatabaseError as error:
            raise click.ClickException(one_line(f"{error}{_where(ctx)}")) from error
        except DeclarationError as error:  # perhaps several problems, a line each
            raise click.ClickException(harmless(str(error))) from error
        except JobschedError as error:
            raise click.ClickException(one_line(str(error))) from error
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


def _where(context: click.Context) -> str:
    """Which database it was, for whoever has several."""
    url = context.obj.database_in_use if isinstance(context.obj, Target) else None
    return "" if url is None else f" (database {url})"
