"""A minute of faults on each database, in which every promise of RELIABILITY must hold.

`python -m tests.faults --help` does the same for longer, with other faults and other seeds.
"""

import secrets
from pathlib import Path

import pytest

from tests.faults.report import judge, told
from tests.faults.trial import Plan, Trial
from tests.faults.verdict import Verdict

FAULTS_S = 60.0


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("database", "family"),
    [
        pytest.param(database, family, marks=pytest.mark.needs_programs(database), id=database)
        for database, family in (
            ("postgresql", "mixed"),
            ("mariadb", "mixed"),
            ("sqlite", "local"),
        )
    ],
)
def test_every_promise_holds_under_faults(database: str, family: str, scratch: Path) -> None:
    """Three daemons are killed, frozen, told to stop, struck at failpoints and cut off: no
    occurrence is missing, doubled, early or unexplained, and nothing is left hanging."""
    plan = Plan(database, family, FAULTS_S, seed=secrets.randbelow(1000))
    trial = Trial(plan, scratch)
    evidence = trial.run()
    judgement = judge(plan, evidence, trial.events())
    assert judgement.verdict is Verdict.VALID, told(plan, evidence, judgement, trial.events())
