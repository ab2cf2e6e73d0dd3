"""Signing in by a form, where tokens are the access: the browser then has a cookie."""

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from jobsched.admin.access import BearerTokens
from jobsched.admin.permissions import Actor
from jobsched.admin.request import Request
from jobsched.admin.response import Response, see_other

SESSION_S = 12 * 3600


class SignInForm(BaseModel):
    """What the form sends."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(max_length=1000)
    next: str = Field("/", max_length=2000)


class SignInLink(BaseModel):
    """What the link that `jobsched serve` prints says."""

    model_config = ConfigDict(extra="forbid")

    code: str | None = Field(None, max_length=200)
    next: str = Field("/", max_length=2000)


def cookie_name(request: Request) -> str:
    """Differs by port: cookies do not, and two apps on one machine would sign each other out."""
    port = request.headers.get("host", "").rpartition(":")[2]
    return f"jobsched_session_{port}" if port.isdecimal() else "jobsched_session"


class SignIn:
    """The sessions of those who signed in with a token of `tokens`."""

    def __init__(self, tokens: BearerTokens) -> None:
        self._tokens = tokens

    def actor(self, request: Request, now: float) -> Actor | None:
        """Who has signed in, by the cookie."""
        value = request.cookies.get(cookie_name(request))
        return None if value is None else self._tokens.actor_of_session(value, now)

    def by_token(self, request: Request, form: SignInForm, now: float) -> Response | None:
        """Signed in, and on to where they wanted; None for a wrong token."""
        session = self._tokens.session(form.token.strip(), int(now) + SESSION_S)
        return None if session is None else _with_cookie(request, session, form.next)

    def by_code(self, request: Request, link: SignInLink, now: float) -> Response | None:
        """Signed in by a link's code, which is then used up; None for a wrong one."""
        session = self._tokens.session_of_code(link.code or "", int(now) + SESSION_S)
        return None if session is None else _with_cookie(request, session, link.next)


def _with_cookie(request: Request, session: str, wanted: str) -> Response:
    return see_other(request.mount + below_mount(wanted)).with_headers(
        ("Set-Cookie", _cookie(request, session, SESSION_S))
    )


def signed_out(request: Request) -> Response:
    """The cookie is forgotten."""
    return see_other(request.mount + "/").with_headers(("Set-Cookie", _cookie(request, "", 0)))


def below_mount(wanted: str) -> str:
    """A path below the mount to go to, or home: never another host, never what is no path."""
    parts = urlsplit(wanted)
    harmless = wanted.isascii() and wanted.isprintable() and "\\" not in wanted
    if not harmless or parts.scheme or parts.netloc or not wanted.startswith("/"):
        return "/"
    return "/" if wanted.startswith("//") else wanted


def _cookie(request: Request, value: str, max_age: int) -> str:
    secure = "; Secure" if request.secure else ""
    path = request.mount or "/"
    name = cookie_name(request)
    return f"{name}={value}; Path={path}; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}"
