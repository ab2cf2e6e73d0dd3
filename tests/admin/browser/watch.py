"""What a browser must not do while a test drives it, unless the test expects it."""

import re
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError

HARMLESS = ("blob", "data")
"""Schemes that ask no host."""


class Watch:
    """Writes down console messages, errors, and requests that leave the host."""

    def __init__(self) -> None:
        self._seen: list[str] = []
        self._expected: list[str] = []
        self.requests: list[Request] = []
        """Every request that was made, the first one first."""

    def over(self, context: BrowserContext) -> None:
        """Watch every page of this context.

        Playwright could stop requests with a route of its own, but that switches off the browser's
        cache, of which the pages' 304s are made. Chromium itself resolves no other host's name.
        """
        context.on("console", self._message)
        context.on("weberror", self._error)
        context.on("request", self._request)

    def expects(self, pattern: str) -> None:
        """Messages that match are what this test provokes."""
        self._expected.append(pattern)

    @property
    def faults(self) -> list[str]:
        """What nobody expected."""
        return [
            one for one in self._seen if not any(re.search(known, one) for known in self._expected)
        ]

    def asked(self, path: str) -> int:
        """How many requests for paths that end so were made."""
        return sum(urlsplit(one.url).path.endswith(path) for one in self.requests)

    def _message(self, message: ConsoleMessage) -> None:
        self._seen.append(f"console {message.type}: {message.text} ({message.location['url']})")

    def _error(self, error: WebError) -> None:
        self._seen.append(f"error: {error.error}")

    def _request(self, request: Request) -> None:
        self.requests.append(request)
        parts = urlsplit(request.url)
        if parts.scheme not in HARMLESS and parts.hostname != "127.0.0.1":
            self._seen.append(f"request to another host: {request.url}")
