"""Settings: where each comes from, and what is refused."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from jobsched.errors import ConfigurationError
from jobsched.settings import ALIASES, PREFIX, Settings, shown_url, unknown_variables


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No variable and no `.env` but the test's own."""
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.delenv(PREFIX + field.upper(), raising=False)
    for alias in ALIASES.values():
        monkeypatch.delenv(alias, raising=False)


def dotenv(**variables: str) -> None:
    text = "".join(f"{name}={value}\n" for name, value in variables.items())
    Path(".env").write_text(f"{text}SOMETHING_OF_THE_HOST=1\n", "utf-8")


def missing(error: BaseException, words: list[str]) -> list[str]:
    """The words that the message ought to hold and does not."""
    return [word for word in words if word not in str(error)]


def test_the_defaults_are_good_for_production() -> None:
    """Without anything given, the documented values."""
    assert Settings().model_dump() == {
        "database_url": "sqlite:///jobsched.db",
        "enabled": True,
        "poll_interval": timedelta(seconds=5),
        "heartbeat_interval": timedelta(seconds=10),
        "lock_timeout": timedelta(seconds=60),
        "shutdown_grace": timedelta(seconds=30),
        "max_workers": 10,
        "environment": "production",
        "retention_days": 30,
        "auto_migrate": True,
        "table_prefix": "",
    }


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("database_url", "postgresql://db/shop", "postgresql://db/shop"),
        ("enabled", "false", False),
        ("enabled", "Off", False),
        ("enabled", "1", True),
        ("poll_interval", "2", timedelta(seconds=2)),
        ("poll_interval", "0.5", timedelta(milliseconds=500)),
        ("poll_interval", "500ms", timedelta(milliseconds=500)),
        ("heartbeat_interval", "15s", timedelta(seconds=15)),
        ("lock_timeout", "5m", timedelta(minutes=5)),
        ("shutdown_grace", "0", timedelta(0)),
        ("shutdown_grace", "1h", timedelta(hours=1)),
        ("max_workers", "3", 3),
        ("environment", "staging", "staging"),
        ("retention_days", "7", 7),
        ("auto_migrate", "no", False),
        ("table_prefix", "jobs_", "jobs_"),
    ],
)
def test_every_setting_has_a_variable(
    monkeypatch: pytest.MonkeyPatch, field: str, text: str, value: object
) -> None:
    """JOBSCHED_ and the name in capitals, in the environment and in `.env`."""
    variable = PREFIX + field.upper()
    dotenv(**{variable: text})
    assert getattr(Settings(), field) == value
    dotenv()
    monkeypatch.setenv(variable, text)
    assert getattr(Settings(), field) == value


@pytest.mark.parametrize(
    ("alias", "text", "field", "value"),
    [
        ("DATABASE_URL", "mysql://db/shop", "database_url", "mysql://db/shop"),
        ("SCHEDULE_DAEMON_ENABLED", "false", "enabled", False),
        ("SCHEDULE_POLL_INTERVAL_MS", "2500", "poll_interval", timedelta(seconds=2.5)),
        ("LOCK_TIMEOUT_MS", "30000", "lock_timeout", timedelta(seconds=30)),
    ],
)
def test_aliases_work_everywhere(
    monkeypatch: pytest.MonkeyPatch, alias: str, text: str, field: str, value: object
) -> None:
    """The names that hosts have already, with their units."""
    dotenv(**{alias: text})
    assert getattr(Settings(), field) == value
    dotenv()
    monkeypatch.setenv(alias, text)
    assert getattr(Settings(), field) == value


def test_keyword_then_variable_then_alias_then_dotenv(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nearer source wins: each one is taken away to see the next."""
    dotenv(JOBSCHED_POLL_INTERVAL="4", SCHEDULE_POLL_INTERVAL_MS="5000")
    monkeypatch.setenv("SCHEDULE_POLL_INTERVAL_MS", "3000")
    monkeypatch.setenv("JOBSCHED_POLL_INTERVAL", "2")
    seconds = [Settings(poll_interval=1).poll_interval, Settings().poll_interval]
    monkeypatch.delenv("JOBSCHED_POLL_INTERVAL")
    seconds.append(Settings().poll_interval)
    monkeypatch.delenv("SCHEDULE_POLL_INTERVAL_MS")
    seconds.append(Settings().poll_interval)
    dotenv(SCHEDULE_POLL_INTERVAL_MS="5000")
    seconds.append(Settings().poll_interval)
    assert seconds == [timedelta(seconds=n) for n in (1, 2, 3, 4, 5)]


def test_what_is_empty_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty variable, as `X=${X:-}` makes it, and a keyword None fall through."""
    dotenv(DATABASE_URL="sqlite:///other.db")
    monkeypatch.setenv("JOBSCHED_DATABASE_URL", "")
    monkeypatch.setenv("DATABASE_URL", "")
    assert Settings(database_url=None).database_url == "sqlite:///other.db"


def test_keywords_are_timedeltas_or_seconds() -> None:
    """Both ways to write a length of time mean the same."""
    assert Settings(lock_timeout=90) == Settings(lock_timeout=timedelta(minutes=1.5))


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("JOBSCHED_POLL_INTERVAL", "soon", ["'soon'", "seconds", "5m"]),
        ("JOBSCHED_POLL_INTERVAL", "0", ["'0'", "more than zero"]),
        ("JOBSCHED_POLL_INTERVAL", "-1", ["'-1'"]),
        ("JOBSCHED_POLL_INTERVAL", "9999999d", ["50 years"]),
        ("SCHEDULE_POLL_INTERVAL_MS", "5s", ["'5s'", "milliseconds"]),
        ("LOCK_TIMEOUT_MS", "0", ["'0'", "more than zero"]),
        ("JOBSCHED_ENABLED", "maybe", ["'maybe'", "true or false"]),
        ("SCHEDULE_DAEMON_ENABLED", "2", ["'2'", "true or false"]),
        ("JOBSCHED_MAX_WORKERS", "0", ["'0'", "1 or more"]),
        ("JOBSCHED_MAX_WORKERS", "ten", ["'ten'", "whole number"]),
        ("JOBSCHED_MAX_WORKERS", "1.5", ["'1.5'", "whole number"]),
        ("JOBSCHED_RETENTION_DAYS", "0", ["'0'", "1 or more"]),
        ("JOBSCHED_RETENTION_DAYS", "36501", ["36501", "at most 36500"]),
        ("JOBSCHED_ENVIRONMENT", " x", ["' x'", "blank"]),
        ("JOBSCHED_TABLE_PREFIX", "1-", ["'1-'", "letters"]),
        ("JOBSCHED_TABLE_PREFIX", "x" * 31, ["at most 30"]),
        ("JOBSCHED_DATABASE_URL", "jobs.db", ["sqlite:///jobs.db"]),
        ("DATABASE_URL", "nonsense", ["postgresql://"]),
    ],
)
def test_a_bad_variable_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, words: list[str]
) -> None:
    """With the name of the variable that it stands in, the value and what is allowed."""
    monkeypatch.setenv(variable, text)
    with pytest.raises(ConfigurationError) as caught:
        Settings()
    assert missing(caught.value, [f"{variable}=", *words]) == []


def test_a_bad_line_of_dotenv_is_refused() -> None:
    """The message says that it stands there."""
    dotenv(JOBSCHED_MAX_WORKERS="many")
    with pytest.raises(ConfigurationError) as caught:
        Settings()
    assert missing(caught.value, ["JOBSCHED_MAX_WORKERS", ".env", "'many'", "whole number"]) == []


@pytest.mark.parametrize(
    ("keywords", "words"),
    [
        ({"poll_interval": -1}, ["poll_interval=-1", "more than zero"]),
        ({"poll_interval": True}, ["poll_interval=True"]),
        ({"enabled": "perhaps"}, ["enabled='perhaps'", "true or false"]),
        ({"max_workers": True}, ["max_workers=True", "whole number"]),
        ({"database_url": 5}, ["database_url=", "text"]),
        ({"pol_interval": 1}, ["'pol_interval'", "did you mean 'poll_interval'?"]),
        (
            {"heartbeat_interval": 30},
            ["JOBSCHED_HEARTBEAT_INTERVAL (30 s)", "half of JOBSCHED_LOCK_TIMEOUT (60 s)"],
        ),
        ({"lock_timeout": 20}, ["JOBSCHED_HEARTBEAT_INTERVAL (10 s)", "half"]),
        (
            {"poll_interval": 60},
            ["JOBSCHED_POLL_INTERVAL (60 s)", "below JOBSCHED_LOCK_TIMEOUT (60 s)"],
        ),
        ({"max_workers": 0, "retention_days": 0}, ["max_workers=0", "retention_days=0"]),
    ],
)
def test_bad_keywords_are_refused(keywords: dict[str, Any], words: list[str]) -> None:
    """By name; settings that contradict each other are named both, with their values."""
    with pytest.raises(ConfigurationError) as caught:
        Settings(**keywords)
    assert missing(caught.value, words) == []


SECRET = "hunter2"  # a test's
URLS = [
    f"postgresql://shop:{SECRET}@db:5432/shop",
    f"postgresql://db/shop?user=shop&password={SECRET}",
    f"mysql://:{SECRET}@db/shop",
]


@pytest.mark.parametrize("url", URLS)
def test_a_password_is_never_shown(url: str) -> None:
    """Neither repr nor str of the settings holds it; the attribute does, for connecting."""
    settings = Settings(database_url=url)
    assert settings.database_url == url
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings)
    assert "db" in repr(settings)


@pytest.mark.parametrize(
    "url",
    [f"post gres://shop:{SECRET}@db/shop", f"postgresql://shop:{SECRET}@db:port/shop", SECRET],
)
def test_a_refused_url_keeps_its_secret(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A URL that cannot be read is named by its variable, and shown without what may be secret;
    nor does the error carry it as its cause."""
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(ConfigurationError) as caught:
        Settings()
    assert "DATABASE_URL=" in str(caught.value)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert SECRET not in str(caught.value.__context__)


def test_an_error_elsewhere_keeps_the_secret_too() -> None:
    """What is said of other settings never shows the URL's password."""
    with pytest.raises(ConfigurationError) as caught:
        Settings(database_url=URLS[0], heartbeat_interval=60)
    assert SECRET not in str(caught.value)
    assert SECRET not in str(caught.value.__context__)


def test_a_shown_url_says_where_the_database_is() -> None:
    """Host and name stay, the password is stars."""
    assert shown_url(URLS[0]) == "postgresql://shop:***@db:5432/shop"
    assert shown_url("sqlite:///jobs.db") == "sqlite:///jobs.db"


def test_settings_cannot_be_changed() -> None:
    """A running daemon's settings stay what it was started with."""
    with pytest.raises(ValueError, match="frozen"):
        Settings().max_workers = 5


def test_a_variable_that_is_no_setting_is_told_of() -> None:
    """What begins as ours and is not known says so, with the setting that may have been meant."""
    ours = [PREFIX + field.upper() for field in Settings.model_fields]
    known = [*ours, "jobsched_max_workers", "JOBSCHED_APP", "JOBSCHED_FAILPOINTS", "PATH"]
    assert unknown_variables([*known, "JOBSCHED_MAX_WORKER", "JOBSCHED_XYZ"]) == {
        "JOBSCHED_MAX_WORKER": "JOBSCHED_MAX_WORKER is no setting, and does nothing; did you mean "
        "'JOBSCHED_MAX_WORKERS'?",
        "JOBSCHED_XYZ": "JOBSCHED_XYZ is no setting, and does nothing",
    }
