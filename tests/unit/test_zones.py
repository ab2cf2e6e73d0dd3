"""Zones by name, and what is said of names that are none."""

import re
from zoneinfo import ZoneInfo, available_timezones

import pytest

from jobsched.errors import DeclarationError
from jobsched.windows_zones import IANA_BY_WINDOWS_NAME
from jobsched.zones import zone


def refusal(name: object) -> str:
    with pytest.raises(DeclarationError) as caught:
        zone(name)  # type: ignore[arg-type]  # also what a type checker would refuse
    return str(caught.value)


@pytest.mark.parametrize(
    "name", ["UTC", "Europe/Oslo", "America/Argentina/Ushuaia", "CET", "EST", "Etc/GMT+3", "GMT"]
)
def test_iana_keys_are_zones(name: str) -> None:
    """Every IANA key is accepted, with the old abbreviations among them."""
    assert zone(name) is ZoneInfo(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Mars/Olympus",
        "../x",
        "/etc/localtime",
        "America",
        "tzdata.zi",
        "a\0b",
        "\ud800",
        "x" * 5000,
        "Europe/Oslo/",
        " ",
        "H",
        None,
        5,
        ZoneInfo("UTC"),
        ["UTC"],
    ],
)
def test_anything_else_is_refused(name: object) -> None:
    """However ZoneInfo takes a bad key, it is a DeclarationError that quotes it and helps."""
    message = refusal(name)
    assert message.startswith(f"timezone {repr(name)[:100]}: not an IANA zone; ")
    assert len(message) < 400


@pytest.mark.parametrize("name", ["localtime", "posixrules", "right/Europe/Oslo", "posix/UTC"])
def test_zones_of_one_machine_are_refused(name: str) -> None:
    """What each machine defines for itself, or counts leap seconds, is no schedule's zone."""
    assert "not an IANA zone" in refusal(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("W. Europe Standard Time", "Windows' name for 'Europe/Berlin'"),
        ("pacific standard time", "Windows' name for 'America/Los_Angeles'"),
        ("India Standard Time", "'Asia/Kolkata'"),
        ("GMT Standard Time", "'Europe/London'"),
        ("europe/oslo", "did you mean 'Europe/Oslo'?"),
        ("Europe/Olso", "did you mean 'Europe/Oslo'?"),
        ("Oslo", "did you mean 'Europe/Oslo'?"),
        ("New York", "did you mean 'America/New_York'?"),
        ("america/new-york", "did you mean 'America/New_York'?"),
        ("Europe", "an area of zones; add the place, such as 'Europe/"),
        ("PST", "did you mean 'America/Los_Angeles'?"),
        ("CEST", "did you mean 'Europe/Paris'?"),
        ("UTC+2", "write 'Etc/GMT-2'"),
        ("GMT-03:00", "write 'Etc/GMT+3'"),
        ("+05:30", "an offset has no rules for summer time"),
        ("UTC+99", "an offset has no rules for summer time"),
        ("Z", "did you mean 'UTC'?"),
        ("Mars/Olympus", "such as 'Europe/Oslo'"),
    ],
)
def test_the_name_that_was_meant(name: str, hint: str) -> None:
    """Windows' names, offsets, abbreviations and misspellings lead to the key to write."""
    assert hint in refusal(name)


def test_every_windows_zone_leads_to_a_zone() -> None:
    """All keys of the Windows table exist, so that a hint can be followed."""
    assert len(IANA_BY_WINDOWS_NAME) > 100
    assert set(IANA_BY_WINDOWS_NAME.values()) <= available_timezones()
    for name in IANA_BY_WINDOWS_NAME:
        assert "this is Windows' name" in refusal(name)


def test_offsets_keep_their_sign() -> None:
    """The Etc key of a hint has the offset that was asked for, though its sign is reversed."""
    for hours in range(1, 13):
        suggested = re.search("Etc/[^']+", refusal(f"UTC+{hours}"))
        assert suggested is not None
        offset = ZoneInfo(suggested[0]).utcoffset(None)
        assert offset is not None
        assert offset.total_seconds() == hours * 3600
