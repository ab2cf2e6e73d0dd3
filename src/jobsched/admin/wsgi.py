"""The admin as a WSGI app (PEP 3333), to be mounted under any prefix or served alone."""

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from jobsched.admin.access import Access
from jobsched.admin.core import Admin, mount_of
from jobsched.admin.forwarding import forwarded_prefix
from jobsched.admin.request import LARGEST_BODY, Request
from jobsched.admin.response import Response
from jobsched.operations import Operations

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WsgiApp = Callable[[Environ, StartResponse], Iterable[bytes]]


def wsgi_app(
    scheduler: Operations,
    *,
    access: Access,
    title: str = "jobsched",
    trust_forwarded_prefix: bool = False,
) -> WsgiApp:
    """The admin pages and API as a WSGI app; a host's `access` gets the environ.

    `trust_forwarded_prefix` believes `X-Forwarded-Prefix` of the proxy in front.
    """
    admin = Admin(scheduler, access=access, title=title)

    def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        request = request_of(environ, trust_forwarded_prefix=trust_forwarded_prefix)
        return _send(admin.respond_sync(request), request, start_response)

    return app


def request_of(
    environ: Environ,
    *,
    below: str | None = None,
    body: bytes | None = None,
    native: Any = None,
    trust_forwarded_prefix: bool = False,
) -> Request:
    """The request that an environ tells of; `below` is its path below the mount, if known.

    `body` is given where somebody has read it already.
    """
    script, path = _decoded(environ, "SCRIPT_NAME"), _decoded(environ, "PATH_INFO")
    if below is not None:
        script, path = (script + path)[: len(script + path) - len(below)], below
    headers = _headers(environ)
    outside = forwarded_prefix(headers.get("x-forwarded-prefix"), trusted=trust_forwarded_prefix)
    return Request(
        method=environ["REQUEST_METHOD"],
        path=path,
        mount=outside + mount_of(script),
        query=environ.get("QUERY_STRING", ""),
        headers=headers,
        body=_body(environ) if body is None else body,
        body_of_unknown_length=_has_unknown_length(environ),
        peer=environ.get("REMOTE_ADDR"),
        user=environ.get("REMOTE_USER"),
        secure=environ.get("wsgi.url_scheme") == "https",
        native=environ if native is None else native,
    )


def _decoded(environ: Environ, name: str) -> str:
    raw: str = environ.get(name, "")
    return raw.encode("latin-1").decode("utf-8", "replace")


def _headers(environ: Environ) -> dict[str, str]:
    found = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    if environ.get("CONTENT_TYPE"):
        found["content-type"] = environ["CONTENT_TYPE"]
    return found


def _body(environ: Environ) -> bytes:
    """The body, or so much of it that the core sees that it is too large."""
    length = environ.get("CONTENT_LENGTH") or ""
    if not length and environ.get("wsgi.input_terminated"):  # sent in chunks
        return read_to_end(environ["wsgi.input"])
    if not length.isdecimal():
        return b""
    body: bytes = environ["wsgi.input"].read(min(int(length), LARGEST_BODY + 1))
    return body


def _has_unknown_length(environ: Environ) -> bool:
    chunked = "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower()
    told = environ.get("CONTENT_LENGTH") or environ.get("wsgi.input_terminated")
    return chunked and not told


def read_to_end(stream: Any) -> bytes:
    """What a stream holds that ends by itself, up to one byte more than a body may have."""
    body = b""
    while len(body) <= LARGEST_BODY and (more := stream.read(LARGEST_BODY + 1 - len(body))):
        body += more
    return body


def _send(response: Response, request: Request, start_response: StartResponse) -> Iterable[bytes]:
    length = [] if response.status == 304 or request.method == "HEAD" else [len(response.body)]
    headers = [*response.all_headers, *(("Content-Length", str(one)) for one in length)]
    start_response(f"{response.status} {HTTPStatus(response.status).phrase}", headers)
    return [response.body]
