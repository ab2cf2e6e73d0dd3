"""Naming a thing of the host's code so that another process can import it.

A reference is `module:name`, or `/path/to/script.py:name` for what a script itself defines: there
the script is run again, under another name than `__main__`, as multiprocessing does it.
"""

import importlib
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

MAIN = "__main__"
MAIN_AGAIN = "__mp_main__"
"""What multiprocessing calls the main module in another process; hosts may know it."""


class UnreachableError(Exception):
    """Another process would not find it; the message goes on a sentence that begins with it."""


def reference_to(thing: Any) -> str:
    """The reference of a function, class, job, or bound method; raises UnreachableError."""
    owner, name = getattr(thing, "__self__", None), getattr(thing, "__name__", None)
    if owner is not None and not isinstance(owner, ModuleType):
        return f"{reference_to(owner)}.{name}"
    home = sys.modules.get(getattr(thing, "__module__", None) or "")
    path = getattr(thing, "__qualname__", None)
    if home is not None and path is not None and _at(home, path) is thing:
        return f"{_place(home)}:{path}"
    for module in filter(None, [home, *sys.modules.values()]):
        found = _global_name(module, thing)
        if found is not None:
            return f"{_place(module)}:{found}"
    raise UnreachableError(_why_hidden(path))


def find(reference: str) -> Any:
    """What a reference names; raises whatever its import raises, and LookupError."""
    place, _, path = reference.rpartition(":")
    module = _script(place) if "/" in place else importlib.import_module(place)
    found = _at(module, path)
    if found is None:
        raise LookupError(f"{place} has no {path}")
    return found


def _place(module: ModuleType) -> str:
    if module.__name__ != MAIN:
        return module.__name__
    spec, file = getattr(module, "__spec__", None), getattr(module, "__file__", None)
    if spec is not None and spec.name.rpartition(".")[2] != MAIN:
        return str(spec.name)  # python -m package.module
    if spec is None and file is not None and Path(file).is_file():
        return str(Path(file).resolve())
    what = "an interactive session" if file is None or file.startswith("<") else file
    raise UnreachableError(f"is defined in {what}, which no other process can import")


def _at(module: ModuleType, path: str) -> Any:
    found: Any = module
    for name in path.split("."):
        found = getattr(found, name, None)
    return found


def _global_name(module: Any, thing: Any) -> str | None:
    names = dict(getattr(module, "__dict__", {}))
    return next((name for name, value in names.items() if value is thing), None)


def _why_hidden(path: str | None) -> str:
    if path is not None and "<lambda>" in path:
        return "is a lambda, which no other process can import"
    if path is not None and "<locals>" in path:
        return "is defined inside a function, where no other process can import it"
    return "is bound to no name of a module, by which another process could import it"


def _script(path: str) -> ModuleType:
    loaded = sys.modules.get(MAIN_AGAIN)
    if loaded is not None and getattr(loaded, "__file__", None) == path:
        return loaded
    loader = SourceFileLoader(MAIN_AGAIN, path)
    spec = spec_from_loader(MAIN_AGAIN, loader)
    if spec is None:
        raise LookupError(f"{path} cannot be loaded")
    module = module_from_spec(spec)
    sys.modules[MAIN] = sys.modules[MAIN_AGAIN] = module
    loader.exec_module(module)
    return module
