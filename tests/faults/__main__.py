"""`python -m tests.faults`: daemons under faults, for as long as you like."""

import pickle
import sys
import tempfile
from pathlib import Path

import click

from tests.faults import blind, exact, injector
from tests.faults.servers import PROGRAMS
from tests.faults.trial import Plan, Trial


@click.command()
@click.option("--database", type=click.Choice([n for n in PROGRAMS if n != "redis"]), required=True)
@click.option("--minutes", type=float, default=1.0, show_default=True, help="How long faults last.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same faults again.")
@click.option("--family", type=click.Choice(list(injector.FAMILIES)), default="mixed")
@click.option("--nodes", type=click.IntRange(1, 8), default=3, show_default=True)
@click.option("--mutant", help="Break the daemon on purpose.")
@click.option("--keep", type=click.Path(path_type=Path), help="Leave the trial's files there.")
def main(
    database: str,
    minutes: float,
    seed: int,
    family: str,
    nodes: int,
    mutant: str | None,
    keep: Path | None,
) -> None:
    """Strike jobsched's daemons, and check every promise afterwards."""
    plan = Plan(database, family, minutes * 60, seed, nodes, mutant)
    with tempfile.TemporaryDirectory(prefix="jobsched-faults-") as scratch:
        folder = keep or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        evidence = Trial(plan, folder).run()
        (folder / "evidence.pickle").write_bytes(pickle.dumps(evidence))
    judgement = exact.check(evidence) + blind.check(evidence)
    click.echo(f"{len(evidence.firings)} firings, {len(evidence.ledger)} records")
    for finding in judgement.findings[:100]:
        click.echo(f"{finding.rule}: {finding.what}")
    click.echo(f"{judgement.verdict} {judgement.doubts}")
    sys.exit(0 if judgement.verdict == "valid" else 1)


if __name__ == "__main__":
    main()
