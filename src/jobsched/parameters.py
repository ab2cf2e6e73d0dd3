"""The parameters of a job: read from its function's signature, validated by pydantic.

Types are looked up when they are first needed, not when the function is decorated: by then every
name that an annotation may refer to exists.
"""

import inspect
import typing
from collections.abc import Callable, Mapping
from functools import cached_property
from types import SimpleNamespace
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ArgsKwargs, ErrorDetails

from jobsched.context import JobContext
from jobsched.errors import DeclarationError, ParameterError
from jobsched.values import shown

CONTEXT = "ctx"
"""A parameter of this name is the context, annotated or not."""


class Parameters:
    """What a job's function takes: perhaps its context, and parameters of the firing.

    Raises DeclarationError when made for a signature that a firing's parameters cannot fill; the
    methods raise it when an annotation cannot be used. `label` begins every message.
    """

    def __init__(self, function: Callable[..., Any], label: str) -> None:
        self._function = function
        self._label = label
        self._signature = inspect.signature(function)
        _refuse_kinds(self._signature, label)

    @property
    def context(self) -> str | None:
        """The name of the parameter that takes the JobContext, if there is one."""
        return self._context_and_types[0]

    @property
    def accepted(self) -> frozenset[str]:
        """The names of the parameters, without the context's."""
        return frozenset(self._own)

    @property
    def required(self) -> frozenset[str]:
        """The names of those without a default."""
        return frozenset(self.schema.get("required", ()))

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The JSON schema of the parameters, an object."""
        try:
            return self._adapter.json_schema(schema_generator=_QuietJsonSchema)
        except PydanticUserError as error:
            raise DeclarationError(
                f"{self._label}: its parameters have no JSON schema: {error.message}; take what "
                "JSON can carry and make the rest of it in the job"
            ) from error

    def arguments(self, params: Mapping[str, Any], ctx: JobContext) -> dict[str, Any]:
        """Keyword arguments for the function: what `check` gives, and the context."""
        arguments = self.check(params)
        return arguments if self.context is None else {self.context: ctx, **arguments}

    def check(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Of `params` what the function declares, each value of its type; defaults for the rest.

        Raises ParameterError for a missing or an invalid value.
        """
        given = {name: value for name, value in params.items() if name in self._own}
        try:
            arguments: dict[str, Any] = self._adapter.validate_python(ArgsKwargs((), given))
        except ValidationError as error:
            said = "; ".join(_said(one) for one in error.errors(include_url=False))
            raise ParameterError(f"{self._label}: {said}") from error
        return arguments

    @cached_property
    def _context_and_types(self) -> tuple[str | None, dict[str, Any]]:
        types = {
            name: JobContext if name == CONTEXT else self._type_of(parameter)
            for name, parameter in self._signature.parameters.items()
        }
        contexts = [name for name, found in types.items() if _is_context(found)]
        if len(contexts) > 1:
            raise DeclarationError(
                f"{self._label}: {' and '.join(contexts)} both take the JobContext; keep one"
            )
        return (contexts[0] if contexts else None), types

    @property
    def _own(self) -> dict[str, inspect.Parameter]:
        parameters = self._signature.parameters
        return {name: one for name, one in parameters.items() if name != self.context}

    def _type_of(self, parameter: inspect.Parameter) -> Any:
        if parameter.annotation is parameter.empty:
            return Any
        holder = SimpleNamespace(__annotations__={parameter.name: parameter.annotation})
        # A JobContext that is imported for type checkers only is still the context.
        names = {"JobContext": JobContext, **_globals(self._function)}
        try:
            return typing.get_type_hints(holder, names, include_extras=True)[parameter.name]
        except Exception as error:  # annotations are code of the host: anything can happen
            raise DeclarationError(
                f"{self._label}: the annotation of parameter {parameter.name!r}, "
                f"{parameter.annotation!r}, cannot be read: {error}; define or import it at the "
                "top of the module, not under TYPE_CHECKING"
            ) from error

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        """Validates by a function that takes the same parameters, and gives them back."""
        _, types = self._context_and_types

        def give_back(**arguments: Any) -> dict[str, Any]:
            return arguments

        collect: Any = give_back
        own = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=types[name])
            for name, one in self._own.items()
        ]
        collect.__annotations__ = {one.name: one.annotation for one in own}
        collect.__signature__ = inspect.Signature(own)
        try:
            return TypeAdapter(collect, config=ConfigDict(validate_default=False))
        except (PydanticUserError, TypeError) as error:
            raise DeclarationError(
                f"{self._label}: pydantic cannot validate its parameters: {error}"
            ) from error


class _QuietJsonSchema(GenerateJsonSchema):
    """Leaves out a default that JSON cannot say, without a warning."""

    ignored_warning_kinds = {"non-serializable-default"}  # noqa: RUF012  # pydantic's own form


def _refuse_kinds(signature: inspect.Signature, label: str) -> None:
    for number, (name, parameter) in enumerate(signature.parameters.items()):
        if parameter.kind is parameter.POSITIONAL_ONLY:
            reason = f"parameter {name!r} is positional-only, and a job is called by names"
            raise DeclarationError(f"{label}: {reason}; remove the '/' of its signature")
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise DeclarationError(
                f"{label}: {stars}{name} is not allowed: a job declares each parameter by name; "
                "all of a firing's parameters are in ctx.params"
            )
        if number == 0 and name in ("self", "cls"):
            raise DeclarationError(
                f"{label}: it is a method, and nobody would give it its {name!r}; decorate a "
                "function of the module"
            )


def _is_context(found: Any) -> bool:
    return found is JobContext or JobContext in typing.get_args(found)


def _globals(function: Callable[..., Any]) -> dict[str, Any]:
    found: dict[str, Any] = getattr(inspect.unwrap(function), "__globals__", {})
    return found


def _said(error: ErrorDetails) -> str:
    name = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing_keyword_only_argument":
        return f"parameter {name!r} is required"
    return f"parameter {name!r}={shown(error['input'])}: {error['msg']}"
