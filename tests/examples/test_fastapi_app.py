"""The FastAPI example, started as its README says: a real process, on a free port."""

from pathlib import Path

import pytest
from web_app import (
    ADMIN,
    LISTENS,
    Visitor,
    fresh_examples,
    may_only_look,
    program,
    sees_that_a_login_is_needed,
    triggers_and_sees_it_succeed,
)

pytestmark = pytest.mark.timeout(120)


def test_the_readme_command_serves_the_pages_behind_the_shops_login(tmp_path: Path) -> None:
    """One command shows the schedules to who has signed in to the shop, runs what the operator
    triggers in the app's own daemon, lets the product person only look, has the API in the app's
    OpenAPI, and drains on Ctrl+C."""
    examples = fresh_examples(tmp_path)
    with program(examples / "fastapi_app", "-m", "shop", "--port", "0") as app:
        with Visitor(app.wait_for(LISTENS)[1]) as visitor:
            sees_that_a_login_is_needed(visitor)
            triggers_and_sees_it_succeed(visitor, app)
            may_only_look(visitor)
            described = visitor.http.get("/openapi.json").json()
        assert app.interrupt() == 0, app.seen
    assert "stopped" in app.seen
    trigger = described["paths"][f"{ADMIN}/api/schedules/{{id}}/trigger"]["post"]
    assert trigger["responses"].keys() >= {"202", "401", "403", "404", "409", "422"}
    assert all(path.startswith(f"{ADMIN}/api/") for path in described["paths"])
