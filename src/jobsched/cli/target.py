"""What a command works on: the user's app, or just its database."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from jobsched.cli import apps
from jobsched.errors import ConfigurationError, NotFoundError
from jobsched.model import HealthLevel
from jobsched.phrases import one_line
from jobsched.values import did_you_mean

if TYPE_CHECKING:
    from jobsched.scheduler import Scheduler
    from jobsched.store.database import Database


@dataclass
class Target:
    """The options before the command; they say which scheduler it works with."""

    app: str | None = None
    database_url: str | None = None
    app_name: str | None = None
    reference: str | None = None
    """The APP that was loaded, once one was."""
    _opened: list["Scheduler"] = field(default_factory=list)

    def declared(self, argument: str | None = None) -> "Scheduler":
        """The app's own scheduler with its declarations, for commands that run or check its code.

        Raises NoSuchApp when none is named, and UsageError when options name another database.
        """
        if argument and self.app and argument != self.app:
            raise click.UsageError(f"APP is given twice: {self.app!r} and {argument!r}")
        if self.database_url or self.app_name:
            raise click.UsageError(
                "this command uses the app's own database and name: leave out --database-url and "
                "--app-name (an app that names no database takes JOBSCHED_DATABASE_URL)"
            )
        reference = apps.find(argument or self.app)
        if reference is None:
            raise apps.NoSuchApp(f"which APP? {apps.HOW_TO_NAME}")
        return self._load(reference)

    def scheduler(self, *, make_file: bool = False) -> "Scheduler":
        """A scheduler on the database: `--database-url`, else the app's, else the settings'.

        With `--database-url` an app is loaded only when `--app` names one, for its name and
        settings. An SQLite file is not made by looking for it: raises ConfigurationError.
        """
        opened = self._opened_scheduler()
        if not make_file:
            _refuse_missing_file(opened.database)
        return opened

    def _opened_scheduler(self) -> "Scheduler":
        reference = self.app if self.database_url else apps.find(self.app)
        loaded = self._load(reference) if reference else None
        if loaded is not None and not (self.database_url or self.app_name):
            return loaded
        from jobsched.scheduler import Scheduler

        opened = Scheduler(
            self.database_url or (loaded.database.engine if loaded else None),
            settings=loaded.settings if loaded else None,
            app=self.app_name or (loaded.app if loaded else "default"),
        )
        self._opened.append(opened)
        return opened

    @property
    def database_in_use(self) -> str | None:
        """The URL of the database that was opened last, without its password."""
        if not self._opened:
            return None
        return self._opened[-1].database.engine.url.render_as_string(hide_password=True)

    def command(self, *words: str) -> str:
        """A command line that works with the same target, to show to the user."""
        program = click.get_current_context().find_root().command_path
        named = self.reference != apps.find(None)  # else it is found again without an option
        options = {
            "--app": self.reference if named else None,
            "--database-url": self.database_in_use if self.database_url else None,
            "--app-name": self.app_name,
        }
        given = [f"{name} {value}" for name, value in options.items() if value]
        return " ".join([program, *given, *words])

    def close(self) -> None:
        """Close the connections that were opened."""
        for scheduler in self._opened:
            scheduler.database.dispose()

    def _load(self, reference: str) -> "Scheduler":
        loaded = apps.load(reference)
        self.reference = reference
        self._opened.append(loaded)
        return loaded


def _refuse_missing_file(database: "Database") -> None:
    name = database.engine.url.database
    if database.dialect != "sqlite" or database.in_memory or not name or name.startswith("file:"):
        return
    path = Path(name).resolve()
    if not path.exists():
        raise ConfigurationError(
            f"there is no SQLite file {path}: go to the folder of the app, name it by "
            "--database-url, or start a daemon, which makes it"
        )


@contextmanager
def suggesting(wanted: str, known: Callable[[], Iterable[str]]) -> Iterator[None]:
    """Add the closest known name to a NotFoundError about `wanted`."""
    try:
        yield
    except NotFoundError as error:
        raise NotFoundError(f"{error}{did_you_mean(wanted, known())}") from error


def schedule_ids(scheduler: "Scheduler") -> list[str]:
    """The ids that a schedule can be named by."""
    return [state.declaration.id for state in scheduler.list_schedules(retired=True)]


def warn_without_daemon(scheduler: "Scheduler") -> None:
    """Say on stderr when nobody is there to run what was asked for."""
    health = scheduler.health()
    if health.level is HealthLevel.CRITICAL:
        click.echo(f"Note: {one_line(health.message)}", err=True)
