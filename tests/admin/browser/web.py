"""Web servers of the test process, which a browser can ask, and which can go and come back."""

import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import uvicorn

PREFIX = "/ops/jobs"
"""Where the admin is mounted in its host."""

WsgiApp = Callable[..., Iterable[bytes]]


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Threading(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: Any) -> None:
        """A browser that goes away leaves its connections: no news."""


class WebServer:
    """A WSGI app behind a threading server; it keeps its port when it goes and comes back."""

    def __init__(self, app: WsgiApp, prefix: str = PREFIX) -> None:
        self._app = app
        self.answered: list[tuple[str, int]] = []
        """The path and the status of each answer."""
        self._server: _Threading | None = None
        self._thread: threading.Thread | None = None
        self._port = 0
        self.prefix = prefix
        self.start()

    @property
    def url(self) -> str:
        """The address of the admin's first page."""
        return f"http://127.0.0.1:{self._port}{self.prefix}/"

    def start(self) -> None:
        """Answer."""
        self._server = make_server("127.0.0.1", self._port, self._noted, _Threading, _Quiet)
        self._port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def _noted(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]

        def start(status: str, *more: Any) -> Any:
            self.answered.append((path, int(status[:3])))
            return start_response(status, *more)

        return self._app(environ, start)

    def stop(self) -> None:
        """Answer no more; nobody listens at the port."""
        if self._server is None or self._thread is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._server = None


@contextmanager
def asgi_server(app: Any, prefix: str = PREFIX) -> Iterator[str]:
    """The address of an ASGI app's admin, while uvicorn serves it."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}{prefix}/"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
