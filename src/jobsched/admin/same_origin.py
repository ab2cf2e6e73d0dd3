"""Whether a change was asked for by our own page: a browser says where a request comes from.

Fetch Metadata (https://www.w3.org/TR/fetch-metadata/) and, for browsers without it, the Origin
header of RFC 6454. A program that is no browser sends neither, and is let in by what it knows.
"""

from urllib.parse import urlsplit

from jobsched.admin.request import Request

SAFE = frozenset({"GET", "HEAD"})


def is_cross_site(request: Request) -> bool:
    """Whether an unsafe request comes from another site's page."""
    if request.method in SAFE:
        return False
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site.lower() != "same-origin"
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("host")
