"""Web apps that embed the daemon, as their servers import them: `web:wsgi` and `web:asgi`."""

from collections.abc import Callable, Iterable
from typing import Any

from fastapi import FastAPI
from host import scheduler

scheduler.migrate()
scheduler.list_workers()  # a preloading master has used its connections before it forks

asgi = FastAPI(lifespan=scheduler.lifespan)


def wsgi(_environment: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Say whether this worker runs the daemon."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(scheduler.running).encode()]
