"""Values: objects whose fields are given once."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def fixed(kind: type[T]) -> type[T]:
    """A dataclass with slots whose fields nobody changes: the type checker refuses it.

    Nothing refuses it at run time. Python makes a frozen dataclass field by field through
    `object.__setattr__`, which for the dozen of values that a job run is made of took a seventh
    of what firing and recording it costs. `dataclasses.replace` gives a changed copy.
    """
    return dataclass(slots=True, unsafe_hash=True)(kind)
