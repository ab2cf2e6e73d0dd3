"""The admin as a Flask blueprint."""

from typing import Any
from urllib.parse import urlencode

from jobsched.admin.access import Access
from jobsched.admin.core import Admin
from jobsched.admin.request import FORM, LARGEST_BODY
from jobsched.admin.wsgi import read_to_end, request_of
from jobsched.errors import ConfigurationError
from jobsched.operations import Operations

try:
    import flask
except ImportError as error:
    raise ConfigurationError(
        "the admin blueprint needs Flask: pip install 'jobsched[flask]'"
    ) from error

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def admin_blueprint(
    scheduler: Operations,
    *,
    access: Access,
    title: str = "jobsched",
    name: str = "jobsched",
    trust_forwarded_prefix: bool = False,
) -> flask.Blueprint:
    """A blueprint with the admin pages and API.

        app.register_blueprint(admin_blueprint(scheduler, access=…), url_prefix="/jobs")

    A host's `access` gets `flask.request`, within the app's context, so that Flask-Login's
    `current_user` is there; what it raises, such as `abort(redirect(…))`, Flask handles. Give each
    of several mounts a `name`. `trust_forwarded_prefix` believes `X-Forwarded-Prefix`.
    """
    admin = Admin(scheduler, access=access, title=title)
    blueprint = flask.Blueprint(name, __name__, static_folder=None)

    def view(path: str = "") -> flask.Response:
        native: Any = flask.request._get_current_object()  # type: ignore[attr-defined] # a proxy
        request = request_of(
            flask.request.environ,
            below="/" + path,
            body=_body(native),
            native=native,
            trust_forwarded_prefix=trust_forwarded_prefix,
        )
        found = admin.respond_sync(request)
        response = flask.Response(found.body, found.status)
        response.headers.clear()
        response.headers.extend(found.all_headers)
        # Of a HEAD it would say 0.
        response.automatically_set_content_length = request.method != "HEAD"
        return response

    for rule, endpoint in (("/", "home"), ("/<path:path>", "below")):
        blueprint.add_url_rule(
            rule, endpoint, view, provide_automatic_options=False, methods=_METHODS
        )
    return blueprint


def _body(request: flask.Request) -> bytes:
    """The body, which the host's own code may have read before, or may want to read after us."""
    if request.content_length is None or request.content_length > LARGEST_BODY:
        return read_to_end(request.stream)
    body = request.get_data(cache=True)
    if not body and request.mimetype == FORM:
        return urlencode(list(request.form.items(multi=True))).encode()
    return body
