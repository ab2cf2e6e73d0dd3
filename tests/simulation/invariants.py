"""What must hold at every moment of a simulation, checked on the rows and not on what was said.

Expected occurrences come from arithmetic on the grid of each schedule, not from jobsched's code.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from jobsched import Scheduler
from jobsched.store.database import Transaction

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Grid:
    """A schedule with `every`: its occurrences by arithmetic."""

    every: timedelta
    limited: bool
    """Whether its firings must not overlap."""

    def between(self, after: datetime, until: datetime) -> int:
        """How many occurrences lie in (after, until]."""
        return (until - EPOCH) // self.every - (after - EPOCH) // self.every


@dataclass
class Invariants:
    """Checks a database, and remembers what had ended: that must never change again."""

    scheduler: Scheduler
    grids: Mapping[str, Grid]
    start: datetime
    ended: dict[int, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raise AssertionError that names the promise and the rows that break it."""
        with self.scheduler.database.read() as tx:
            self._accounted_for(tx)
            self._owned(tx)
            self._never_early(tx)
            self._one_success(tx)
            self._final(tx)

    def _accounted_for(self, tx: Transaction) -> None:
        """I1, I2: every occurrence up to the last decided one is one firing or in one skip."""
        firing, schedule = tx.tables.job_firing, tx.tables.job_schedule
        cron = firing.c.trigger_type == "CRON"
        twice = tx.connection.execute(
            sa.select(firing.c.schedule_id, firing.c.scheduled_for)
            .where(cron)
            .group_by(firing.c.schedule_id, firing.c.scheduled_for)
            .having(sa.func.count() > 1)
        ).all()
        assert twice == [], f"I1: more than one firing for {twice}"
        counted = sa.func.sum(sa.func.coalesce(firing.c.missed_count, 1))
        found = tx.connection.execute(
            sa.select(firing.c.schedule_id, counted).where(cron).group_by(firing.c.schedule_id)
        )
        accounted = {row[0]: row[1] for row in found}
        decided = tx.connection.execute(sa.select(schedule.c.id, schedule.c.last_scheduled_for))
        for schedule_id, last in decided:
            expected = self.grids[schedule_id].between(self.start, last) if last else 0
            assert accounted.get(schedule_id, 0) == expected, (
                f"I2: {schedule_id}: {expected} occurrences up to {last}, "
                f"{accounted.get(schedule_id, 0)} accounted for"
            )

    def _owned(self, tx: Transaction) -> None:
        """I5, I9: who runs what holds it; of a limited schedule one firing runs at most."""
        firing, run, schedule = tx.tables.job_firing, tx.tables.job_run, tx.tables.job_schedule
        running = tx.connection.execute(
            sa.select(firing.c.id, firing.c.schedule_id, firing.c.claimed_by).where(
                firing.c.status == "RUNNING"
            )
        ).all()
        holders: dict[str, list[str]] = defaultdict(list)
        for one in running:
            if self.grids[one.schedule_id].limited:
                holders[one.schedule_id].append(f"{one.claimed_by}:{one.id}")
        locks = tx.connection.execute(sa.select(schedule.c.id, schedule.c.locked_by))
        for schedule_id, locked_by in locks:
            held = holders[schedule_id]
            assert held == ([locked_by] if locked_by else []), (
                f"I9: {schedule_id} is locked by {locked_by}, and runs for {held}"
            )
        owners = {one.id: one.claimed_by for one in running}
        runs = tx.connection.execute(
            sa.select(run.c.id, run.c.firing_id, run.c.worker_id).where(run.c.status == "RUNNING")
        )
        for run_id, firing_id, worker_id in runs:
            assert owners.get(firing_id) == worker_id, (
                f"I5: run {run_id} runs at {worker_id}, its firing at {owners.get(firing_id)}"
            )

    def _never_early(self, tx: Transaction) -> None:
        """I6: nothing starts before its time."""
        firing, run = tx.tables.job_firing, tx.tables.job_run
        for table, due in ((firing, firing.c.scheduled_for), (run, run.c.available_at)):
            early = sa.select(table.c.id).where(table.c.started_at < due)
            found = tx.connection.execute(early).scalars().all()
            assert found == [], f"I6: {table.name} {found} started early"

    def _one_success(self, tx: Transaction) -> None:
        """I3: no job of a firing succeeds twice."""
        run = tx.tables.job_run
        twice = tx.connection.execute(
            sa.select(run.c.firing_id, run.c.job_name)
            .where(run.c.status == "SUCCESS")
            .group_by(run.c.firing_id, run.c.job_name)
            .having(sa.func.count() > 1)
        ).all()
        assert twice == [], f"I3: {twice} succeeded twice"

    def _final(self, tx: Transaction) -> None:
        """I3, I10: what has ended stays as it ended, and is not lost."""
        run = tx.tables.job_run
        found = tx.connection.execute(sa.select(run.c.id, run.c.status))
        statuses = {row[0]: row[1] for row in found}
        changed = {
            run_id: (status, statuses.get(run_id))
            for run_id, status in self.ended.items()
            if statuses.get(run_id) != status
        }
        assert changed == {}, f"I3, I10: ended job runs changed: {changed}"
        self.ended.update(
            (run_id, status)
            for run_id, status in statuses.items()
            if status not in ("QUEUED", "RUNNING")
        )
