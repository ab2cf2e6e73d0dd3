"""gunicorn's settings for `web:wsgi`: the app is loaded before the workers are forked."""

from typing import Any

wsgi_app = "web:wsgi"
bind = "127.0.0.1:0"
workers = 2
preload_app = True


def post_fork(_server: Any, _worker: Any) -> None:
    """Each worker becomes a daemon."""
    from web import scheduler

    scheduler.start()


def worker_exit(_server: Any, _worker: Any) -> None:
    """Each worker drains."""
    from web import scheduler

    scheduler.stop()
