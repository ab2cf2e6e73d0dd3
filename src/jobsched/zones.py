"""Time zones by name: the IANA's keys, and help for those who know them by another name."""

import difflib
import re
from datetime import timedelta
from zoneinfo import ZoneInfo, available_timezones

from jobsched.errors import DeclarationError
from jobsched.windows_zones import IANA_BY_WINDOWS_NAME

EXAMPLES = "such as 'Europe/Oslo', 'America/New_York' or 'UTC'"

LONGEST_QUOTE = 100
"""Characters of a name that a message quotes."""

_OF_THE_MACHINE = re.compile(r"(localtime|posixrules)$|(posix|right)/")


def zone(name: str) -> ZoneInfo:
    """The zone of an IANA key, such as `Europe/Oslo`.

    Raises DeclarationError, a ValueError, for anything else, with the key that was probably meant:
    for Windows' zone names, offsets such as `UTC+2`, abbreviations and misspellings. Names that
    stand for another zone on another machine (`localtime`) are refused too.
    """
    if _is_portable(name):
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            pass  # how ZoneInfo refuses depends on where it looked
    raise DeclarationError(
        f"timezone {repr(name)[:LONGEST_QUOTE]}: not an IANA zone; {_hint(name)}"
    )


def _is_portable(name: object) -> bool:
    """Whether a name means the same on every machine, and its clock does not count leap seconds."""
    return isinstance(name, str) and not _OF_THE_MACHINE.match(name)


def _hint(name: object) -> str:
    if not isinstance(name, str):
        return f"give its name as a text, {EXAMPLES}"
    wanted = name.strip().casefold()
    if windows := _WINDOWS.get(wanted):
        return f"this is Windows' name for {windows!r}"
    if offset := re.fullmatch(r"(?:utc|gmt)?([+-])(\d{1,2})(?::?(\d\d))?", wanted):
        return _offset_hint(offset[1], timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0)))
    if place := _ABBREVIATIONS.get(wanted):
        return f"abbreviations are not unique; did you mean {place!r}?"
    keys = sorted(key for key in available_timezones() if _is_portable(key))
    if area := [key for key in keys if key.casefold().startswith(f"{wanted}/")]:
        return f"this is an area of zones; add the place, such as {area[0]!r}"
    if close := _close_key(wanted, keys):
        return f"did you mean {close!r}?"
    return f"name a place in the zone, {EXAMPLES}"


def _offset_hint(sign: str, offset: timedelta) -> str:
    hours, rest = divmod(offset, timedelta(hours=1))
    reversed_sign = "-" if sign == "+" else "+"
    key = f"Etc/GMT{reversed_sign}{hours}"
    if rest or key not in available_timezones():
        return f"an offset has no rules for summer time; name a place in the zone, {EXAMPLES}"
    return f"for that offset all year write {key!r} (its sign is reversed), else name a place"


def _close_key(wanted: str, keys: list[str]) -> str | None:
    """The key that is spelt most like `wanted`, or that ends in such a city."""
    by_spelling = {key.rpartition("/")[2].casefold(): key for key in reversed(keys)}
    by_spelling |= {key.casefold(): key for key in keys}
    close = difflib.get_close_matches(wanted.replace(" ", "_")[:100], by_spelling, n=1, cutoff=0.75)
    return by_spelling[close[0]] if close else None


_WINDOWS = {name.casefold(): key for name, key in IANA_BY_WINDOWS_NAME.items()}

_ABBREVIATIONS = {
    "aest": "Australia/Sydney",
    "akst": "America/Anchorage",
    "bst": "Europe/London",
    "cdt": "America/Chicago",
    "cest": "Europe/Paris",
    "cst": "America/Chicago",
    "edt": "America/New_York",
    "eest": "Europe/Athens",
    "hkt": "Asia/Hong_Kong",
    "ist": "Asia/Kolkata",
    "jst": "Asia/Tokyo",
    "kst": "Asia/Seoul",
    "mdt": "America/Denver",
    "msk": "Europe/Moscow",
    "nzst": "Pacific/Auckland",
    "pdt": "America/Los_Angeles",
    "pst": "America/Los_Angeles",
    "sgt": "Asia/Singapore",
    "west": "Europe/Lisbon",
    "z": "UTC",
}
"""Abbreviations that are no keys, each with the place that most people mean by it."""
