"""What is said to a person whose expression is refused: what would be right instead.

Most refused expressions are right elsewhere (crontab, Quartz, AWS, Jenkins, robfig's cron), so
each of their forms is known here by sight, and answered with the way to say it in jobsched.
"""

import difflib
import re
import unicodedata
from datetime import timedelta

from jobsched.cron.fields import (
    ALL_FIELDS,
    DAY,
    MONTH,
    MONTHS,
    WEEKDAY,
    WEEKDAYS,
    YEAR,
    Field,
    FieldError,
)
from jobsched.errors import DeclarationError

ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}

_DATE_NAMES = {field.name for field in (DAY, MONTH, WEEKDAY, YEAR)}

LONGEST_QUOTE = 200
"""Characters of a value that a message quotes."""

FORMS = (
    "5 fields (minute hour day-of-month month day-of-week), 6 (second first) "
    "or 7 (second first, year last)"
)


def refuse(expression: object, reason: str) -> DeclarationError:
    """The error for an expression as a whole."""
    return DeclarationError(f"cron {_quoted(expression)}: {reason}")


def _quoted(value: object) -> str:
    quoted = repr(value)
    return quoted if len(quoted) <= LONGEST_QUOTE else f"{quoted[:LONGEST_QUOTE]}..."


def refuse_field(expression: str, texts: list[str], error: FieldError) -> DeclarationError:
    """The error for one of the fields `texts` that make up the expression."""
    field, item = error.field, error.item
    text = _by_name(texts)[field.name]
    where = f"{field.name} {_quoted(text)}" + (
        f", at {_quoted(item)}" if item not in {"", text.lower()} else ""
    )
    said = [error.reason, _hint(field, item)]
    reason = "; ".join(part for part in said if part) or "neither a value, a step nor a range"
    allowed = f"allowed are {field.allowed}, in lists, ranges and steps"
    return refuse(expression, f"{where}: {reason}; {allowed}{_convention(texts)}")


def refuse_impossible(expression: str, texts: list[str]) -> DeclarationError:
    """The error for an expression that no date matches."""
    dates = {name: text for name, text in _by_name(texts).items() if name in _DATE_NAMES}
    fields = ", ".join(f"{name} {text!r}" for name, text in dates.items())
    late = re.search(r"29|3[01]", dates[DAY.name])
    hint = "; a month's last day is L in day-of-month" if late else ""
    said = f"{fields}: no date from 1970 to 2099 matches, so it would never run"
    return refuse(expression, said + hint + _convention(texts))


def _by_name(texts: list[str]) -> dict[str, str]:
    fields = ALL_FIELDS[1:] if len(texts) == 5 else ALL_FIELDS
    return {field.name: text for field, text in zip(fields, texts, strict=False)}


def refuse_count(expression: str, count: int) -> DeclarationError:
    """The error for a wrong number of fields."""
    hint = "; the command of a crontab line does not belong here" if count > 7 else ""
    return refuse(expression, f"{count} fields; needed are {FORMS}{hint}")


def foreign_form(text: str) -> str | None:
    """Why an expression of a form that jobsched does not have is refused, or None."""
    if bad := next((char for char in text if not _is_plain(char)), None):
        name = unicodedata.name(bad, f"U+{ord(bad):04X}")
        return f"it contains {bad!r} ({name}); only ASCII is allowed, spaces or tabs between fields"
    if zone := re.match(r"(CRON_TZ|TZ)=(\S*)\s*(.*)", text, re.IGNORECASE):
        return f"a zone is not part of it: write cron={zone[3]!r}, timezone={zone[2]!r}"
    if call := re.fullmatch(r"(cron|rate|at)\s*\((.*)\)", text, re.IGNORECASE):
        return _aws(call[1].lower(), call[2].strip())
    return _alias(text.lower()) if text.startswith("@") else None


def _is_plain(char: str) -> bool:
    return char == "\t" or (char.isascii() and char.isprintable())


def _alias(text: str) -> str | None:
    if text in ALIASES:
        return None
    if text == "@reboot":
        return "the start of a process is not a time: call trigger(id) where your program starts"
    if text.startswith("@every"):
        every = _go_duration(text.removeprefix("@every").strip())
        return f"write {_every(every or timedelta(minutes=5))} instead of cron"
    close = difflib.get_close_matches(text, ALIASES, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    return f"unknown alias, known are {', '.join(ALIASES)}{meant}"


def _aws(kind: str, inner: str) -> str:
    if kind == "rate":
        rate = re.fullmatch(r"(\d{1,6}) +(minute|hour|day)s?", inner, re.IGNORECASE)
        every = timedelta(**{f"{rate[2].lower()}s": int(rate[1])}) if rate else None
        return f"AWS's rate(): write {_every(every or timedelta(minutes=5))} instead of cron"
    if kind == "at":
        return "AWS's at(): write at=datetime(..., tzinfo=UTC) instead of cron"
    fields = inner.split()
    said = "AWS's cron(): write the fields alone"
    if len(fields) == 6:
        year = fields[5]
        ours = " ".join(fields[:5] if year in {"*", "?"} else ["0", *fields])
        said += f", {ours!r} (seconds come first where there is a year)"
    return f"{said}; in AWS Sunday is 1, here Sunday is 0 or 7, so weekday numbers are one less"


def _every(every: timedelta) -> str:
    seconds = every.total_seconds()
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= length and seconds % length == 0:
            return f"every=timedelta({unit}={seconds / length:g})"
    return f"every=timedelta(seconds={seconds:g})"


def _go_duration(text: str) -> timedelta | None:
    """The duration that `1h30m` stands for, or None."""
    if not re.fullmatch(r"(\d{1,6}(\.\d{1,6})?(h|m|s)){1,3}", text):
        return None
    unit_seconds = {"h": 3600, "m": 60, "s": 1}
    parts = re.findall(r"([\d.]+)([hms])", text)
    return timedelta(seconds=sum(float(count) * unit_seconds[unit] for count, unit in parts))


def _convention(texts: list[str]) -> str:
    """How fields and weekdays are counted here, where the text looks as if counted elsewhere."""
    if len(texts) == 5:
        return ""
    note = f"; in {len(texts)} fields seconds come first"
    if "?" in texts:
        note += ", and unlike in Quartz and AWS Sunday is 0 or 7, Monday is 1"
    return note


_FULL_NAMES = {
    WEEKDAY: "sunday monday tuesday wednesday thursday friday saturday tues wednes thur thurs",
    MONTH: (
        "january february march april june july august september sept october november december"
    ),
}

_HINTS = (
    (None, r".*\?.*", "? stands alone, and only in day-of-month or day-of-week"),
    (None, r"h(\(.*|/.*)?", "H has no identity to be hashed from: write a number, or use jitter="),
    (None, r"r(\(.*|/.*)?", "a random time would move at every restart: write a number"),
    (None, r".*~.*", "a random time would move at every restart: write a number, or use jitter="),
    (WEEKDAY, r"(?P<day>\w+)#-1", "the last one of a month is {day}L"),
    (WEEKDAY, r".*#.*", ""),
    (None, r".*[a-z0-9]#[0-9].*", "# belongs in day-of-week, as in fri#2"),
    (
        DAY,
        r"l-.*",
        "days before the last are not known: L is a month's last day, LW its last weekday",
    ),
    (DAY, r".*w.*", "W stands alone in the field, as 15W or LW"),
    (DAY, r".*l.*", "L takes no step or range: L is a month's last day"),
    (WEEKDAY, r"l", "L needs its day: friL is a month's last Friday; Saturday is sat"),
    (None, r"l|\d*l\d*", "L belongs in day-of-month (the last day) or day-of-week (friL)"),
    (None, r"\d+w|lw", "W belongs in day-of-month, as 15W"),
    (None, r"(?P<step>/.*)", "a step needs what it steps over: *{step}"),
    (None, r"\*-.*|.*-\*.*", "* is not the end of a range"),
    (None, r"[-+].*|.*-", "there are no signs; a range needs both ends, such as 1-5"),
    (None, r".*-.*-.*", "a range has two ends, such as 1-5"),
    (None, r"\*\*.*|\*\d+", "write * alone, or */5 for a step"),
    (None, r"[0-9*]+[._].*", "only whole numbers"),
    (WEEKDAY, r"(19|20)\d\d", "a year needs all seven fields, with the second first"),
)


def _hint(field: Field, item: str) -> str:
    """What a person who wrote `item` in that field may need to know, or nothing."""
    if named := _name_hint(field, item):
        return named
    for where, pattern, said in _HINTS:
        if where in {None, field} and (found := re.fullmatch(pattern, item)):
            return said.format(**found.groupdict())
    return ""


def _name_hint(field: Field, item: str) -> str:
    for word in re.findall(r"[a-z]+", item):
        if word in _FULL_NAMES.get(field, "").split():
            return f"names have three letters: {word[:3]!r}"
        for owner, names in ((MONTH, MONTHS), (WEEKDAY, WEEKDAYS)):
            if owner is not field and word[:3] in names:
                return f"{word!r} belongs in the field {owner.name}"
    return ""
