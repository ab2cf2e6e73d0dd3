"""The admin pages and API, to be mounted in any web app.

`jobsched.admin.flask` and `jobsched.admin.fastapi` have adapters; these two serve every other
framework. They need Jinja2: `pip install 'jobsched[admin]'`.
"""

from jobsched.errors import ConfigurationError

try:
    from jobsched.admin.asgi import asgi_app
    from jobsched.admin.wsgi import wsgi_app
except ModuleNotFoundError as error:
    if error.name not in ("jinja2", "markupsafe"):
        raise
    raise ConfigurationError(
        "the admin pages need Jinja2: pip install 'jobsched[admin]'"
    ) from error

__all__ = ["asgi_app", "wsgi_app"]
