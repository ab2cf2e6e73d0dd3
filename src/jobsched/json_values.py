"""Which values the database can keep as JSON, and give back as they were."""

import math
from collections.abc import Mapping
from typing import Any

from jobsched.errors import ParameterError
from jobsched.values import is_storable

DEEPEST = 30
"""Levels of lists and mappings within each other; MariaDB refuses 32, the others take more."""


def parse_params(value: object) -> dict[str, Any]:
    """A firing's parameters: a mapping of names to JSON values, copied.

    Tuples become lists. Raises ParameterError, a ValueError, that says which value is not one, and
    what to write.
    """
    if not isinstance(value, Mapping):
        raise ParameterError("params must be a mapping of names to values, as {'day': 1}")
    copied: dict[str, Any] = _parse(value, "params")
    return copied


def _parse(value: object, path: str, depth: int = 0) -> Any:
    if depth > DEEPEST:
        raise ParameterError(f"{path} is nested deeper than {DEEPEST} levels, or contains itself")
    match value:
        case None | bool():
            return value
        case int():
            return _parse_integer(value, path)
        case str():
            return _parse_text(value, path)
        case float():
            if math.isfinite(value):
                return float(value)
            raise ParameterError(f"{path} is {value!r}, and JSON has no such number")
        case Mapping():
            return {
                _parse_key(key, path): _parse(one, f"{path}[{key!r}]", depth + 1)
                for key, one in value.items()
            }
        case list() | tuple():
            return [_parse(one, f"{path}[{n}]", depth + 1) for n, one in enumerate(value)]
    hint = "its isoformat()" if hasattr(value, "isoformat") else "text, numbers, lists or dicts"
    raise ParameterError(f"{path} is a {type(value).__name__}, which JSON cannot say; write {hint}")


def _parse_integer(value: int, path: str) -> int:
    # MySQL makes a float of a larger one, and so another number.
    if not -(2**63) <= value < 2**63:
        raise ParameterError(f"{path} is an integer of more than 64 bits; write it as a text")
    return int(value)


def _parse_key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise ParameterError(f"the key {key!r} of {path} must be a text")
    return _parse_text(key, f"the key {key!r}")


def _parse_text(text: str, path: str) -> str:
    # PostgreSQL's JSONB refuses both, wherever they come from.
    if not is_storable(text):
        raise ParameterError(
            f"{path} holds a NUL or half a surrogate pair, which no database keeps"
        )
    return str(text)
