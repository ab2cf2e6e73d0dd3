"""What `@job` is given, checked: the function itself, and each policy beside it."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from jobsched.backoff import Backoff
from jobsched.durations import parse_duration
from jobsched.errors import DeclarationError
from jobsched.model import OnLost
from jobsched.values import did_you_mean, parse_choice, parse_count, parse_name, parse_text, shown

ErrorTypes = type[Exception] | Sequence[type[Exception]]
"""One type of error, or several."""

T = TypeVar("T")


def parse_policies(label: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The policies with their values as `Job` keeps them; `label` begins every message.

    Raises DeclarationError that names the policy, its value and what would be right.
    """
    for field in given:
        if field not in _PARSERS:
            raise DeclarationError(f"{label}: {_unknown(field)}")
    return {
        field: parsed(label, field, value, _PARSERS[field])
        for field, value in given.items()
        if value is not None or field not in _OPTIONAL
    }


def parsed(label: str, field: str, value: object, parser: Callable[[Any], T]) -> T:
    """What `parser` makes of `value`; its ValueError becomes a DeclarationError with the place."""
    try:
        return parser(value)
    except ValueError as error:
        raise DeclarationError(f"{label}: {field}={shown(value)}: {error}") from None


def refuse_callable(function: object, label: str) -> None:
    """Raise DeclarationError unless `function` can be a job: a function that runs to its end."""
    if hasattr(function, "__code__"):  # a function or bound method, compiled ones too
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise DeclarationError(
                f"{label}: it is a generator, and calling it would run nothing; do the work in a "
                "plain function, without yield"
            )
        return
    if hasattr(function, "retries_on"):
        raise DeclarationError(f"{label}: it is a job already; decorate a function once")
    if isinstance(function, functools.partial):
        kind = "a partial; write a function that calls it, with the parameters of the job"
    elif inspect.isclass(function):
        kind = "a class; decorate a function that makes one and calls it"
    elif isinstance(function, classmethod | staticmethod):
        kind = "a method of a class; decorate a function of the module"
    else:
        kind = f"a {type(function).__name__}; decorate a function"
    raise DeclarationError(f"{label}: it is {kind}")


def place_of(function: object) -> str:
    """Where a function stands, as `module:line`."""
    _, line = source_of(function)
    module = getattr(function, "__module__", None) or "?"
    return f"{module}:{line}" if line else module


def source_of(function: object) -> tuple[str, int]:
    """The file and line of a function, for telling two declarations apart."""
    code = getattr(inspect.unwrap(function) if callable(function) else None, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else (repr(function), 0)


def parse_job_names(value: object) -> tuple[str, ...]:
    """The names of jobs that are given by name or as decorated functions, each once."""
    if isinstance(value, str):
        raise ValueError(f"must be a list: write [{value!r}]")
    if callable(value):
        raise ValueError(f"must be a list: write [{_name_in_code(value)}]")
    if not isinstance(value, Sequence | set | frozenset):
        raise ValueError("must be a list of jobs' names or decorated functions")
    return tuple(dict.fromkeys(_job_name(one) for one in value))


def _job_name(one: object) -> str:
    if isinstance(one, str):
        return parse_name(one)
    name = getattr(one, "name", None)
    if isinstance(name, str) and hasattr(one, "retries_on"):
        return name
    raise ValueError(
        f"{_name_in_code(one)} is neither a name nor a job; decorate the function with @job first"
    )


def _name_in_code(one: object) -> str:
    return str(getattr(one, "__name__", None) or repr(one))


def _parse_error_types(value: object) -> tuple[type[Exception], ...]:
    given = value if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    for one in given:
        if not (isinstance(one, type) and issubclass(one, Exception)):
            raise ValueError(
                f"{_name_in_code(one)} is no type of error; write (ConnectionError, TimeoutError)"
            )
    return tuple(given)


def _parse_backoff(value: object) -> Backoff:
    if not isinstance(value, Backoff):
        raise ValueError("must be a Backoff: write Backoff(initial=10, factor=2, maximum=3600)")
    return value


def _unknown(field: str) -> str:
    if field == "schedule":
        return (
            "a job has no schedule=: a Schedule says when it runs: "
            "Schedule(id=..., cron=..., jobs=[...])"
        )
    if field in ("cron", "every", "at", "timezone"):
        return (
            f"{field}= belongs to a Schedule, which says when jobs run: "
            f"Schedule(id=..., {field}=..., jobs=[...])"
        )
    return f"unknown argument {field}={did_you_mean(field, ('name', *_PARSERS))}"


_PARSERS: dict[str, Callable[[Any], Any]] = {
    "group": parse_name,
    "depends_on": parse_job_names,
    "description": parse_text,
    "retries": parse_count(0),
    "retry_on": _parse_error_types,
    "no_retry_on": _parse_error_types,
    "backoff": _parse_backoff,
    "timeout": parse_duration,
    "on_lost": parse_choice(OnLost),
    "max_lost": parse_count(1),
    "executor": parse_name,
}
_OPTIONAL = {"group", "description", "timeout", "executor"}
"""None is the same as not given."""
