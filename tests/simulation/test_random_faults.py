"""Nodes are killed and frozen at random while schedules of every policy fire: nothing is lost,
nothing happens twice. A failing seed is part of the test's name and repeats exactly."""

import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from random import Random

import pytest

from jobsched import Backoff, JobContext, Registry, Schedule, Scheduler, Settings
from jobsched.testing import FakeClock, Outage
from jobsched.testing.nodes import Work
from jobsched.testing.simulation import World
from tests.simulation.invariants import Grid, Invariants

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
NODES = 3
TAKES = timedelta(seconds=15)
CHECK_EVERY = 100
"""Steps between two checks of all invariants."""
OCCURRENCES = int(os.environ.get("JOBSCHED_TEST_OCCURRENCES", "100000"))
"""How many occurrences all seeds together see at least."""
SEEDS = [int(one) for one in os.environ.get("JOBSCHED_TEST_SEEDS", "1,2,3,4").split(",")]


def schedules() -> list[Schedule]:
    """Every combination of policies, at three cadences."""
    policies = product(
        ("skip", "queue", "allow", "cancel_previous"),
        ("run_once", "skip", "run_all"),
        (60, 120, 300),
        ("plain", "again", "flaky"),
    )
    return [
        Schedule(
            f"{overlap}-{misfire}-{every}-{job}",
            every=every,
            overlap=overlap,
            misfire=misfire,
            misfire_grace=90,
            max_catchup=5,
            jobs=[job],
            enabled=True,
        )
        for overlap, misfire, every, job in policies
    ]


def registry() -> Registry:
    made = Registry()
    made.job("plain")(lambda: None)
    made.job("again", on_lost="rerun")(lambda: None)
    made.job("flaky", retries=2, backoff=Backoff(initial=30, maximum=60))(lambda: None)
    return made


def outages(random: Random, until: datetime) -> Iterator[Outage]:
    """Each node is killed or frozen now and then; sometimes all of them are gone at once."""
    for node in range(NODES):
        at = START + random.random() * 20 * MINUTE
        while at < until:
            length = random.choice((5, 30, 90, 200, 600)) * timedelta(seconds=random.random() + 0.1)
            yield Outage(at, at + length, node, random.choice(("killed", "frozen")))
            at += length + random.random() * 30 * MINUTE
    at = START + random.random() * 60 * MINUTE
    while at < until:
        yield Outage(at, at + random.random() * 30 * MINUTE)
        at += 120 * MINUTE


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_is_lost_and_nothing_twice(seed: int) -> None:
    """I1, I2, I3, I5, I6, I9 and I10 hold every hundred steps and at the end, and what nodes left
    behind is taken up: at the end nothing is stuck."""
    random = Random(seed)

    def work(ctx: JobContext) -> timedelta:
        if ctx.job_name == "flaky" and random.random() < 0.3:
            raise ConnectionError("simulated")
        # In steps, so that many end at one instant: most of the time goes into instants.
        return TAKES * round(random.expovariate(1 / 0.7))

    declared = schedules()
    per_minute = sum(MINUTE / one.every for one in declared if one.every is not None)
    until = START + MINUTE * (OCCURRENCES / len(SEEDS) / per_minute + 1)
    clock = FakeClock(START)
    scheduler = Scheduler(
        "sqlite://",
        registry=registry(),
        schedules=declared,
        clock=clock,
        settings=Settings(max_workers=60),
    )
    logging.getLogger("jobsched.daemon").setLevel(logging.CRITICAL)
    world = World(scheduler, clock, Work(work), NODES, list(outages(random, until)))
    grids = {
        one.id: Grid(one.every, one.overlap != "allow") for one in declared if one.every is not None
    }
    invariants = Invariants(scheduler, grids, START)
    steps = 0
    while world.step(until):
        steps += 1
        if steps % CHECK_EVERY == 0:
            invariants.check()
    world.run_until(until + 20 * MINUTE)  # all outages are over: whatever was held is taken up
    invariants.check()
    decided = sum(
        grids[one.declaration.id].between(START, one.last_scheduled_for)
        for one in scheduler.list_schedules()
        if one.last_scheduled_for is not None
    )
    assert decided >= OCCURRENCES / len(SEEDS)
    late = [
        firing.id
        for firing in scheduler.history(limit=200, status=None)
        if firing.status == "RUNNING" and clock.now() - firing.scheduled_for > 30 * MINUTE
    ]
    assert late == []
    scheduler.close()
