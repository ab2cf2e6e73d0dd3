"""The fields of "Run now": from the jobs' parameter schemas to params."""

import pytest

from jobsched.admin.pages.run_form import Input, inputs, params
from jobsched.errors import ParameterError
from jobsched.model import JobDefinition

SCHEMA = {
    "properties": {
        "day": {"type": "string"},
        "limit": {"type": "integer", "default": 100},
        "dry": {"type": "boolean", "default": False},
        "mode": {"enum": ["fast", "full"], "type": "string"},
        "where": {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None},
        "api_token": {"type": "string"},
    },
    "required": ["day", "mode", "api_token"],
}
IMPORT = JobDefinition("import_feeds", parameters=SCHEMA)
INDEX = JobDefinition("index", parameters={"properties": {"limit": {"type": "integer"}}})


def fields(typed: dict[str, str] | None = None, **declared: object) -> dict[str, Input]:
    """The fields of both jobs, by name."""
    return {one.name: one for one in inputs([IMPORT, INDEX], declared, typed or {})}


def test_each_parameter_is_one_field_of_its_kind() -> None:
    """A parameter that two jobs take is asked for once, and says for whom."""
    found = fields()

    assert {name: one.kind for name, one in found.items()} == {
        "day": "string",
        "limit": "integer",
        "dry": "boolean",
        "mode": "choice",
        "where": "json",
        "api_token": "string",
    }
    assert found["limit"].jobs == ("import_feeds", "index")
    assert found["mode"].choices == ("fast", "full")


def test_what_the_schedule_gives_is_not_required_and_shown_unless_secret() -> None:
    """The schedule's own params stand before the jobs' defaults."""
    found = fields(day="monday", limit=5, api_token="s3cret")

    assert not found["day"].required
    assert found["mode"].required
    assert found["limit"].default == "5"
    assert found["dry"].default == "false"
    assert "s3cret" not in found["api_token"].default


def test_what_is_left_empty_is_not_among_the_params() -> None:
    """So that the schedule's value, or the job's default, holds."""
    assert params(fields({"limit": " ", "day": ""}).values()) == {}


def test_typed_values_have_the_type_of_their_field() -> None:
    """A text stays as it is typed; numbers, booleans and JSON are read."""
    typed = {"day": "12", "limit": "7", "dry": "true", "mode": "full", "where": '{"a": [1]}'}

    assert params(fields(typed).values()) == {
        "day": "12",
        "limit": 7,
        "dry": True,
        "mode": "full",
        "where": {"a": [1]},
    }


@pytest.mark.parametrize(("name", "typed"), [("limit", "many"), ("where", "nowhere")])
def test_what_cannot_be_read_is_refused_by_name(name: str, typed: str) -> None:
    """The message names the parameter and what was typed."""
    with pytest.raises(ParameterError, match=rf"{name}: '{typed}' is no"):
        params(fields({name: typed}).values())
