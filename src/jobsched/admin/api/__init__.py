"""The JSON API: handlers by noun, and the table of them all."""

from jobsched.admin.api import daemon, firings, jobs, runs, schedules

ROUTES = (
    *schedules.ROUTES,
    *firings.ROUTES,
    *runs.ROUTES,
    *jobs.ROUTES,
    *daemon.ROUTES,
)
"""Every route below `/api`."""
