"""`serve`: the admin pages by themselves, for who operates an app that does not mount them."""

import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import click

from jobsched.cli import options
from jobsched.cli.target import Target

PORT = 8642


@click.command(
    epilog=options.examples(
        "jobsched serve",
        "jobsched serve myapp.jobs:scheduler --port 0",
        "jobsched --database-url postgresql://db.example/shop serve",
    )
)
@options.app_argument
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on. By default only this machine can connect.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=PORT,
    show_default=True,
    help="The port to listen on; 0 takes a free one.",
)
@click.pass_obj
def serve(target: Target, app: str | None, host: str, port: int) -> None:
    """Serve the admin pages.

    Until Ctrl+C. Needs the database only: no daemon runs in it, and APP is loaded only if one is
    named. Prints a link that signs in whoever opens it first, once, as you, with every permission.
    Needs Jinja2: install `jobsched[admin]`.
    """
    from jobsched.admin import standalone, wsgi_app
    from jobsched.admin.access import bearer_tokens

    if app and target.app and app != target.app:
        raise click.UsageError(f"APP is given twice: {target.app!r} and {app!r}")
    target.app = app or target.app
    scheduler = target.scheduler()
    scheduler.health()  # a database that does not answer, or has no tables, is said now
    token = secrets.token_urlsafe()
    access = bearer_tokens({token: options.operator()})
    pages = wsgi_app(scheduler, access=access, title=_title(scheduler.app))
    with (
        _until_interrupted(),
        standalone.serve(pages, host, port, standalone.gate_of(host)) as server,
    ):
        if not standalone.is_loopback(host):
            click.echo(
                f"Warning: whoever reaches {host} can connect, and HTTP is not encrypted; rather "
                "leave out --host and tunnel: ssh -L 8642:127.0.0.1:8642 THIS-MACHINE",
                err=True,
            )
        at = standalone.address(server)
        click.echo(f"Serving app {scheduler.app} of {target.database_in_use}; Ctrl+C ends it.")
        click.echo("Open this link to sign in; it is good once:")
        click.echo(f"{at}/login?code={access.one_time_code(token)}")
        server.serve_forever()


def _title(app: str) -> str:
    return "jobsched" if app == "default" else app


@contextmanager
def _until_interrupted() -> Iterator[None]:
    """Ctrl+C and SIGTERM are how it is meant to end, as soon as it listens."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Ended.")
    finally:
        signal.signal(signal.SIGTERM, before)
