"""`python -m tests.faults`: daemons under faults, for as long as you like."""

import pickle
import sys
import tempfile
from pathlib import Path

import click

from tests.faults.injector import FAMILIES
from tests.faults.mutants import MUTANTS
from tests.faults.report import judge, told
from tests.faults.trial import Plan, Trial
from tests.faults.verdict import Verdict


@click.command()
@click.option(
    "--database",
    type=click.Choice(["postgresql", "mariadb", "sqlite"]),
    required=True,
    help="A server of the trial's own is started.",
)
@click.option("--minutes", type=float, default=1.0, show_default=True, help="How long faults last.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same faults again.")
@click.option(
    "--family",
    type=click.Choice([*FAMILIES, "all"]),
    help="Which faults; default: mixed, or local on SQLite. `all`: each one for so long.",
)
@click.option("--nodes", type=click.IntRange(1, 8), default=3, show_default=True)
@click.option("--mutant", type=click.Choice(list(MUTANTS)), help="Break the daemon on purpose.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    help="Keep ledger, events, logs and evidence in this folder.",
)
def main(
    database: str,
    minutes: float,
    seed: int,
    family: str | None,
    nodes: int,
    mutant: str | None,
    keep: Path | None,
) -> None:
    """Strike jobsched's daemons, and check every promise of theirs afterwards.

    Ends with 0 when everything could be checked and held, else with 1.
    """
    names = [family or ("local" if database == "sqlite" else "mixed")]
    if family == "all":
        names = [name for name, one in FAMILIES.items() if database in one.databases]
    verdicts = []
    for name in names:
        plan = Plan(database, name, minutes * 60, seed, nodes, mutant)
        with tempfile.TemporaryDirectory(prefix="jobsched-faults-") as scratch:
            folder = keep / f"{database}-{name}-{seed}" if keep else Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            trial = Trial(plan, folder)
            evidence = trial.run()
            (folder / "evidence.pickle").write_bytes(pickle.dumps(evidence))
            judgement = judge(plan, evidence, trial.events())
            click.echo(told(plan, evidence, judgement, trial.events()))
        verdicts.append(judgement.verdict)
    sys.exit(0 if set(verdicts) == {Verdict.VALID} else 1)


if __name__ == "__main__":
    main()
