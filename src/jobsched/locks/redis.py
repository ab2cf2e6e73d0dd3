"""Locks in Redis: one key for each lock, whose value is the owner."""

import inspect
from datetime import timedelta
from typing import Any

from jobsched.errors import ConfigurationError
from jobsched.locks.backend import LockUnavailableError, milliseconds

try:
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry
except ModuleNotFoundError as missing:
    raise ConfigurationError(
        "RedisLock needs the redis package, which is not installed: pip install 'jobsched[redis]'"
    ) from missing


class RedisLock:
    """Locks in one Redis server (or Valkey, or a cluster), seen by all that use that server.

    The key `jobsched:lock:schedule:<id>` holds the owner as plain text, so other systems can look
    at it, or take it by the same rule: `SET key owner NX PX milliseconds`. Renewing and releasing
    compare the owner inside the server, by Lua scripts that are loaded once and loaded again when
    the server has lost them.

    Redis may forget a lock: after a crash, a failover or FLUSHALL the next owner gets it, and the
    old one's `renew` is False. jobsched does not rely on it (see `jobsched.locks`).
    """

    def __init__(
        self,
        server: "str | redis.Redis",
        *,
        prefix: str = "jobsched:lock:",
        timeout: timedelta = timedelta(seconds=1),
    ) -> None:
        """Use the server at a URL (`redis://`, `rediss://`, `unix://`), or a client of the host's.

        Connects at the first use. `timeout` bounds connecting and each answer, and applies to a
        URL; a client keeps its own timeouts, which should be short, and is not closed by us.

        Raises ConfigurationError for a URL that cannot be read and for an asynchronous client.
        """
        self._ours = isinstance(server, str)
        self._client = _client_for(server, timeout) if isinstance(server, str) else server
        _refuse_asynchronous(self._client)
        self._place = _place(self._client)
        self._prefix = prefix
        self._acquire = self._client.register_script(_ACQUIRE)
        self._renew = self._client.register_script(_RENEW)
        self._release = self._client.register_script(_RELEASE)

    def acquire(self, key: str, owner: str, ttl: timedelta) -> bool:
        """True when `owner` holds the lock now; see `LockBackend.acquire`."""
        return self._run(self._acquire, key, owner, milliseconds(ttl))

    def renew(self, key: str, owner: str, ttl: timedelta) -> bool:
        """True when `owner` still held the lock; see `LockBackend.renew`."""
        return self._run(self._renew, key, owner, milliseconds(ttl))

    def release(self, key: str, owner: str) -> None:
        """Give the lock up when `owner` holds it; see `LockBackend.release`."""
        self._run(self._release, key, owner)

    def close(self) -> None:
        """Close the connections to a URL; locks that are held stay until their ttl."""
        if self._ours:
            self._client.close()

    def _run(self, script: Any, key: str, *arguments: str | int) -> bool:
        try:
            return bool(script(keys=[self._prefix + key], args=arguments))
        except (redis.RedisError, OSError) as error:
            raise LockUnavailableError(
                f"Redis at {self._place} gave no answer about the lock {key!r}: {error}"
            ) from error


# SET ... NX alone would refuse the holder, whose first answer may have been lost on the way.
_ACQUIRE = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
    return 1
elseif redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
"""

_RENEW = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0
"""

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
"""


def _client_for(url: str, timeout: timedelta) -> "redis.Redis":
    seconds = timeout.total_seconds()
    # One more try finds out that a pooled connection died with its server. A timeout is not
    # tried again: the daemon would wait twice.
    once_more = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    try:
        return redis.Redis.from_url(
            url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=once_more
        )
    except ValueError as error:
        raise ConfigurationError(
            "the URL of RedisLock cannot be read; write redis://host:6379/0, rediss:// for TLS, "
            "or unix:///path/to/socket"
        ) from error


def _refuse_asynchronous(client: object) -> None:
    if inspect.iscoroutinefunction(getattr(client, "execute_command", None)):
        raise ConfigurationError(
            f"{type(client).__module__}.{type(client).__name__} is asynchronous; "
            "give RedisLock a redis.Redis or a URL"
        )


def _place(client: Any) -> str:
    """Where the server is, for messages: without the user and password that a URL may hold."""
    pool = getattr(client, "connection_pool", None)
    settings = getattr(pool, "connection_kwargs", {})
    if "path" in settings:
        return str(settings["path"])
    if "host" in settings:
        return f"{settings['host']}:{settings.get('port', 6379)}"
    return type(client).__name__
