"""The prefix that a proxy took off, where the host says that one does."""

import re

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?")


def forwarded_prefix(header: str | None, *, trusted: bool) -> str:
    """What stands before the mount outside: the first value of `X-Forwarded-Prefix`, if trusted."""
    prefix = (header or "").partition(",")[0].strip()
    if not trusted or not _PREFIX.fullmatch(prefix):
        return ""
    return prefix.rstrip("/")
