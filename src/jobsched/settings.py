"""Settings: from keywords, the environment and `.env`, in this order.

Each setting has a variable, JOBSCHED_ and its name in capitals; some have a second one, the alias
that other programs use. JOBSCHED_* goes before the alias, and the environment before `.env`. An
empty variable is as good as none.
"""

import os
import re
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Self

import sqlalchemy as sa
from pydantic import BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from jobsched.durations import Duration, parse_duration, parse_duration_text
from jobsched.errors import ConfigurationError
from jobsched.values import LONGEST_RETENTION_DAYS, did_you_mean, parse_name

PREFIX = "JOBSCHED_"
ALIASES = {
    "database_url": "DATABASE_URL",
    "enabled": "SCHEDULE_DAEMON_ENABLED",
    "poll_interval": "SCHEDULE_POLL_INTERVAL_MS",
    "lock_timeout": "LOCK_TIMEOUT_MS",
}
"""The second variable of a setting; one that ends in _MS counts milliseconds."""
_NO_SETTINGS = frozenset({"APP", "FAILPOINTS"})
"""What variables of ours are called that others read: the command line, tests of reliability."""

_TABLE_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,29}|")


def _duration(*, zero: bool = False) -> BeforeValidator:
    def parse(value: object) -> timedelta:
        if isinstance(value, str):
            return parse_duration_text(value, zero=zero)
        return parse_duration(value, zero=zero)

    return BeforeValidator(parse)


def _count(at_most: int) -> BeforeValidator:
    def parse(value: object) -> int:
        text = str(value).strip()
        is_number = not isinstance(value, bool) and re.fullmatch(r"[0-9]{1,9}", text)
        if not is_number or not 1 <= int(text) <= at_most:
            raise ValueError(f"must be a whole number, 1 or more, at most {at_most}")
        return int(text)

    return BeforeValidator(parse)


def _flag(value: object) -> bool:
    known = {"true": True, "yes": True, "on": True, "1": True}
    known |= {"false": False, "no": False, "off": False, "0": False}
    try:
        return known[str(value).strip().lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


def _url(value: object) -> str:
    hint = "must be a database URL, as sqlite:///jobs.db or postgresql://user@host/database"
    if not isinstance(value, str):
        raise ValueError(f"{hint}; give a text")
    try:
        sa.make_url(value)
    except (sa.exc.ArgumentError, ValueError):
        raise ValueError(hint) from None
    return value


def _table_prefix(value: object) -> str:
    if not isinstance(value, str) or not _TABLE_PREFIX.fullmatch(value):
        raise ValueError("must be letters a-z, digits and _, at most 30, and begin with no digit")
    return value


Flag = Annotated[bool, BeforeValidator(_flag)]
Length = Annotated[timedelta, _duration()]


class Settings(BaseSettings):
    """How a daemon works: keyword, else variable, else alias, else `.env`, else default.

    Lengths of time are seconds or timedeltas as keywords; as variables also `500ms`, `30s`, `5m`,
    `1h`. A keyword that is None is as good as none. Raises ConfigurationError that names the
    keyword or variable, its value (never a password) and what is allowed.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",  # a host's .env is full of other variables
        frozen=True,
        hide_input_in_errors=True,
        validate_default=False,
    )

    database_url: Annotated[str, BeforeValidator(_url)] = Field("sqlite:///jobsched.db", repr=False)
    """Where the tables are, as SQLAlchemy writes it; also from DATABASE_URL."""
    enabled: Flag = True
    """Whether `run` starts the daemon; also from SCHEDULE_DAEMON_ENABLED."""
    poll_interval: Length = timedelta(seconds=5)
    """How long the loop sleeps at most; also from SCHEDULE_POLL_INTERVAL_MS, in milliseconds."""
    heartbeat_interval: Length = timedelta(seconds=10)
    """How often a worker says that it is alive; below half of the lock timeout."""
    lock_timeout: Length = timedelta(seconds=60)
    """A worker without a heartbeat for so long is lost; also from LOCK_TIMEOUT_MS."""
    shutdown_grace: Annotated[timedelta, _duration(zero=True)] = timedelta(seconds=30)
    """How long running jobs may take to end when the daemon is told to stop."""
    max_workers: Annotated[int, _count(10**9 - 1)] = 10
    """How many jobs run at once in one daemon."""
    environment: Annotated[str, BeforeValidator(parse_name)] = "production"
    """Which schedules fire here, of those that name environments."""
    retention_days: Annotated[int, _count(LONGEST_RETENTION_DAYS)] = 30
    """How many days the history of ended firings is kept."""
    auto_migrate: Flag = True
    """Whether the tables are created and upgraded at start."""
    table_prefix: Annotated[str, BeforeValidator(_table_prefix)] = ""
    """What goes before the name of every table and index."""

    if TYPE_CHECKING:  # what may be given is wider than what the fields are then

        def __init__(
            self,
            *,
            database_url: str | None = ...,
            enabled: bool | None = ...,
            poll_interval: Duration | None = ...,
            heartbeat_interval: Duration | None = ...,
            lock_timeout: Duration | None = ...,
            shutdown_grace: Duration | None = ...,
            max_workers: int | None = ...,
            environment: str | None = ...,
            retention_days: int | None = ...,
            auto_migrate: bool | None = ...,
            table_prefix: str | None = ...,
        ) -> None: ...

    else:

        def __init__(self, **keywords):
            for name in keywords:
                if name not in type(self).model_fields:
                    guess = did_you_mean(name, type(self).model_fields)
                    raise ConfigurationError(f"no setting is called {name!r}{guess}")
            given = {name: value for name, value in keywords.items() if value is not None}
            try:
                super().__init__(**given)
            except ValidationError as error:
                said = "; ".join(_said(one, given) for one in error.errors(include_url=False))
                raise ConfigurationError(said) from None

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Keyword, then variable and alias of the environment, then the same of `.env`."""
        return (
            init_settings,
            env_settings,
            _AliasSource(env_settings),
            dotenv_settings,
            _AliasSource(dotenv_settings),
        )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.heartbeat_interval >= self.lock_timeout / 2:
            raise ValueError(
                f"{_seconds('heartbeat_interval', self.heartbeat_interval)} must be below half of "
                f"{_seconds('lock_timeout', self.lock_timeout)}, so that one late heartbeat does "
                "not lose a worker"
            )
        if self.poll_interval >= self.lock_timeout:
            raise ValueError(
                f"{_seconds('poll_interval', self.poll_interval)} must be below "
                f"{_seconds('lock_timeout', self.lock_timeout)}"
            )
        return self

    def __repr_args__(self) -> Any:
        yield "database_url", shown_url(self.database_url)
        yield from super().__repr_args__()


class _AliasSource(PydanticBaseSettingsSource):
    """The aliases among the variables that another source has read."""

    def __init__(self, source: PydanticBaseSettingsSource) -> None:
        super().__init__(source.settings_cls)
        self._variables = source.env_vars if isinstance(source, EnvSettingsSource) else {}

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        alias = ALIASES.get(field_name, "")
        text = self._variables.get(alias.lower()) or None
        if text is not None and alias.endswith("_MS"):
            text = f"{text.strip()}ms"
        return text, field_name, False

    def __call__(self) -> dict[str, Any]:
        values = {name: self.get_field_value(None, name)[0] for name in ALIASES}
        return {name: value for name, value in values.items() if value is not None}


def unknown_variables(names: Iterable[str]) -> dict[str, str]:
    """The variables that look like settings and are none; each with a sentence that says so."""
    known = {field.upper() for field in Settings.model_fields}
    said = {}
    for name in sorted(names):
        prefix, setting = name[: len(PREFIX)].upper(), name[len(PREFIX) :].upper()
        if prefix == PREFIX and setting not in known | _NO_SETTINGS:
            guess = did_you_mean(setting, known, prefix=PREFIX)
            said[name] = f"{name} is no setting, and does nothing{guess}"
    return said


def shown_url(url: str) -> str:
    """A database URL as anybody may see it: without password and query."""
    try:
        return sa.make_url(url).set(query={}).render_as_string(hide_password=True)
    except (sa.exc.ArgumentError, ValueError):
        return f"{url.partition(':')[0]}:..." if ":" in url else "..."


def _seconds(name: str, length: timedelta) -> str:
    return f"{PREFIX}{name.upper()} ({length.total_seconds():g} s)"


def _said(error: ErrorDetails, given: dict[str, Any]) -> str:
    reason = str(error.get("ctx", {}).get("error", error["msg"]))
    if not error["loc"]:
        return reason
    field = str(error["loc"][0])
    name, value = _origin(field, given, error["input"])
    if name.endswith("_MS") and not str(value).strip().isdigit():
        reason = "must be a number of milliseconds, as 5000"
    shown = shown_url(str(value)) if field == "database_url" else value
    return f"{name}={shown!r}: {reason}"


def _origin(field: str, given: dict[str, Any], value: Any) -> tuple[str, Any]:
    """Where a value comes from, and as it stands there."""
    if field in given:
        return field, value
    variable, alias = PREFIX + field.upper(), ALIASES.get(field, "")
    environment = {name.upper(): text for name, text in os.environ.items()}
    for name in (variable, alias):
        if environment.get(name):
            return name, environment[name]
    return f"{variable} (in .env{', or ' + alias if alias else ''})", value
