"""The kinds of fields that queries, bodies and forms are made of."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from jobsched.values import parse_text

MOST_ITEMS = 200


class Fields(BaseModel):
    """A query, body or form: a field that it does not know is refused."""

    model_config = ConfigDict(extra="forbid")


def _of_our_times(at: datetime) -> datetime:
    if not 1970 <= at.year <= 9998:
        raise ValueError("must be a time between the years 1970 and 9998")
    return at


def _nothing(value: Any) -> Any:
    return None if value == "" else value


Text = Annotated[str, AfterValidator(parse_text)]
"""What a database can keep."""

Name = Annotated[Text, Field(max_length=200)]
Reason = Annotated[Text, Field(max_length=2000, description="Why, for the audit log")]
Time = Annotated[AwareDatetime, AfterValidator(_of_our_times)]
"""An instant, with its offset: `2026-03-02T12:00:00Z`."""

Limit = Annotated[int, Field(ge=1, le=MOST_ITEMS, description="How many at most")]
Cursor = Annotated[
    str, Field(max_length=400, description="The `next` of the page before; it is opaque")
]
Optional = BeforeValidator(_nothing)
"""An empty field of a form is none: `Annotated[Name | None, Optional]`."""
