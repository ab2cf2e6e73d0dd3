"""The pages: a module each, with its handlers and routes; templates and static files beside."""

from jobsched.admin.pages import (
    audit,
    firing,
    firings,
    job_run,
    jobs,
    schedule,
    schedules,
    steering,
    switching,
    timeline,
    workers,
)
from jobsched.admin.pages.refused import problem, sign_in

__all__ = ["ROUTES", "problem", "sign_in"]

ROUTES = (
    *schedules.ROUTES,
    *schedule.ROUTES,
    *switching.ROUTES,
    *firings.ROUTES,
    *firing.ROUTES,
    *steering.ROUTES,
    *jobs.ROUTES,
    *job_run.ROUTES,
    *workers.ROUTES,
    *audit.ROUTES,
    *timeline.ROUTES,
)
"""Every route that answers with a page."""
