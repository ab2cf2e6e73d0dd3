"""Who is let in. There is no default: a host says it, with one of these or with its own login.

`access=` is a callable that gets the host framework's own request (`flask.request`, FastAPI's
`Request`, the WSGI environ, the ASGI scope) and returns an `Actor`, or None to refuse; under ASGI
it may be async. Those made here look at the request as the core knows it.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from jobsched.admin.permissions import EVERYTHING, LONGEST_ACTOR, READ_ONLY, Actor, Permission
from jobsched.admin.request import Request
from jobsched.errors import ConfigurationError
from jobsched.fixed import fixed

__all__ = [
    "EVERYTHING",
    "READ_ONLY",
    "Access",
    "Actor",
    "Permission",
    "basic_auth",
    "bearer_tokens",
    "local_only",
    "remote_user",
]

SHORTEST_TOKEN = 16

Access = Callable[[Any], Actor | Awaitable[Actor | None] | None]
"""What a host may give as `access=`."""


class ReadyMade(ABC):
    """An access of ours, which looks at the core's request."""

    challenge: str | None = None
    """The `WWW-Authenticate` of a 401."""

    @abstractmethod
    def __call__(self, request: Request) -> Actor | None:
        """Who it is, or None."""


def bearer_tokens(tokens: Mapping[str, str | Actor]) -> "BearerTokens":
    """Let in who sends `Authorization: Bearer <token>`; the pages offer a form to sign in.

    `tokens` gives each token its owner: an `Actor`, or a name alone, which may do everything.
    They are kept hashed. Raises ConfigurationError for a token of fewer than 16 characters.
    """
    return BearerTokens(tokens)


def basic_auth(users: Mapping[tuple[str, str], Actor] | Mapping[str, str]) -> "BasicAuth":
    """Let in by HTTP Basic authentication: `{"kari": "her password"}`, who may do everything.

    `{("kari", "her password"): Actor("kari", READ_ONLY)}` says what each may do. Use it over
    HTTPS only. Raises ConfigurationError for an empty password.
    """
    return BasicAuth(users)


def local_only(name: str = "local") -> "LocalOnly":
    """Let in who connects from this machine, to do everything; for development.

    Refused are requests that a proxy has forwarded, and those for another host's name, which a
    page of another site can make a browser send (DNS rebinding).
    """
    return LocalOnly(name)


def remote_user(
    *,
    header: str | None = None,
    proxies: Iterable[str] = ("127.0.0.1", "::1"),
    permissions: Iterable[Permission | str] | Callable[[str], Iterable[Permission | str]] = (
        EVERYTHING
    ),
) -> "RemoteUser":
    """Let in whom the server in front has signed in: WSGI's `REMOTE_USER`, or a header.

    A `header` such as `X-Remote-User` is believed only of a peer in `proxies` (addresses or
    networks); see that the server takes it out of what clients send. `permissions` are for all,
    or a function of the name.
    """
    return RemoteUser(header, proxies, permissions)


# How they look


@fixed
class _Owner:
    actor: Actor
    cookie_key: bytes


class BearerTokens(ReadyMade):
    """See `bearer_tokens`."""

    challenge = "Bearer"

    def __init__(self, tokens: Mapping[str, str | Actor]) -> None:
        if not tokens:
            raise ConfigurationError("bearer_tokens({}): give at least one token and its owner")
        self._owners: dict[bytes, _Owner] = {}
        for token, owner in tokens.items():
            if len(token) < SHORTEST_TOKEN:
                raise ConfigurationError(
                    f"bearer_tokens: a token of {len(token)} characters can be guessed; make one "
                    "with `python -c 'import secrets; print(secrets.token_urlsafe())'`"
                )
            actor = Actor(owner, EVERYTHING) if isinstance(owner, str) else owner
            key = hashlib.sha256(b"jobsched session\x00" + token.encode()).digest()
            self._owners[_digest(token)] = _Owner(actor, key)
        self._codes: dict[bytes, bytes] = {}

    def __call__(self, request: Request) -> Actor | None:
        """Whose token it is."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        owner = self._owner_of(token.strip())
        return owner[1].actor if owner else None

    def _owner_of(self, token: str) -> tuple[bytes, _Owner] | None:
        given = _digest(token)
        found = None
        for digest, owner in self._owners.items():  # all of them: the time says nothing
            if hmac.compare_digest(digest, given):
                found = digest, owner
        return found

    # A session: what the cookie of somebody who signed in by the form says

    def session(self, token: str, until: int) -> str | None:
        """A cookie's value for the owner of this token, good until then (Unix time)."""
        owner = self._owner_of(token)
        return None if owner is None else self._signed(*owner, until)

    def actor_of_session(self, value: str, now: float) -> Actor | None:
        """Who signed in with it, unless it has run out, was forged, or the token is gone."""
        fingerprint, _, rest = value.partition(".")
        until, _, _signature = rest.partition(".")
        if not until.isascii() or not until.isdigit() or len(until) > 12 or int(until) < now:
            return None
        for digest, owner in self._owners.items():
            if fingerprint == digest.hex()[:16]:
                expected = self._signed(digest, owner, int(until))
                return owner.actor if hmac.compare_digest(expected, value) else None
        return None

    def _signed(self, digest: bytes, owner: _Owner, until: int) -> str:
        signature = hmac.new(owner.cookie_key, str(until).encode(), hashlib.sha256).hexdigest()
        return f"{digest.hex()[:16]}.{until}.{signature}"

    # A code that can be put in a link, for it is good once

    def one_time_code(self, token: str) -> str:
        """A code that signs in the owner of this token, once, in this process."""
        owner = self._owner_of(token)
        if owner is None:
            raise ConfigurationError("one_time_code: this token is not among those let in")
        code = secrets.token_urlsafe(24)
        self._codes[_digest(code)] = owner[0]
        return code

    def session_of_code(self, code: str, until: int) -> str | None:
        """A cookie's value for whom the code was made; it is good no more."""
        digest = self._codes.pop(_digest(code), None)
        return None if digest is None else self._signed(digest, self._owners[digest], until)


class BasicAuth(ReadyMade):
    """See `basic_auth`."""

    challenge = 'Basic realm="jobsched", charset="UTF-8"'

    def __init__(self, users: Mapping[tuple[str, str], Actor] | Mapping[str, str]) -> None:
        if not users:
            raise ConfigurationError("basic_auth({}): give at least one user and password")
        self._actors: dict[bytes, Actor] = {}
        for key, value in users.items():
            if isinstance(key, tuple) and isinstance(value, Actor):
                (name, password), actor = key, value
            elif isinstance(key, str) and isinstance(value, str):
                name, password, actor = key, value, Actor(key, EVERYTHING)
            else:
                raise ConfigurationError(
                    "basic_auth: write {'kari': 'password'} or {('kari', 'password'): Actor(…)}"
                )
            if not password:
                raise ConfigurationError(f"basic_auth: the password of {name!r} is empty")
            self._actors[_digest(f"{name}:{password}")] = actor

    def __call__(self, request: Request) -> Actor | None:
        """Whose name and password they are."""
        scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic":
            return None
        try:
            given = _digest(base64.b64decode(encoded.strip(), validate=True).decode("utf-8"))
        except (binascii.Error, UnicodeDecodeError):
            return None
        found = None
        for digest, actor in self._actors.items():
            if hmac.compare_digest(digest, given):
                found = actor
        return found


_FORWARDED = ("forwarded", "via", "x-real-ip", "x-client-ip", "cf-connecting-ip")
_LOCAL_HOST = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::[0-9]+)?", re.IGNORECASE)


class LocalOnly(ReadyMade):
    """See `local_only`."""

    def __init__(self, name: str) -> None:
        self._actor = Actor(name, EVERYTHING)

    def __call__(self, request: Request) -> Actor | None:
        """Somebody at this machine, unless a proxy stands between."""
        headers = request.headers
        if any(name in _FORWARDED or name.startswith("x-forwarded-") for name in headers):
            return None
        if not _LOCAL_HOST.fullmatch(headers.get("host", "")):
            return None
        return self._actor if _is_loopback(request.peer) else None


class RemoteUser(ReadyMade):
    """See `remote_user`."""

    def __init__(
        self,
        header: str | None,
        proxies: Iterable[str],
        permissions: Iterable[Permission | str] | Callable[[str], Iterable[Permission | str]],
    ) -> None:
        self._header = header.lower() if header else None
        try:
            self._proxies = [ipaddress.ip_network(one) for one in proxies]
        except ValueError as error:
            raise ConfigurationError(f"remote_user(proxies=…): {error}") from error
        self._permissions = permissions

    def __call__(self, request: Request) -> Actor | None:
        """Whom the server in front has signed in."""
        name = request.user if self._header is None else self._of_header(request)
        if not name or len(name) > LONGEST_ACTOR or not name.isprintable():
            return None
        given = self._permissions
        return Actor(name, given(name) if callable(given) else given)

    def _of_header(self, request: Request) -> str | None:
        address = _address(request.peer)
        if address is None or not any(address in network for network in self._proxies):
            return None
        return request.headers.get(self._header or "")


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _address(peer: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(peer or "")
    except ValueError:
        return None


def _is_loopback(peer: str | None) -> bool:
    address = _address(peer)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped.is_loopback
    return address is not None and address.is_loopback
