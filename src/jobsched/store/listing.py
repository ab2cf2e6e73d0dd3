"""Lists for operators, a page at a time: schedules, firings, job runs and the audit log.

Each takes what is wanted and how much at most, and gives a `Page` with where the next one begins.
"""

from jobsched.store.audit_list import AuditEntry, AuditFilter
from jobsched.store.audit_list import audit_page as audit
from jobsched.store.firing_list import FiringFilter
from jobsched.store.firing_list import firings_page as firings
from jobsched.store.paging import Cursor, Page
from jobsched.store.run_list import RunFilter
from jobsched.store.run_list import runs_page as runs
from jobsched.store.schedule_list import ScheduleFilter, ScheduleSort, ScheduleView
from jobsched.store.schedule_list import schedules_page as schedules

__all__ = [
    "AuditEntry",
    "AuditFilter",
    "Cursor",
    "FiringFilter",
    "Page",
    "RunFilter",
    "ScheduleFilter",
    "ScheduleSort",
    "ScheduleView",
    "audit",
    "firings",
    "runs",
    "schedules",
]
