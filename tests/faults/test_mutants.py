"""The harness proves itself: daemons that lack a guard are caught, by the rule that names it."""

from pathlib import Path

import pytest

from tests.faults.injector import FAMILIES
from tests.faults.mutants import MUTANTS
from tests.faults.report import judge
from tests.faults.trial import Plan, Trial

TRIES = 3
"""Faults hit by chance: a mutant that gets away is tried with other seeds."""
FAULTS_S = 15.0
CALM_S = 4.0


def needs(name: str) -> pytest.MarkDecorator:
    family = FAMILIES[MUTANTS[name].family]
    programs = ["postgresql"]
    if "step" in family.daemons:
        programs.append("cc")
    if family.lock == "redis":
        programs.append("redis")
    return pytest.mark.needs_programs(*programs)


@pytest.mark.mutants
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [pytest.param(name, marks=needs(name)) for name in MUTANTS])
def test_a_daemon_without_a_guard_is_caught(name: str, scratch: Path) -> None:
    """Each seeded mutant breaks a promise within seconds, and the checkers say which."""
    proof = MUTANTS[name]
    seen = []
    for seed in range(TRIES):
        plan = Plan("postgresql", proof.family, FAULTS_S, seed, mutant=name, calm=CALM_S)
        folder = scratch / str(seed)
        folder.mkdir(mode=0o711)
        trial = Trial(plan, folder)
        evidence = trial.run()
        seen.append(judge(plan, evidence, trial.events()).rules())
        if seen[-1] & proof.rules:
            return
    pytest.fail(f"{name} got away: it broke {seen}, and none of {sorted(proof.rules)}")
