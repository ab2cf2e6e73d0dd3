"""Who acts, and what they may do."""

from collections.abc import Iterable
from enum import StrEnum

from jobsched.errors import ConfigurationError
from jobsched.fixed import fixed
from jobsched.values import did_you_mean


class Permission(StrEnum):
    """What an actor may do on the admin pages and in the API."""

    READ = "read"
    """See schedules, firings, jobs and workers."""
    VIEW_LOGS = "view_logs"
    """See log lines, errors, tracebacks, params and results."""
    TOGGLE = "toggle"
    """Enable and disable schedules."""
    RUN = "run"
    """Trigger schedules and jobs, and retry firings."""
    CANCEL = "cancel"
    """Cancel firings and job runs."""
    EDIT = "edit"
    """Override what was declared; nothing asks for it yet."""
    VIEW_AUDIT = "view_audit"
    """See who changed what."""


EVERYTHING = frozenset(Permission)
"""Every permission."""

LONGEST_ACTOR = 200

READ_ONLY = frozenset({Permission.READ, Permission.VIEW_LOGS})
"""To look, and to change nothing."""


@fixed
class Actor:
    """Somebody who was let in: `name` is written to the audit log of every change.

    Each of the `permissions` is a `Permission` or its name. Raises ConfigurationError for an
    unknown one.
    """

    name: str
    permissions: Iterable[Permission | str]

    def __post_init__(self) -> None:
        if not 0 < len(self.name) <= LONGEST_ACTOR or not self.name.isprintable():
            raise ConfigurationError(
                f"Actor(name={self.name[:LONGEST_ACTOR]!r}): must be 1 to {LONGEST_ACTOR} "
                "printable characters; the audit log shows it"
            )
        object.__setattr__(self, "permissions", frozenset(_permission(p) for p in self.permissions))

    def may(self, permission: Permission) -> bool:
        """Whether the actor has this permission."""
        return permission in self.permissions


def _permission(name: Permission | str) -> Permission:
    try:
        return Permission(name)
    except ValueError as error:
        known = [one.value for one in Permission]
        guess = did_you_mean(str(name), known)
        raise ConfigurationError(
            f"Actor(permissions=…): {name!r} must be one of {', '.join(map(repr, known))}{guess}"
        ) from error
