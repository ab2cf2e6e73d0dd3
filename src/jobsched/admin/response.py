"""One HTTP response, and what makes it safe to show in a browser."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jobsched.fixed import fixed

Headers = tuple[tuple[str, str], ...]

_SECURITY: Headers = (
    (
        "Content-Security-Policy",
        (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
            "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        ),
    ),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    # Not `no-referrer`: a form's POST would then come with `Origin: null`.
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


@fixed
class Response:
    """What the core answers; every adapter hands it on as it is."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Headers = ()

    def with_headers(self, *more: tuple[str, str]) -> "Response":
        """The same with further headers."""
        return replace(self, headers=self.headers + more)

    @property
    def all_headers(self) -> list[tuple[str, str]]:
        """With those of the content; the length is the adapter's business."""
        content = [] if self.status == 304 else [("Content-Type", self.content_type)]
        return [*content, *self.headers]


def secured(response: Response) -> Response:
    """The response with the headers that each has, and not kept by anybody unless it says so."""
    named = {name for name, _ in response.headers}
    cache: Headers = () if "Cache-Control" in named else (("Cache-Control", "private, no-cache"),)
    return response.with_headers(*cache, *_SECURITY)


def json_response(
    document: Mapping[str, Any], status: int = 200, headers: Headers = ()
) -> Response:
    """A document as JSON."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    return Response(status, body, "application/json", headers)


def page(html: str, status: int = 200) -> Response:
    """A page."""
    return Response(status, html.encode("utf-8", "replace"), "text/html; charset=utf-8")


def see_other(location: str) -> Response:
    """After a form was posted: look there."""
    return Response(303, b"", headers=(("Location", location),))
