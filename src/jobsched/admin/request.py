"""One HTTP request, whatever framework it came through."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl

LARGEST_BODY = 64 * 1024
"""Bytes; adapters read no more than one byte beyond, and the core answers 413."""

MOST_FIELDS = 100
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Request:
    """What the core knows of a request."""

    method: str
    path: str
    """Below the mount, decoded; it begins with `/`, or is empty at the mount itself."""
    mount: str = ""
    """What every link begins with, such as `/ops/jobs`; empty at the root."""
    query: str = ""
    """The query string as it was sent."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""
    body: bytes = b""
    body_of_unknown_length: bool = False
    """Whether there may be a body that the server cannot tell the end of: it was not read."""
    peer: str | None = None
    """The address that connected, as the server says it."""
    user: str | None = None
    """`REMOTE_USER`, where a server in front of the app has signed somebody in."""
    secure: bool = False
    """Whether it came by HTTPS."""
    native: Any = None
    """The host framework's own request."""

    @cached_property
    def parameters(self) -> dict[str, str]:
        """The query's parameters; of one that is given twice the last. Raises ValueError."""
        return _fields(self.query)

    @cached_property
    def form(self) -> dict[str, str]:
        """The fields of a form that was posted. Raises ValueError."""
        return _fields(self.body.decode("utf-8"))

    @cached_property
    def cookies(self) -> dict[str, str]:
        """The cookies, by name; none when they cannot be read."""
        try:
            parsed = SimpleCookie(self.headers.get("cookie", ""))
        except CookieError:
            return {}
        return {name: morsel.value for name, morsel in parsed.items()}

    @property
    def content_type(self) -> str:
        """Such as `application/json`, without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def for_api(self) -> bool:
        """Whether a program asks: it is answered in JSON."""
        return self.path == "/api" or self.path.startswith("/api/")


def _fields(encoded: str) -> dict[str, str]:
    pairs = parse_qsl(encoded, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    if any("\x00" in name + value for name, value in pairs):
        raise ValueError("a field holds a NUL")
    return dict(pairs)
