"""Cron in words: what is said, and that it is what the matcher does.

The reader below knows the words alone. It turns a phrase back into the instants that a person
would understand, which are compared with those that `parse` gives.
"""

import calendar
import re
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from jobsched.cron import in_words, parse
from jobsched.errors import DeclarationError

ROOT = Path(__file__).resolve().parents[2]
UTC_ZONE = ZoneInfo("UTC")
DAY = timedelta(days=1)
WINDOW = 70
"""Days on which words and matcher are compared."""

EXAMPLES = {
    "* * * * *": "every minute",
    "*/15 * * * *": "every 15 minutes",
    "0,30 * * * *": "every 30 minutes",
    "0 * * * *": "every hour",
    "5 * * * *": "every hour, at minute 5",
    "5,35 * * * *": "every hour, at minute 5 and 35",
    "*/45 * * * *": "every hour, at minute 0 and 45",
    "* * * * * *": "every second",
    "*/20 * * * * *": "every 20 seconds",
    "0 */5 * * * *": "every 5 minutes",
    "15 * * * * *": "every minute, at second 15",
    "15 30 9 * * *": "at 09:30:15 every day",
    "@hourly": "every hour",
    "@DAILY": "at 00:00 every day",
    "@weekly": "at 00:00 on Sundays",
    "@monthly": "at 00:00 on day 1 of the month",
    "@yearly": "at 00:00 on day 1 of January",
    "0 2 * * *": "at 02:00 every day",
    "0 2 ? * *": "at 02:00 every day",
    "0 */8 * * *": "at 00:00, 08:00 and 16:00 every day",
    "0 */2 * * *": "every 2 hours from 00:00",
    "0 */2 * * mon": "every 2 hours from 00:00 to 22:00 on Mondays",
    "0 9-17 * * mon-fri": "every hour from 09:00 to 17:00, Monday to Friday",
    "*/15 9-17 * * *": "every 15 minutes from 09:00 to 17:45",
    "0 22-2 * * *": "every hour from 22:00 to 02:00",
    "0 23-1 * * fri": "at 00:00, 01:00 and 23:00 on Fridays",
    "30 9 * * 1-5": "at 09:30, Monday to Friday",
    "30 9 * * sun-thu": "at 09:30, Sunday to Thursday",
    "0 9 * * mon,thu": "at 09:00 on Mondays and Thursdays",
    "* * * * 6,7": "every minute on Saturdays and Sundays",
    "0 0 1,15 * *": "at 00:00 on day 1 and 15 of the month",
    "0 0 1-7 * *": "at 00:00 on day 1 to 7 of the month",
    "0 0 1 */3 *": "at 00:00 on day 1 of January, April, July and October",
    "0 0 1 6-8 *": "at 00:00 on day 1 of each month, June to August",
    "0 2 * 6-8 *": "at 02:00 every day, June to August",
    "0 2 * 6 1-5": "at 02:00, Monday to Friday in June",
    "30 6 L * *": "at 06:30 on the last day of the month",
    "30 6 15,L * *": "at 06:30 on day 15 and the last day of the month",
    "0 8 * * mon#1": "at 08:00 on the first Monday of the month",
    "0 8 * * 1#3,1#1": "at 08:00 on the first and third Monday of the month",
    "0 8 * * friL": "at 08:00 on the last Friday of the month",
    "0 8 LW * *": "at 08:00 on the last day of the month, or the Friday before when that is a "
    "Saturday or Sunday",
    "0 8 15W * *": "at 08:00 on the day from Monday to Friday that is nearest to day 15 of the "
    "month",
}

SILENT = {
    "0 0 13 * 5": "cron's either-rule, which nobody guesses",
    "0 0 1-31 * 1": "the same: this is every day",
    "0 0 1 * 0-6": "the same: this is every day, too",
    "0 0 */2 * 1": "both have to match: odd days that are Mondays",
    "0 0 1 * mon#2": "the either-rule",
    "*/7 * * * *": "a step that starts anew every hour",
    "0 0 */2 * *": "a step that starts anew every month",
    "0-29 * * * *": "a long list",
    "* */2 * * *": "minutes of some hours",
    "0,7,30 9-17 * * *": "a long list of times of day",
    "0 22-4 * * 1-5": "over midnight: whose day is 01:00?",
    "0 22-4 * 6 *": "over midnight, at the end of a month",
    "0 8 1W * *": "nearest, but never in another month",
    "0 8 31W * *": "not in shorter months",
    "0 8 * * 5L,4L": "two weekdays of the month",
    "0 8 LW 6 *": "the last working day of a month that has a name",
    "0 0 0 1 1 * 2090": "years",
    "0 0 0 1 1 * *": "years, though any",
    "0 0 30 2 *": "never: refused",
    "every day": "no expression: refused",
    "": "no expression: refused",
}


@pytest.mark.parametrize(("expression", "words"), EXAMPLES.items())
def test_examples(expression: str, words: str) -> None:
    """What an operator reads beside the expression."""
    assert in_words(expression) == words


@pytest.mark.parametrize("expression", SILENT, ids=SILENT.get)
def test_no_words_where_they_could_mislead(expression: str) -> None:
    """Where English is not exact, or long, the expression stands for itself."""
    assert in_words(expression) is None


def declared_in_docs() -> Iterator[str]:
    """Every cron expression of a schedule in the documentation, and of its table of forms."""
    texts = [path.read_text("utf-8") for path in sorted((ROOT / "docs").rglob("*.md"))]
    examples = [path.read_text("utf-8") for path in sorted((ROOT / "examples").rglob("*.py"))]
    for text in [*texts, *examples, (ROOT / "README.md").read_text("utf-8")]:
        yield from re.findall(r'cron="([^"]+)"', text)
    yield from re.findall(
        r"^\| `(.* .* .* .* .*?)` \|", (ROOT / "docs/when.md").read_text(), re.MULTILINE
    )


def is_accepted(expression: str) -> bool:
    try:
        parse(expression)
    except DeclarationError:
        return False
    return True


def test_the_documentations_schedules_have_words() -> None:
    """All but the one that shows cron's either-rule."""
    declared = {text for text in declared_in_docs() if is_accepted(text)}
    assert len(declared) > 10
    assert {text for text in declared if in_words(text) is None} == {"0 0 13 * 5"}


# a reader of the words, who knows nothing of cron

MONTHS = list(calendar.month_name)
WEEKDAYS = list(calendar.day_name)
ORDINALS = ["first", "second", "third", "fourth", "fifth"]
UNITS = {"second": 1, "minute": 60, "hour": 3600}
Dates = Callable[[date], bool]


@dataclass(frozen=True)
class Understood:
    """What a phrase says: the seconds of a day, and the days."""

    times: tuple[int, ...]
    on: Dates

    def after(self, instant: datetime, count: int, until: datetime) -> list[datetime]:
        """The first `count` instants after `instant`, before `until`."""
        found: list[datetime] = []
        midnight = instant.replace(hour=0, minute=0, second=0)
        second = int((instant - midnight).total_seconds())
        while len(found) < count and midnight < until:
            if self.on(midnight.date()):
                times = self.times[bisect_right(self.times, second) :]
                found += [midnight + timedelta(seconds=time) for time in times[:count]]
            midnight, second = midnight + DAY, -1
        return [each for each in found if each < until][:count]


def understood(words: str) -> Understood:
    times, rest = read_times(words)
    return Understood(tuple(sorted(times)), read_days(rest))


CLOCK = r"\d\d:\d\d(?::\d\d)?"


def read_times(words: str) -> tuple[list[int], str]:
    if found := re.match(rf"at {CLOCK}(?:(?:, | and ){CLOCK})*(?: every day)?", words):
        return [clock(each) for each in re.findall(CLOCK, found[0])], words[found.end() :]
    found = re.match(r"every(?: (\d+))? (second|minute|hour)s?", words)
    assert found, words
    step = int(found[1] or 1) * UNITS[found[2]]
    rest = words[found.end() :]
    if listed := re.match(r", at (minute|second) (\d+(?:(?:, | and )\d+)*)", rest):
        parts = [int(each) * UNITS[listed[1]] for each in re.findall(r"\d+", listed[2])]
        return [first + part for first in range(0, 86400, step) for part in parts], rest[
            listed.end() :
        ]
    if bounds := re.match(rf" from ({CLOCK})(?: to ({CLOCK}))?", rest):
        first = clock(bounds[1])
        last = clock(bounds[2]) if bounds[2] else first + 86399
        last += 86400 if last < first else 0
        return [each % 86400 for each in range(first, last + 1, step)], rest[bounds.end() :]
    return list(range(0, 86400, step)), rest


def clock(text: str) -> int:
    hour, minute, second = map(
        int, text.split(":") if text.count(":") == 2 else f"{text}:00".split(":")
    )
    return hour * 3600 + minute * 60 + second


def read_days(rest: str) -> Dates:
    """Any of the phrases for days, then any of those for months."""
    rest = rest.removeprefix(" ")
    readers: list[tuple[str, Callable[[re.Match[str]], Dates]]] = [
        (r"(?:, )?([A-Z]\w+day) to ([A-Z]\w+day)(?: |$)?", weekday_run),
        (r"on ([A-Z]\w+days(?:(?:, | and )[A-Z]\w+days)*) ?", weekday_list),
        (r"on the last day of the month, or the Friday before when .* Sunday", last_working),
        (r"on the day from Monday to Friday that is nearest to day (\d+) of ", nearest),
        (r"on the ([a-z, ]+) ([A-Z]\w+day) of ", nth_weekdays),
        (r"on day (\d+) to (\d+)( and the last day)? of ", day_run),
        (r"on (?:day (\d+(?:(?:, | and )\d+)*))?(?: and )?(the last day)? of ", day_list),
    ]
    for pattern, reader in readers:
        if found := re.match(pattern, rest):
            days, months = reader(found), read_months(rest[found.end() :])
            return lambda each: days(each) and months(each)
    return read_months(rest)


def read_months(rest: str) -> Dates:
    rest = rest.strip(" ").removeprefix("in ").removeprefix("of ")
    if rest in ("", "the month"):
        return lambda _: True
    if run := re.fullmatch(r"(?:each month)?, ([A-Z]\w+) to ([A-Z]\w+)", rest):
        first, last = MONTHS.index(run[1]), MONTHS.index(run[2])
        return lambda each: (each.month - first) % 12 <= (last - first) % 12
    wanted = [MONTHS.index(name) for name in re.split(r", | and ", rest)]
    return lambda each: each.month in wanted


def weekday_run(found: re.Match[str]) -> Dates:
    first, last = WEEKDAYS.index(found[1]), WEEKDAYS.index(found[2])
    return lambda each: (each.weekday() - first) % 7 <= (last - first) % 7


def weekday_list(found: re.Match[str]) -> Dates:
    wanted = [WEEKDAYS.index(name.removesuffix("s")) for name in re.split(r", | and ", found[1])]
    return lambda each: each.weekday() in wanted


def month_end(each: date) -> int:
    return calendar.monthrange(each.year, each.month)[1]


def last_working(_: re.Match[str]) -> Dates:
    def is_meant(each: date) -> bool:
        end = each.replace(day=month_end(each))
        return each == end - timedelta(days=max(0, end.weekday() - 4))

    return is_meant


def nearest(found: re.Match[str]) -> Dates:
    def is_meant(each: date) -> bool:
        around = [each.replace(day=int(found[1])) + timedelta(days=by) for by in (0, -1, 1)]
        return each == next(day for day in around if day.weekday() < 5)

    return is_meant


def nth_weekdays(found: re.Match[str]) -> Dates:
    wanted, weekday = re.split(r", | and ", found[1]), WEEKDAYS.index(found[2])

    def is_meant(each: date) -> bool:
        is_last = each.day + 7 > month_end(each)
        said = ORDINALS[(each.day - 1) // 7] in wanted or ("last" in wanted and is_last)
        return each.weekday() == weekday and said

    return is_meant


def day_run(found: re.Match[str]) -> Dates:
    first, last, or_end = int(found[1]), int(found[2]), bool(found[3])
    return lambda each: first <= each.day <= last or (or_end and each.day == month_end(each))


def day_list(found: re.Match[str]) -> Dates:
    wanted, or_end = [int(day) for day in re.findall(r"\d+", found[1] or "")], bool(found[2])
    return lambda each: each.day in wanted or (or_end and each.day == month_end(each))


# the comparison


def runs(expression: str, after: datetime, count: int, until: datetime) -> list[datetime]:
    parsed, found = parse(expression), []
    while len(found) < count and (following := parsed.next(after, UTC_ZONE)) and following < until:
        found.append(following)
        after = following
    return found


def days_of_runs(expression: str, start: datetime, until: datetime) -> list[datetime]:
    """The days from midnight `start` that have a run."""
    found, cursor = [], start
    while following := runs(expression, cursor - timedelta(seconds=1), 1, until):
        day = following[0].replace(hour=0, minute=0, second=0)
        found.append(day)
        cursor = day + DAY
    return found


def compare(expression: str, words: str, start: datetime) -> None:
    meant = understood(words)
    until = start + WINDOW * DAY
    midnight = start.replace(hour=0, minute=0, second=0)
    days = [midnight + number * DAY for number in range(WINDOW)]
    assert days_of_runs(expression, midnight, days[-1] + DAY) == [
        day for day in days if meant.on(day.date())
    ]
    assert runs(expression, start, 60, until) == meant.after(start, 60, until)


def numbers(low: int, high: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    value = st.integers(low, high).map(str)
    if names:
        value |= st.sampled_from(names)
    pair = st.builds("{}-{}".format, value, value)
    step = st.sampled_from(["*/{}", "{0}-{1}/{2}"]).flatmap(
        lambda form: (
            st.builds(form.format, *([st.sampled_from([1, 2, 3, 5, 6, 7, 12, 15, 20, 30])]))
            if form == "*/{}"
            else st.builds(form.format, value, value, st.sampled_from([1, 2, 5, 10]))
        )
    )
    lists = st.lists(value | pair, min_size=1, max_size=4).map(",".join)
    return st.one_of(st.just("*"), value, value, pair, step, lists)


in_month = st.builds(
    "{}{}".format, st.integers(0, 7), st.sampled_from(["#1", "#2", "#3", "#4", "#5", "L"])
)
some_days = st.one_of(
    numbers(1, 31),
    st.sampled_from(["?", "L", "LW", "15,L", "1-3,L", "L,31"]),
    st.builds("{}W".format, st.integers(1, 31)),
)
some_weekdays = st.one_of(
    numbers(0, 7, ("sun", "mon", "fri", "sat")),
    st.just("?"),
    in_month,
    st.lists(in_month, min_size=2, max_size=3).map(",".join),
)
dates = st.one_of(
    st.just("* * *"),
    st.builds("* {} {}".format, st.just("*") | numbers(1, 12), some_weekdays),
    st.builds("{} {} *".format, some_days, st.just("*") | numbers(1, 12)),
    st.builds("{} {} {}".format, some_days, numbers(1, 12), some_weekdays),
)
clocks = st.builds("{} {}".format, numbers(0, 59), numbers(0, 23)) | st.builds(
    "{} {} {}".format, st.just("0") | numbers(0, 59), numbers(0, 59), numbers(0, 23)
)
expressions = st.builds("{} {}".format, clocks, dates)
starts = st.datetimes(datetime(1999, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001  # hypothesis adds the zone
    lambda instant: instant.replace(microsecond=0)
)


@settings(max_examples=200, deadline=None)
@given(expressions, starts)
@example("0 0 1-31 * *", datetime(2026, 1, 15, tzinfo=UTC))
@example("0 9 29-31 * *", datetime(2026, 1, 15, tzinfo=UTC))
@example("0 9 * * 5#5", datetime(2026, 1, 15, tzinfo=UTC))
def test_the_words_are_what_the_matcher_does(expression: str, start: datetime) -> None:
    """Whoever reads the words understands just the instants at which the schedule is due."""
    words = in_words(expression)
    assume(words is not None)
    assert words is not None
    compare(expression, words, start)


@pytest.mark.parametrize("expression", EXAMPLES)
def test_the_examples_are_what_the_matcher_does(expression: str) -> None:
    """The table of examples, too, says what the matcher does."""
    compare(expression, EXAMPLES[expression], datetime(2026, 1, 15, 10, 7, 30, tzinfo=UTC))


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_whatever_is_written(text: str) -> None:
    """Any text has words or None: a page never fails over a row that somebody wrote by hand."""
    assert in_words(text) is None or is_accepted(text)
