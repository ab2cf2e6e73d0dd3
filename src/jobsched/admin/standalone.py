"""The admin served by itself, with the standard library's WSGI server: a thread per request."""

import ipaddress
import logging
import socket
import sys
from collections.abc import Callable, Iterable
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from jobsched.admin.access import local_only
from jobsched.admin.request import Request
from jobsched.admin.wsgi import Environ, StartResponse, WsgiApp
from jobsched.errors import ConfigurationError

logger = logging.getLogger(__name__)

PATIENCE_S = 30
"""How long a connection may say nothing."""

Gate = Callable[[Request], bool]
"""Whether a request may come in at all; who it is, is asked behind it."""


class Server(ThreadingMixIn, WSGIServer):
    """Serves one app; a request that still runs does not hold up its end."""

    daemon_threads = True
    block_on_close = False

    def server_bind(self) -> None:
        """Bind, without asking a name server who we are."""
        TCPServer.server_bind(self)
        host, self.server_port = self.server_address[:2]
        self.server_name = str(host)
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours."""
        error = sys.exception()
        if not isinstance(error, ConnectionError | TimeoutError):
            logger.error("the admin's server failed", exc_info=error)


class _Server6(Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = PATIENCE_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # as the library has it
        """Nothing: a line per request of a page that asks every two seconds."""


def serve(app: WsgiApp, host: str, port: int, gate: Gate) -> Server:
    """A server of this app that listens already; port 0 takes a free one.

    Raises ConfigurationError when it cannot listen there.
    """
    kind = _Server6 if ":" in host else Server
    try:
        server = kind((host, port), _Handler)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {_joined(host, port)}: {error.strerror or error}; name another "
            "--port (0 takes a free one), or end the program that uses it"
        ) from error
    except OverflowError as error:
        raise ConfigurationError(f"port {port}: must be from 0 to 65535") from error
    server.set_app(guarded(app, gate))
    return server


def address(server: Server) -> str:
    """What a browser on this machine is given, such as `http://127.0.0.1:8642`."""
    host, port = server.server_address[:2]
    name = str(host)
    shown = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)
    return f"http://{_joined(shown, port)}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can connect to an address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def gate_of(host: str) -> Gate:
    """Who may come in by which name, against DNS rebinding.

    On the loopback what `local_only` lets in. Elsewhere an address, which no name server can
    rebind, and the names that are known here: this one, the machine's, and `localhost`.
    """
    if is_loopback(host):
        local = local_only()
        return lambda request: local(request) is not None
    names = {host.lower(), socket.gethostname().lower(), "localhost"}
    return lambda request: _is_one_of(request.headers.get("host", "").lower(), names)


def guarded(app: WsgiApp, gate: Gate) -> WsgiApp:
    """The app behind a gate: what is not let in learns nothing, and is not read."""

    def guard(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        headers = {
            name[5:].replace("_", "-").lower(): value
            for name, value in environ.items()
            if name.startswith("HTTP_")
        }
        came = Request("GET", "/", headers=headers, peer=environ.get("REMOTE_ADDR"))
        if gate(came):
            return app(environ, start_response)
        body = b"these pages are served to this machine only, by its own name\n"
        start_response(
            "403 Forbidden",
            [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))],
        )
        return [body]

    return guard


def _is_one_of(host: str, names: Iterable[str]) -> bool:
    name = host if host.endswith("]") else host.rpartition(":")[0] or host
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return name in names
    return True


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
