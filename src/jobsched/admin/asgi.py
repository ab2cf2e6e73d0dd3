"""The admin as an ASGI app; the core answers in a worker thread, for the database blocks."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from jobsched.admin.access import Access
from jobsched.admin.core import Admin, mount_of
from jobsched.admin.forwarding import forwarded_prefix
from jobsched.admin.request import LARGEST_BODY, Request
from jobsched.admin.response import Response
from jobsched.operations import Operations

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


def asgi_app(
    scheduler: Operations,
    *,
    access: Access,
    title: str = "jobsched",
    trust_forwarded_prefix: bool = False,
) -> AsgiApp:
    """The admin pages and API as an ASGI app; a host's `access` gets the scope, and may be async.

    `trust_forwarded_prefix` believes `X-Forwarded-Prefix` of the proxy in front.
    """
    admin = Admin(scheduler, access=access, title=title)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        root, path = scope.get("root_path", ""), scope["path"]
        below = path[len(root) :] if root and path.startswith(root) else path
        request = request_of(
            scope,
            await body_of(receive),
            mount=root,
            below=below,
            trust_forwarded_prefix=trust_forwarded_prefix,
        )
        await _send(await answer(admin, request), request, send)

    return app


async def answer(admin: Admin, request: Request) -> Response:
    """Ask the access, awaiting it where it is async, and answer."""

    def ask_and_respond() -> Any:
        found = None if admin.is_open(request) else admin.ask(request)
        return found if inspect.isawaitable(found) else admin.respond(request, found)

    found = await asyncio.to_thread(ask_and_respond)
    if isinstance(found, Response):
        return found
    actor = await found
    return await asyncio.to_thread(admin.respond, request, actor)


def request_of(
    scope: Scope,
    body: bytes,
    *,
    mount: str,
    below: str,
    native: Any = None,
    trust_forwarded_prefix: bool = False,
) -> Request:
    """The request that a scope tells of, at `below` the `mount`, both decoded."""
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }
    outside = forwarded_prefix(headers.get("x-forwarded-prefix"), trusted=trust_forwarded_prefix)
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=below,
        mount=outside + mount_of(mount),
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=headers,
        body=body,
        peer=client[0] if client else None,
        secure=scope.get("scheme") == "https",
        native=scope if native is None else native,
    )


async def body_of(receive: Receive) -> bytes:
    """The body, or so much of it that the core sees that it is too large."""
    body = b""
    while len(body) <= LARGEST_BODY:
        message = await receive()
        if message["type"] != "http.request":
            break
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return body


def header_pairs(response: Response) -> list[tuple[bytes, bytes]]:
    """The headers as ASGI sends them."""
    return [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.all_headers
    ]


async def _send(response: Response, request: Request, send: Send) -> None:
    headers = header_pairs(response)
    if response.status != 304 and request.method != "HEAD":
        headers.append((b"content-length", str(len(response.body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
