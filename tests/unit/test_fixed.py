"""What `@fixed` makes of a class: a value. That nobody changes it is the type checker's to say."""

from dataclasses import field, replace

import pytest

from jobsched.fixed import fixed


@fixed
class Point:
    """Where something is."""

    x: int
    tags: dict[str, str] = field(default_factory=dict, compare=False)


def test_equal_values_are_one_key() -> None:
    """Values are equal, and hashed, by their fields; a changed copy is another one."""
    assert Point(1) == Point(1, {"a": "b"})
    assert {Point(1): "one"}[Point(1)] == "one"
    assert replace(Point(1), x=2) == Point(2) != Point(1)


def test_a_misspelt_field_is_refused() -> None:
    """Slots: what is not declared cannot be set."""
    with pytest.raises(AttributeError):
        Point(1).y = 2  # type: ignore[attr-defined]  # that is the point
