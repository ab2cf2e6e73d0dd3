"""Finding the user's app: `module:attribute`, imported from the current directory."""

import importlib
import os
import pkgutil
import sys
import tomllib
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import click

from jobsched.errors import JobschedError
from jobsched.values import did_you_mean

if TYPE_CHECKING:
    from jobsched.scheduler import Scheduler

HOW_TO_NAME = (
    "name it as `--app myapp.jobs:scheduler`, in the variable JOBSCHED_APP, or in pyproject.toml "
    'as `app = "myapp.jobs:scheduler"` under [tool.jobsched]'
)
_PACKAGE = str(Path(__file__).resolve().parents[1]) + os.sep
_NOT_THE_USERS = ("<frozen ", f"{os.sep}importlib{os.sep}", f"{os.sep}pydantic{os.sep}", _PACKAGE)


class NoSuchApp(click.ClickException):
    """No APP, or one that leads to no Scheduler: wrong usage, which a restart does not mend."""

    exit_code = 2


class AppFailed(click.ClickException):
    """The user's module raised while it was imported: the message is its own traceback."""

    def show(self, file: Any = None) -> None:
        """The traceback as Python would show it, without a prefix of ours."""
        click.echo(self.message, file=file, err=file is None)


def find(named: str | None) -> str | None:
    """The APP that was named, else that of JOBSCHED_APP, else of pyproject.toml, else None."""
    return named or os.environ.get("JOBSCHED_APP") or _from_pyproject(Path.cwd())


def load(reference: str) -> "Scheduler":
    """Import `module:attribute` and return its Scheduler.

    The attribute may also be a function without arguments that returns one. Raises NoSuchApp for
    a reference that leads nowhere, and AppFailed when the user's code raises.
    """
    module_name, attribute = _split(reference)
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    module = _import(reference, module_name)
    if not attribute:
        raise NoSuchApp(
            f"APP {reference!r} names no attribute of {module_name!r}; {_schedulers_in(module)}"
        )
    return _as_scheduler(reference, _attribute(reference, module, attribute))


def _split(reference: str) -> tuple[str, str]:
    module, _, attribute = reference.partition(":")
    path = module.removesuffix(".py")
    if path != module or "/" in module:
        dotted = path.strip("./").replace("/", ".")
        raise NoSuchApp(
            f"APP {reference!r} is a file; write the module, as in "
            f"{dotted}:{attribute or 'scheduler'}"
        )
    if not all(part.isidentifier() for part in module.split(".")):
        raise NoSuchApp(f"APP {reference!r} is not MODULE:ATTRIBUTE; {HOW_TO_NAME}")
    return module, attribute


def _from_pyproject(folder: Path) -> str | None:
    path = folder / "pyproject.toml"
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise NoSuchApp(f"{path} cannot be read: {error}") from error
    table = document.get("tool", {}).get("jobsched", {})
    app = table.get("app") if isinstance(table, dict) else None
    if app is None:
        return None
    if not isinstance(app, str):
        raise NoSuchApp(
            f"{path}: [tool.jobsched] app must be a string, such as "
            f'"myapp.jobs:scheduler", not {app!r}'
        )
    return app


def _import(reference: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise AppFailed(users_traceback(error)) from error
        raise NoSuchApp(_no_module(reference, error.name)) from error
    except Exception as error:
        raise AppFailed(users_traceback(error)) from error


def _no_module(reference: str, missing: str) -> str:
    parent, _, last = missing.rpartition(".")
    folders = getattr(sys.modules.get(parent), "__path__", []) if parent else [str(Path.cwd())]
    siblings = [module.name for module in pkgutil.iter_modules(folders)]
    guess = did_you_mean(last, siblings)
    if parent and not guess:
        guess = f"; in {parent} there is {', '.join(sorted(siblings)) or 'no module'}"
    return f"APP {reference!r}: there is no module {missing!r}, looked for from {Path.cwd()}{guess}"


def _attribute(reference: str, module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        try:
            found = getattr(found, name)
        except AttributeError as error:
            names = [known for known in vars(module) if not known.startswith("_")]
            guess = did_you_mean(name, names) or f"; {_schedulers_in(module)}"
            raise NoSuchApp(
                f"APP {reference!r}: module {module.__name__!r} has no {path!r}{guess}"
            ) from error
    return found


def _as_scheduler(reference: str, found: Any) -> "Scheduler":
    from jobsched.registry import Job
    from jobsched.scheduler import Scheduler

    if isinstance(found, Scheduler):
        return found
    what = f"is {_a(type(found).__name__)}"
    if callable(found) and not isinstance(found, type | Job):  # looking must run no job
        try:
            made = found()
        except Exception as error:
            raise AppFailed(users_traceback(error)) from error
        if isinstance(made, Scheduler):
            return made
        what = f"is a function that returned {_a(type(made).__name__)}"
    raise NoSuchApp(
        f"APP {reference!r} {what}; it must be a Scheduler, or a function without arguments that "
        "returns one"
    )


def _schedulers_in(module: ModuleType) -> str:
    from jobsched.scheduler import Scheduler

    names = [name for name, value in vars(module).items() if isinstance(value, Scheduler)]
    if not names:
        return "no Scheduler is in it"
    return f"write {' or '.join(f'{module.__name__}:{name}' for name in names)}"


def users_traceback(error: BaseException) -> str:
    """The traceback without our frames and the import system's; an error of ours in one line."""
    shown = traceback.TracebackException.from_exception(error)
    ours = isinstance(error, JobschedError)
    shown.stack = traceback.StackSummary.from_list(_users_frames(shown.stack, until_ours=ours))
    if ours:  # what we raise says all there is to say: how we found it is not the user's matter
        shown.__cause__ = None
        shown.__suppress_context__ = True
    return "".join(shown.format()).rstrip()


def _users_frames(
    frames: Iterable[traceback.FrameSummary], *, until_ours: bool
) -> list[traceback.FrameSummary]:
    kept: list[traceback.FrameSummary] = []
    for frame in frames:
        ours = any(place in frame.filename for place in _NOT_THE_USERS)
        if not ours:
            kept.append(frame)
        elif kept and until_ours:
            break
        elif kept:
            kept.append(frame)
    return kept


def _a(noun: str) -> str:
    return f"an {noun}" if noun[:1].lower() in "aeiou" else f"a {noun}"
