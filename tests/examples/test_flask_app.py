"""The Flask example, started as its README says: a real process, on a free port."""

from pathlib import Path

import pytest
from web_app import (
    LISTENS,
    Visitor,
    fresh_examples,
    may_only_look,
    program,
    sees_that_a_login_is_needed,
    triggers_and_sees_it_succeed,
)

pytestmark = pytest.mark.timeout(120)

SERVE = ("-m", "shop", "--port", "0")


def test_the_readme_command_serves_the_pages_behind_the_shops_login(tmp_path: Path) -> None:
    """One command shows the schedules to who has signed in to the shop, runs what the operator
    triggers, lets the product person only look, and ends with 0 on Ctrl+C."""
    examples = fresh_examples(tmp_path)
    with program(examples / "flask_app", *SERVE, "--with-daemon") as app:
        with Visitor(app.wait_for(LISTENS)[1]) as visitor:
            sees_that_a_login_is_needed(visitor)
            triggers_and_sees_it_succeed(visitor, app)
            may_only_look(visitor)
        assert app.interrupt() == 0, app.seen
    assert "stopped" in app.seen


def test_the_web_process_needs_no_daemon(tmp_path: Path) -> None:
    """Without `--with-daemon` the pages say that no tables are there; once the storefront's own
    daemon runs, on the same database, they show and steer what it does."""
    examples = fresh_examples(tmp_path)
    with program(examples / "flask_app", *SERVE) as app:
        with Visitor(app.wait_for(LISTENS)[1]) as visitor:
            visitor.sign_in("ada", "espresso")
            assert visitor.api("/schedules").json()["error"]["code"] == "schema"
            run = ("-m", "jobsched", "run", "storefront.jobs:scheduler")
            with program(examples / "storefront", *run) as daemon:
                daemon.wait_for("are declared")
                triggers_and_sees_it_succeed(visitor, daemon)
                assert daemon.interrupt() == 0, daemon.seen
        assert app.interrupt() == 0, app.seen
