"""`@job`, the jobs that it makes, and the registry."""

import copy
import functools
import inspect
import pickle
import textwrap
import types
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import date, timedelta
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field

from jobsched.backoff import Backoff
from jobsched.context import JobContext
from jobsched.errors import DeclarationError, NotFoundError, ParameterError
from jobsched.model import OnLost
from jobsched.registry import Job, Registry, default_registry, job

NO_CONTEXT: Any = object()
"""Stands for a JobContext where only its identity matters."""


@job("a-job-of-this-module")
def pickled() -> str:
    return "by reference"


@pytest.fixture
def registry() -> Registry:
    return Registry()


def missing(error: BaseException, words: list[str]) -> list[str]:
    """The words that the message ought to hold and does not."""
    return [word for word in words if word not in str(error)]


# The decorator


def test_a_bare_decorator_takes_everything_from_the_function(registry: Registry) -> None:
    """`@job` without arguments: the function's name, its docstring's first line, the defaults."""

    @registry.job
    def refresh() -> None:
        """Refresh the feeds.

        More of it.
        """

    assert registry.jobs == {"refresh": refresh}
    assert (refresh.name, refresh.description, refresh.group) == (
        "refresh",
        "Refresh the feeds.",
        None,
    )
    assert (refresh.retries, refresh.max_lost, refresh.on_lost) == (0, 3, OnLost.FAIL)
    assert refresh.backoff == Backoff()
    assert not refresh.is_async


def test_every_policy_is_kept_and_mirrored(registry: Registry) -> None:
    """What is declared is on the job, and in the definition that the database keeps."""

    @registry.job(
        "profile-index",
        group="matching",
        depends_on=["load"],
        description="Index",
        retries=3,
        retry_on=OSError,
        no_retry_on=[FileNotFoundError],
        backoff=Backoff(1),
        timeout=600,
        on_lost="rerun",
        max_lost=1,
        executor="heavy",
    )
    async def index(ctx: JobContext, day: date) -> None: ...

    definition = index.definition
    assert index.name == definition.name == "profile-index"
    assert index.group == definition.group == "matching"
    assert index.depends_on == definition.depends_on == ("load",)
    assert index.description == definition.description == "Index"
    assert index.retries == definition.retries == 3
    assert (index.retry_on, index.no_retry_on) == ((OSError,), (FileNotFoundError,))
    assert index.backoff == definition.backoff == Backoff(1)
    assert index.timeout == definition.timeout == timedelta(minutes=10)
    assert index.on_lost is definition.on_lost is OnLost.RERUN
    assert index.max_lost == definition.max_lost == 1
    assert index.executor == definition.executor == "heavy"
    assert index.is_async
    assert definition.is_async
    assert definition.parameters["required"] == ["day"]


@pytest.mark.parametrize("policy", ["group", "description", "timeout", "executor", "name"])
def test_none_is_as_good_as_not_given(registry: Registry, policy: str) -> None:
    """Where the default is nothing, None may be passed on."""

    def refresh() -> None:
        """Refresh."""

    given: dict[str, Any] = {policy: None}
    refreshed = registry.job(**given)(refresh)
    assert refreshed.description == "Refresh."
    assert refreshed.name == "refresh"


def test_a_job_is_called_like_its_function(registry: Registry) -> None:
    """The decorated function stays what it was to the code and the tests that call it."""

    @registry.job(group="x")
    def add(first: int, second: int = 2) -> int:
        """Add."""
        return first + second

    assert add(1) == 3
    assert add(first=1, second=5) == 6
    assert (add.__name__, add.__doc__, add.__module__) == ("add", "Add.", __name__)
    assert inspect.signature(add) == inspect.signature(add.function)
    assert "'add'" in repr(add)
    assert f"{__name__}:" in repr(add)


def test_a_job_is_pickled_and_copied_like_its_function() -> None:
    """Objects that hold a job can be sent to another process that imports the same module."""
    assert copy.deepcopy(pickled) is pickled
    assert pickled.__reduce__() == "pickled"
    assert default_registry.get("a-job-of-this-module") is pickled


def test_a_job_cannot_be_changed(registry: Registry) -> None:
    """A job is what it was declared as."""
    refresh = registry.job(sample)
    with pytest.raises(AttributeError):
        refresh.retries = 5  # type: ignore[misc]  # it is frozen


def test_dependencies_are_names_or_jobs_each_once(registry: Registry) -> None:
    """Both ways to name a job mean the same; a job under another name is found by that name."""
    load = registry.job("load-orders")(sample)
    report = registry.job(depends_on=[load, "clean", "load-orders"])(another)
    assert report.depends_on == ("load-orders", "clean")


def test_no_retry_on_has_the_last_word(registry: Registry) -> None:
    """An error is worth another attempt when retry_on includes it and no_retry_on does not."""
    decided = registry.job(retry_on=(OSError, KeyError), no_retry_on=(FileNotFoundError,))(sample)
    assert decided.retries_on(ConnectionError())
    assert not decided.retries_on(FileNotFoundError())
    assert not decided.retries_on(ValueError())
    assert registry.job(another).retries_on(ValueError())
    assert not decided.retries_on(KeyboardInterrupt())


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": ""}, ["name=''", "empty"]),
        ({"name": " x"}, ["name=' x'", "blank", "write 'x'"]),
        ({"name": "x" * 101}, ["101 characters", "at most 100"]),
        ({"name": "a\nb"}, ["printable"]),
        ({"group": 5}, ["group=5", "text"]),
        ({"group": ""}, ["group=''", "empty"]),
        ({"depends_on": "load"}, ["depends_on='load'", "write ['load']"]),
        ({"depends_on": print}, ["depends_on=", "write [print]"]),
        ({"depends_on": 5}, ["depends_on=5", "list"]),
        ({"depends_on": [print]}, ["print", "@job first"]),
        ({"description": 5}, ["description=5", "text"]),
        ({"retries": -1}, ["retries=-1", "0 or more"]),
        ({"retries": True}, ["retries=True", "whole number"]),
        ({"retries": 1.5}, ["retries=1.5", "whole number"]),
        ({"retries": None}, ["retries=None", "whole number"]),
        ({"retry_on": "OSError"}, ["retry_on='OSError'", "ConnectionError"]),
        ({"retry_on": (KeyboardInterrupt,)}, ["retry_on=", "KeyboardInterrupt"]),
        ({"no_retry_on": [ValueError()]}, ["no_retry_on=", "no type of error"]),
        ({"backoff": 10}, ["backoff=10", "Backoff(initial=10"]),
        ({"timeout": 0}, ["timeout=0", "more than zero"]),
        ({"timeout": timedelta(seconds=-1)}, ["timeout=", "more than zero"]),
        ({"timeout": "5m"}, ["timeout='5m'", "timedelta(minutes=5)"]),
        ({"timeout": True}, ["timeout=True", "timedelta"]),
        ({"on_lost": "retry"}, ["on_lost='retry'", "'fail'", "'rerun'"]),
        ({"max_lost": 0}, ["max_lost=0", "1 or more"]),
        ({"executor": ""}, ["executor=''", "empty"]),
        ({"retrys": 3}, ["retrys=", "did you mean 'retries'?"]),
        ({"cron": "* * * * *"}, ["cron=", "Schedule(id=..., cron=..."]),
    ],
)
def test_wrong_policies_are_refused(
    registry: Registry, given: dict[str, Any], words: list[str]
) -> None:
    """The message names the job, where it stands, the field, the value and what would be right."""
    with pytest.raises(DeclarationError) as caught:
        registry.job(**given)(sample)
    named = repr(given.get("name", "sample"))
    assert missing(caught.value, [f"job {named} ({__name__}:", *words]) == []
    assert len(registry) == 0


def sample() -> None: ...


def another() -> None: ...


def generator() -> Iterator[int]:
    yield 1


async def async_generator() -> AsyncIterator[int]:
    yield 1


class Callers:
    def method(self, day: date) -> None: ...

    def __call__(self) -> None: ...


def positional_only(day: int, /) -> None: ...


def starred(*days: int) -> None: ...


def double_starred(**days: int) -> None: ...


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (generator, ["generator", "yield"]),
        (async_generator, ["async_generator", "yield"]),
        (Callers, ["Callers", "class"]),
        (Callers(), ["Callers", "decorate a function"]),
        (Callers.method, ["method", "'self'"]),
        (staticmethod(sample), ["method of a class"]),
        (functools.partial(sample), ["partial", "write a function"]),
        (functools.lru_cache(sample), ["sample", "decorate a function"]),
        (positional_only, ["'day'", "positional-only", "'/'"]),
        (starred, ["*days", "ctx.params"]),
        (double_starred, ["**days", "ctx.params"]),
        (5, ["int", "decorate a function"]),
    ],
)
def test_what_is_no_plain_function_is_refused(
    registry: Registry, function: Any, words: list[str]
) -> None:
    """What could not run as a job is refused where it is decorated, with what to write instead."""
    with pytest.raises(DeclarationError) as caught:
        registry.job(function)
    assert missing(caught.value, words) == []


def test_a_job_is_decorated_once(registry: Registry) -> None:
    """Two decorators would make two jobs of one name."""
    with pytest.raises(DeclarationError, match="a job already"):
        registry.job(registry.job(sample))


def test_a_bound_method_can_be_a_job(registry: Registry) -> None:
    """The method of an object that exists knows its self: its other parameters are the job's."""
    bound = registry.job(Callers().method)
    assert bound.accepts == {"day"}


# The registry


def test_a_duplicate_names_both_places(registry: Registry) -> None:
    """Whoever has two jobs of one name is told where both stand, and the first one stays."""
    first = registry.job("twice")(sample)
    with pytest.raises(DeclarationError) as caught:
        registry.job("twice")(another)
    lines = [function.__code__.co_firstlineno for function in (sample, another)]
    assert missing(caught.value, ["'twice'", *(f"{__name__}:{line}" for line in lines)]) == []
    assert registry.get("twice") is first


def test_a_file_under_two_module_names_is_told(registry: Registry) -> None:
    """A module that runs as a script and is imported as well declares its jobs twice: the message
    says why."""
    for name in ("__main__", "shop.jobs"):
        module = module_of("@job\ndef twice(): ...", registry, name)
        if name == "__main__":
            exec_module(module)
        else:
            with pytest.raises(DeclarationError, match=r"__main__:2.*shop\.jobs:2.*same file"):
                exec_module(module)


def test_registries_know_nothing_of_each_other(registry: Registry) -> None:
    """A host without globals has its jobs to itself."""
    registry.job(sample)
    assert "sample" not in Registry().jobs
    assert "sample" not in default_registry.jobs


def test_a_registry_is_read_in_order_and_only_read(registry: Registry) -> None:
    """Jobs come in the order of their declaration; the mapping cannot be written."""
    jobs = [registry.job("b")(sample), registry.job("a")(another)]
    assert list(registry) == jobs
    assert list(registry.jobs) == ["b", "a"]
    assert len(registry) == 2
    with pytest.raises(TypeError):
        registry.jobs["c"] = jobs[0]  # type: ignore[index]  # it is read-only


def test_an_unknown_job_is_answered_with_the_closest(registry: Registry) -> None:
    """A misspelt name is an error that knows what was meant."""
    registry.job("import-feeds")(sample)
    with pytest.raises(NotFoundError, match=r"'import-feed'.*did you mean 'import-feeds'"):
        registry.get("import-feed")


def test_an_empty_registry_is_true() -> None:
    """`registry or default_registry` never swaps an empty registry for the global one."""
    assert Registry()


# Parameters


class Range(BaseModel):
    first: int
    last: int


def test_parameters_are_validated_and_converted(registry: Registry) -> None:
    """JSON values become what the annotations say; the context is passed; the rest is left."""

    @registry.job
    def report(  # type: ignore[no-untyped-def]  # not every host annotates everything
        ctx: JobContext,
        day: date,
        numbers: Range,
        limit: Annotated[int, Field(ge=1)] = 10,
        json: bool = False,
        free=None,
    ) -> None: ...

    arguments = report.arguments(
        {"day": "2026-01-15", "numbers": {"first": 1, "last": "2"}, "other_job": 1}, NO_CONTEXT
    )
    assert arguments == {
        "ctx": NO_CONTEXT,
        "day": date(2026, 1, 15),
        "numbers": Range(first=1, last=2),
        "limit": 10,
        "json": False,
        "free": None,
    }
    assert report.accepts == {"day", "numbers", "limit", "json", "free"}
    assert report.required == {"day", "numbers"}


def test_a_field_can_be_a_default(registry: Registry) -> None:
    """Pydantic's `Field(...)` as a default works as it does in a model."""

    @registry.job
    def report(limit: int = Field(10, ge=1)) -> None: ...

    assert report.arguments({}, NO_CONTEXT) == {"limit": 10}
    with pytest.raises(ParameterError, match="limit"):
        report.check({"limit": 0})


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, ["'day' is required"]),
        ({"day": "soon"}, ["'day'='soon'", "date"]),
        ({"day": "2026-01-15", "limit": "many"}, ["'limit'='many'", "integer"]),
        ({"limit": 0}, ["'day' is required", "'limit'=0", "greater than or equal to 1"]),
        ({"day": "x" * 10_000}, ["'day'='xxx", "..."]),
    ],
)
def test_wrong_parameters_are_refused(
    registry: Registry, params: dict[str, Any], words: list[str]
) -> None:
    """The message names the job and, for each wrong parameter, its value and what is allowed; both
    before a firing and when it runs."""

    @registry.job
    def report(day: date, limit: Annotated[int, Field(ge=1)] = 10) -> None: ...

    for refuse in (lambda: report.check(params), lambda: report.arguments(params, NO_CONTEXT)):
        with pytest.raises(ParameterError) as caught:
            refuse()
        assert missing(caught.value, ["job 'report'", *words]) == []
        assert len(str(caught.value)) < 500


def test_the_schema_says_what_a_page_needs(registry: Registry) -> None:
    """Types, defaults and what is required are in the definition as JSON schema; a default that
    JSON cannot say is left out, silently."""

    @registry.job
    def report(ctx: JobContext, day: date, limit: int = 10, odd: Any = object) -> None: ...

    schema = report.definition.parameters
    assert schema["type"] == "object"
    assert schema["properties"]["day"] == {"title": "Day", "type": "string", "format": "date"}
    assert schema["properties"]["limit"]["default"] == 10
    assert set(schema["properties"]) == {"day", "limit", "odd"}
    assert schema["required"] == ["day"]


def exec_module(module: types.ModuleType) -> None:
    code = compile(module.__dict__.pop("source"), "/somewhere/jobs.py", "exec")
    exec(code, module.__dict__)  # a host's module


def module_of(source: str, registry: Registry, name: str = "host") -> types.ModuleType:
    module = types.ModuleType(name)
    module.__dict__.update(job=registry.job, source="\n" + textwrap.dedent(source))
    return module


def host_job(source: str, registry: Registry) -> Job:
    exec_module(module_of(source, registry))
    return next(iter(registry))


@pytest.mark.parametrize(
    "source",
    [
        # annotations are strings, and the type comes later in the module
        """
        from __future__ import annotations
        @job
        def report(ctx, item: Item): ...
        class Item: pass
        from pydantic import BaseModel
        class Item(BaseModel): number: int
        """,
        # a quoted forward reference
        """
        @job
        def report(item: "Item", ctx): ...
        from pydantic import BaseModel
        class Item(BaseModel): number: int
        """,
        # the context has another name, and its type is there for type checkers only
        """
        from __future__ import annotations
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from jobsched import JobContext
        @job
        def report(item: Item, context: JobContext): ...
        from pydantic import BaseModel
        class Item(BaseModel): number: int
        """,
        # its type has another name
        """
        from __future__ import annotations
        from jobsched import JobContext as Running
        @job
        def report(item: Item, context: Running | None = None): ...
        from pydantic import BaseModel
        class Item(BaseModel): number: int
        """,
        # the host's own decorator is in between
        """
        import functools
        from pydantic import BaseModel
        class Item(BaseModel): number: int
        def logged(function):
            @functools.wraps(function)
            def call(*args, **kwargs): return function(*args, **kwargs)
            return call
        @job
        @logged
        def report(ctx, item: Item): ...
        """,
    ],
)
def test_annotations_are_read_however_they_are_written(registry: Registry, source: str) -> None:
    """Strings, forward references, imports for type checkers, decorators: the parameter is `item`,
    the other one is the context."""
    report = host_job(source, registry)
    assert report.accepts == {"item"}
    arguments = report.arguments({"item": {"number": "5"}}, NO_CONTEXT)
    assert arguments["item"].number == 5
    assert NO_CONTEXT in arguments.values()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("@job\ndef report(item: 'Absent'): ...", ["'item'", "'Absent'", "TYPE_CHECKING"]),
        ("@job\ndef report(item: 'not a type'): ...", ["'item'", "not a type"]),
        (
            "class Session: pass\n@job\ndef report(session: Session): ...",
            ["pydantic", "Session"],
        ),
        (
            "from jobsched import JobContext\n@job\ndef report(ctx, other: JobContext): ...",
            ["ctx and other", "keep one"],
        ),
        (
            "from typing import Callable\n@job\ndef report(call: Callable[[], int]): ...",
            ["JSON"],
        ),
    ],
)
def test_parameters_that_cannot_be_validated_are_refused(
    registry: Registry, source: str, words: list[str]
) -> None:
    """They are refused with the job, its place and what is wrong, when its definition is asked
    for: that is at check, sync and start."""
    report = host_job(source, registry)
    with pytest.raises(DeclarationError) as caught:
        report.definition  # noqa: B018  # a property that may raise
    assert missing(caught.value, ["job 'report' (host:", *words]) == []


def test_a_pickled_job_is_found_again() -> None:
    """Pickling goes by module and name, as it does for functions."""

    def loads(data: bytes) -> Callable[..., Any]:
        found: Callable[..., Any] = pickle.loads(data)  # our own bytes
        return found

    module = types.ModuleType("host_of_a_pickled_job")
    registry = Registry()
    module.__dict__.update(job=registry.job, source="@job\ndef one(): ...")
    exec_module(module)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(__import__("sys").modules, "host_of_a_pickled_job", module)
        assert loads(pickle.dumps(module.one)) is module.one


def test_a_module_whose_import_failed_may_be_imported_again() -> None:
    """The second import of the same file replaces what the first one left; one line that runs
    twice in one module is still a duplicate."""
    registry = Registry()
    code = compile("@job\ndef nightly(): ...\n", "jobs.py", "exec")
    for _ in range(2):
        exec(code, {"job": registry.job, "__name__": "jobs"})
    assert list(registry.jobs) == ["nightly"]
    module = {"job": registry.job, "__name__": "jobs"}
    exec(code, module)
    with pytest.raises(DeclarationError, match="declared twice"):
        exec(code, module)
