"""Jobs: functions that schedules run, and the registry in which they are found by name."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, overload

from jobsched.backoff import Backoff
from jobsched.context import JobContext
from jobsched.durations import Duration
from jobsched.errors import DeclarationError, NotFoundError
from jobsched.model import JobDefinition, OnLost
from jobsched.parameters import Parameters
from jobsched.policies import (
    ErrorTypes,
    parse_policies,
    parsed,
    place_of,
    refuse_callable,
    source_of,
)
from jobsched.values import did_you_mean, parse_name

if TYPE_CHECKING:  # the defaults (PEP 696) let everyone else write a plain `Job`
    from typing_extensions import ParamSpec, TypeVar

    P = ParamSpec("P", default=...)
    R = TypeVar("R", default=Any)
else:
    from typing import ParamSpec, TypeVar

    P = ParamSpec("P")
    R = TypeVar("R")


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Job(Generic[P, R]):
    """A registered function with its policies; made by `@job`.

    Calling it calls the function, as if it had not been decorated. The function's name, docstring
    and signature are its own.
    """

    name: str
    function: Callable[P, R]
    place: str
    """Where the function stands, `module:line`, for messages."""
    is_async: bool
    group: str | None = None
    depends_on: tuple[str, ...] = ()
    description: str = ""
    retries: int = 0
    retry_on: tuple[type[Exception], ...] = (Exception,)
    no_retry_on: tuple[type[Exception], ...] = ()
    backoff: Backoff = field(default_factory=Backoff)
    timeout: timedelta | None = None
    on_lost: OnLost = OnLost.FAIL
    max_lost: int = 3
    executor: str | None = None
    _parameters: Parameters = field(init=False)

    def __post_init__(self) -> None:
        label = f"job {self.name!r} ({self.place})"
        object.__setattr__(self, "_parameters", Parameters(self.function, label))
        # What functools.update_wrapper does, for an object that refuses setattr.
        for name in ("__module__", "__qualname__", "__doc__"):
            self.__dict__[name] = getattr(self.function, name)
        self.__dict__["__wrapped__"] = self.function

    @property
    def __name__(self) -> str:
        """The function's own name; the job's is `name`."""
        return self.function.__name__

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function here and now, without a firing, a record or validation."""
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Job {self.name!r} at {self.place}>"

    def __reduce__(self) -> str:
        """Pickled by reference, as functions are."""
        return str(self.__dict__["__qualname__"])

    @property
    def accepts(self) -> frozenset[str]:
        """The names of its parameters; the context is none."""
        return self._parameters.accepted

    @property
    def required(self) -> frozenset[str]:
        """The names of the parameters that have no default."""
        return self._parameters.required

    @cached_property
    def definition(self) -> JobDefinition:
        """What the database mirrors of it, with the JSON schema of its parameters.

        Raises DeclarationError when an annotation cannot be read or validated.
        """
        return JobDefinition(
            name=self.name,
            group=self.group,
            depends_on=self.depends_on,
            description=self.description,
            is_async=self.is_async,
            retries=self.retries,
            backoff=self.backoff,
            timeout=self.timeout,
            on_lost=self.on_lost,
            max_lost=self.max_lost,
            executor=self.executor,
            parameters=self._parameters.schema,
        )

    def arguments(self, params: Mapping[str, Any], ctx: JobContext) -> dict[str, Any]:
        """The keyword arguments to call `function` with, for a firing with these `params`.

        Of `params` only what the function declares is taken. Raises ParameterError for a missing
        or an invalid value.
        """
        return self._parameters.arguments(params, ctx)

    def check(self, params: Mapping[str, Any]) -> None:
        """Raise ParameterError if `arguments` would refuse these `params`."""
        self._parameters.check(params)

    def retries_on(self, error: BaseException) -> bool:
        """Whether `error` is worth another attempt; `no_retry_on` has the last word."""
        return isinstance(error, self.retry_on) and not isinstance(error, self.no_retry_on)


class Registry:
    """Jobs by name. `@job` registers in the default one; hosts that avoid globals make their own.

    Iterating gives the jobs in the order in which they were registered.
    """

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}

    @property
    def jobs(self) -> Mapping[str, Job]:
        """The registered jobs by name, read-only and always current."""
        return MappingProxyType(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def __len__(self) -> int:
        return len(self._jobs)

    def __bool__(self) -> bool:
        return True  # an empty registry is not a missing one

    def get(self, name: str) -> Job:
        """The job of that name; raises NotFoundError, with the closest name, when there is none."""
        try:
            return self._jobs[name]
        except KeyError:
            guess = did_you_mean(name, self._jobs)
            raise NotFoundError(f"no job {name!r} is registered{guess}") from None

    @overload
    def job(self, function: Callable[P, R], /) -> Job[P, R]: ...

    @overload
    def job(
        self,
        name: str | None = None,
        *,
        group: str | None = None,
        depends_on: Sequence[str | Callable[..., Any]] = (),
        description: str | None = None,
        retries: int = 0,
        retry_on: ErrorTypes = (Exception,),
        no_retry_on: ErrorTypes = (),
        backoff: Backoff = ...,
        timeout: Duration | None = None,
        on_lost: OnLost | str = OnLost.FAIL,
        max_lost: int = 3,
        executor: str | None = None,
    ) -> Callable[[Callable[P, R]], Job[P, R]]: ...

    def job(self, name: str | Callable[..., Any] | None = None, **policies: Any) -> Any:
        """Register the decorated function, sync or async, as a job.

        Plain `@job`, or `@job(...)` with any of: `name` (default: the function's), `group`,
        `depends_on` (names or decorated functions), `description` (default: the docstring's first
        line), `retries` (3 means at most four attempts), `retry_on` and `no_retry_on` (types
        of errors), `backoff`, `timeout` (a timedelta or seconds), `on_lost` (`fail` or `rerun`:
        what to do when its worker died), `max_lost` (how often it is run again then), `executor`.

        The function may take `ctx`, a JobContext, and typed parameters. It stays callable.
        Raises DeclarationError for a name that is taken, a value that makes no sense, and what is
        not a plain function.
        """
        if name is None or isinstance(name, str):
            return lambda function: self.add(declare(function, name, policies))
        return self.add(declare(name, None, policies))

    def add(self, new: Job) -> Job:
        """Register a job made elsewhere; raises DeclarationError when its name is taken."""
        old = self._jobs.get(new.name)
        if old is not None and not _is_imported_again(old, new):
            raise DeclarationError(_duplicate(old, new))
        self._jobs[new.name] = new
        return new


def declare(function: Callable[P, R], name: str | None, policies: Mapping[str, Any]) -> Job[P, R]:
    """The job that a decorated function makes, without registering it."""
    named = name if name is not None else getattr(function, "__name__", type(function).__name__)
    place = place_of(function)
    label = f"job {named!r} ({place})"
    refuse_callable(function, label)
    return Job(
        name=parsed(label, "name", named, parse_name),
        function=function,
        place=place,
        is_async=inspect.iscoroutinefunction(function),
        **{"description": _summary(function), **parse_policies(label, policies)},
    )


default_registry = Registry()
"""Where `@job` registers, and where a Scheduler looks that was given no registry."""

job = default_registry.job


def _is_imported_again(old: Job, new: Job) -> bool:
    """Whether the same line ran in a new module: the first import of its file had failed."""
    same_line = old.place == new.place and source_of(old.function) == source_of(new.function)
    module = getattr(old.function, "__globals__", None)
    return same_line and module is not getattr(new.function, "__globals__", None)


def _duplicate(old: Job, new: Job) -> str:
    taken = f"job {new.name!r} is declared twice: at {old.place} and at {new.place}"
    if source_of(old.function) == source_of(new.function):
        return f"{taken}; they are the same file: import it under one module name only"
    return f"{taken}; give one of them another name=, or rename its function"


def _summary(function: Callable[..., Any]) -> str:
    return (inspect.getdoc(function) or "").partition("\n")[0]
