"""Cron expressions against an independent model that scans instants one by one.

The model reads the expression anew and knows neither croniter nor jobsched: it looks at what the
zone's clock shows at each minute (or second) of a window, and asks whether that matches.
"""

import calendar
import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from jobsched.cron import parse
from jobsched.errors import DeclarationError

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
UTC_ZONE = ZoneInfo("UTC")


# the model: which wall-clock times match


@dataclass(frozen=True)
class Model:
    """An expression as a predicate on wall-clock times, written from the contract alone."""

    texts: tuple[str, ...]
    """Seven fields, the year empty where there is none."""
    wildcard: bool

    @classmethod
    def of(cls, expression: str) -> "Model":
        texts = expression.lower().split()
        wildcard = any(text[0] == "*" for text in texts[: 2 if len(texts) == 5 else 3])
        full = texts if len(texts) > 5 else ["0", *texts]
        return cls(tuple(full) if len(full) == 7 else (*full, ""), wildcard)

    def matches(self, shown: datetime) -> bool:
        second, minute, hour, *_ = self.texts
        return (
            shown.minute in values(minute, 0, 59)
            and shown.hour in values(hour, 0, 23)
            and shown.second in values(second, 0, 59)
            and self.matches_date(shown.date())
        )

    def matches_date(self, shown: date) -> bool:
        day, month, weekday, year = self.texts[3:]
        if shown.month not in values(month, 1, 12):
            return False
        if year and shown.year not in values(year, 1970, 2099):
            return False
        found = matches_day(day, shown), matches_weekday(weekday, shown)
        return all(found) if day[0] in "*?" or weekday[0] in "*?" else any(found)


MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
NAMES = {name: number for number, name in enumerate(MONTHS, 1)}
NAMES |= {name: number for number, name in enumerate(WEEKDAYS)}


@cache
def values(text: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for item in text.split(","):
        shape = re.fullmatch(r"(\*|\?|\w+)(?:-(\w+))?(?:/(\d+))?", item)
        assert shape, item
        first, last, step = shape.groups()
        if first in "*?":
            value, end = low, high
        else:
            value = NAMES[first] if first in NAMES else int(first)
            end = high if step else value
            if last:
                end = NAMES[last] if last in NAMES else int(last)
        if (low, high) == (0, 6) and value == 7:  # a Sunday; as an end it follows Saturday
            value, end = 0, end % 7
        whole = [*range(value, max(high, end) + 1), *range(low, value)]
        found.update(whole[: whole.index(end) + 1 : int(step or 1)])
    if (low, high) == (0, 6):
        found = {day % 7 for day in found}
    return frozenset(found)


def matches_day(text: str, shown: date) -> bool:
    month_ends = calendar.monthrange(shown.year, shown.month)[1]
    working = [day for day in range(1, month_ends + 1) if shown.replace(day=day).isoweekday() <= 5]
    if text == "lw":
        return shown.day == working[-1]
    if text.endswith("w"):
        wanted = int(text[:-1])
        nearest = min(working, key=lambda day: abs(day - wanted))
        return wanted <= month_ends and shown.day == nearest
    items = text.split(",")
    plain = ",".join(item for item in items if item != "l")
    is_last = "l" in items and shown.day == month_ends
    return is_last or bool(plain and shown.day in values(plain, 1, 31))


@cache
def working_days(year: int, month: int) -> list[int]:
    days = range(1, calendar.monthrange(year, month)[1] + 1)
    return [day for day in days if date(year, month, day).isoweekday() <= 5]


def matches_weekday(text: str, shown: date) -> bool:
    weekday = shown.isoweekday() % 7
    if not re.search(r"#|\dl|l\d|[a-z]{3}l|l[a-z]{3}", text):
        return weekday in values(text, 0, 6)
    for item in text.split(","):
        name, _, nth = item.partition("#")
        wanted = name if nth else name.strip("l")
        if weekday == (NAMES[wanted] if wanted in NAMES else int(wanted)) % 7:
            in_last_week = (shown + 7 * DAY).month != shown.month
            if in_last_week if not nth else (shown.day - 1) // 7 + 1 == int(nth):
                return True
    return False


# the model: when a clock shows them


class Window:
    """What a zone's clock shows at each tick of a stretch of time."""

    def __init__(self, zone: str, start: datetime, length: timedelta, tick: timedelta) -> None:
        clock = ZoneInfo(zone)
        self.tick = tick
        self.instants = [start + tick * number for number in range(length // tick)]
        self.shown = [at.astimezone(clock).replace(tzinfo=None, fold=0) for at in self.instants]

    def runs(self, model: Model) -> list[datetime]:
        return list(self._showing(model) if model.wildcard else self._fixed(model))

    def _showing(self, model: Model) -> Iterator[datetime]:
        pairs = zip(self.instants, self.shown, strict=True)
        return (instant for instant, shown in pairs if model.matches(shown))

    def _fixed(self, model: Model) -> Iterator[datetime]:
        """Whenever the clock shows what it never showed, with all that it skipped to get there."""
        furthest = self.shown[0]
        for instant, shown in zip(self.instants[1:], self.shown[1:], strict=True):
            if shown <= furthest:
                continue
            passed = furthest + self.tick
            while passed <= shown:
                if model.matches(passed):
                    yield instant
                    break
                passed += self.tick
            furthest = shown


ZONES = [
    ("America/New_York", 2024),
    ("Europe/Oslo", 2025),
    ("Europe/Dublin", 2024),  # its summer time is the standard one
    ("Australia/Lord_Howe", 2024),  # by half an hour
    ("Pacific/Apia", 2011),  # skipped a day
    ("Pacific/Kwajalein", 1993),  # skipped a day
    ("Africa/Cairo", 2023),  # at midnight
    ("Asia/Almaty", 2024),  # changed its standard time, on a leap day
    ("Africa/Casablanca", 2024),  # at Ramadan
    ("Antarctica/Troll", 2024),  # by two hours
    ("America/St_Johns", 2006),  # at one minute past midnight
    ("America/Sao_Paulo", 2017),
    ("Asia/Gaza", 2023),
    ("Asia/Pyongyang", 2015),
    ("America/Caracas", 2016),
    ("Pacific/Chatham", 2025),
    ("Asia/Dhaka", 2009),
    ("America/Havana", 2026),
    ("Asia/Kathmandu", 2026),
    ("UTC", 2026),
    ("Etc/GMT+9", 2026),
]


@cache
def edges(zone: str, year: int) -> tuple[datetime, ...]:
    """The whole hours after which the zone changes its offset in that year; or a plain date."""
    clock = ZoneInfo(zone)
    hours = [datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(366 * 24)]
    offsets = [hour.astimezone(clock).utcoffset() for hour in hours]
    found = [hours[n - 1] for n in range(1, len(hours)) if offsets[n] != offsets[n - 1]]
    return tuple(found) or (datetime(year, 3, 1, tzinfo=UTC),)


@lru_cache(maxsize=128)
def minutes_around(zone: str, edge: datetime) -> Window:
    return Window(zone, edge - 2 * DAY, 4 * DAY, MINUTE)


@lru_cache(maxsize=64)
def seconds_around(zone: str, edge: datetime) -> Window:
    return Window(zone, edge - timedelta(hours=3), timedelta(hours=7), SECOND)


# what people may write


def items(low: int, high: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    value = st.integers(low, high).map(str)
    if names:
        value = value | st.sampled_from(names)
    step = st.integers(1, high + 5).map(str)
    return st.one_of(
        st.just("*"),
        value,
        value,
        st.builds("*/{}".format, step),
        st.builds("{}/{}".format, value, step),
        st.builds("{}-{}".format, value, value),
        st.builds("{}-{}/{}".format, value, value, step),
    )


def fields(low: int, high: int, names: tuple[str, ...] = ()) -> st.SearchStrategy[str]:
    item = items(low, high, names)
    return item | item | st.lists(item, min_size=2, max_size=3).map(",".join)


weekday = st.integers(0, 7).map(str) | st.sampled_from([*WEEKDAYS, "Fri", "SUN"])
in_month = st.one_of(
    st.builds("{}#{}".format, weekday, st.integers(1, 5)),
    st.builds("{}L".format, weekday),
    st.builds("L{}".format, weekday),
)
days_of_month = st.one_of(
    st.just("*"),
    fields(1, 31),
    st.sampled_from(["?", "L", "LW", "15,L", "1-10,l", "L,*/9", "1-27,29-31,L"]),
    st.integers(1, 31).map("{}W".format),
)
days_of_week = st.one_of(
    st.just("*"),
    fields(0, 7, WEEKDAYS),
    st.just("?"),
    st.lists(in_month, min_size=1, max_size=3).map(",".join),
)
months = st.just("*") | fields(1, 12, MONTHS)
years = st.builds("{}".format, st.integers(1995, 2035)) | st.sampled_from(
    ["*", "*/3", "2000/7", "1999-2026/2", "2010,2020-2024"]
)
hours_by_night = st.sampled_from(["0", "1", "2", "3", "0-3", "1-3", "23-2", "*/2", "0,2", "*"])
hours = hours_by_night | fields(0, 23)
some_dates = st.one_of(
    st.just("* * *"),
    st.just("* * *"),
    st.builds("{} * {}".format, days_of_month, days_of_week),
)
minutely = st.builds("{} {} {}".format, fields(0, 59), hours, some_dates)
secondly = st.builds("{} {} {} {}".format, fields(0, 59), fields(0, 59), hours, some_dates)
places = st.sampled_from([(zone, edge) for zone, year in ZONES for edge in edges(zone, year)])


def walk(expression: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """The runs in (`after`, `until`), each asked for from the last."""
    parsed, clock, found = parse(expression), ZoneInfo(zone), []
    while (following := parsed.next(after, clock)) is not None and following < until:
        assert following > after
        found.append(following)
        after = following
    return found


def parsed_or_assumed(expression: str) -> None:
    """Let an example go whose expression no date matches; nothing else may be refused."""
    assume("no date" not in refusal(expression))


def refusal(expression: str) -> str:
    """The message with which an expression is refused, or nothing."""
    try:
        parse(expression)
    except DeclarationError as error:
        return str(error)
    return ""


# the properties


def compare(expression: str, zone: str, window: Window) -> None:
    """The runs well inside the window, by jobsched and by the model."""
    margin = len(window.instants) // 20
    after, until = window.instants[margin], window.instants[-margin]
    expected = [run for run in window.runs(Model.of(expression)) if after < run < until]
    assert walk(expression, zone, after, until) == expected


@settings(max_examples=200, deadline=None)
@given(minutely, places)
@example("0 12 * * *", ("Pacific/Apia", datetime(2011, 12, 30, 9, tzinfo=UTC)))
@example("*/7 * * * *", ("Pacific/Apia", datetime(2011, 12, 30, 9, tzinfo=UTC)))
@example("1 0 * * *", ("America/St_Johns", datetime(2006, 10, 29, 2, tzinfo=UTC)))
def test_every_run_around_a_change_of_offset(expression: str, place: tuple[str, datetime]) -> None:
    """Minute by minute over four days around a zone's change: just the model's runs."""
    parsed_or_assumed(expression)
    compare(expression, place[0], minutes_around(*place))


@settings(max_examples=20, deadline=None)
@given(secondly, places)
def test_every_run_around_a_change_by_the_second(
    expression: str, place: tuple[str, datetime]
) -> None:
    """Second by second over the hours around a zone's change: just the model's runs."""
    zone, edge = place
    parsed_or_assumed(expression)
    window = seconds_around(zone, edge)
    assume(len(window.runs(Model.of(expression))) < 4000)
    compare(expression, zone, window)


@settings(max_examples=300, deadline=None)
@given(
    st.builds("0 0 0 {} {} {} {}".format, days_of_month, months, days_of_week, years)
    | st.builds("0 0 {} {} {}".format, days_of_month, months, days_of_week),
    st.integers(1995, 2030),
)
@example("0 0 0 31W * ? *", 2026)
@example("0 0 1-27,29-31,L * *", 2026)
def test_every_date_of_two_years(expression: str, year: int) -> None:
    """Day by day over two years: the days of month and week, months and years are the model's."""
    parsed_or_assumed(expression)
    start, until = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 2, 1, 1, tzinfo=UTC)
    model = Model.of(expression)
    dates = [start + DAY * number for number in range((until - start).days)]
    expected = [day for day in dates if model.matches_date(day.date())]
    assert walk(expression, "UTC", start - SECOND, until) == expected


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["29", "30", "31", "29W", "30W", "31W", "*/28", "*/100"]),
    st.sampled_from(["2", "feb", "4,6", "2-4/2", "*"]),
    st.one_of(in_month, st.sampled_from(["*", "?", "*/6", "*/5"])),
    st.sampled_from(["*", "2027", "2028", "2023-2027"]),
)
def test_refused_as_impossible_is_what_never_comes(
    day: str, month: str, weekday: str, year: str
) -> None:
    """An expression is refused as never matching exactly when none of the dates matches."""
    expression = f"0 0 0 {day} {month} {weekday} {year}"
    model = Model.of(expression)
    dates = (date(1970, 1, 1) + DAY * number for number in range(365 * 130 + 32))
    comes = any(model.matches_date(day) for day in dates)
    assert ("no date" in refusal(expression)) is not comes


@settings(max_examples=80, deadline=None)
@given(minutely, places, st.integers(0, 4 * 86_400_000_000 - 1))
def test_asking_from_the_middle(
    expression: str, place: tuple[str, datetime], microseconds: int
) -> None:
    """From any instant, to the microsecond, the next run is the sequence's first one after it."""
    zone, edge = place
    parsed_or_assumed(expression)
    start = edge - 2 * DAY
    sequence = walk(expression, zone, start, start + 4 * DAY)
    middle = start + timedelta(microseconds=microseconds)
    index = bisect_right(sequence, middle)
    found = parse(expression).next(middle, ZoneInfo(zone))
    if index < len(sequence):
        assert found == sequence[index]
    else:
        assert found is None or found >= start + 4 * DAY


@settings(max_examples=150, deadline=None)
@given(
    minutely,
    st.sampled_from([zone for zone, _ in ZONES]),
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis adds the zone
)
def test_the_next_run_is_later_whole_and_shown(expression: str, zone: str, after: datetime) -> None:
    """Any run is strictly after the instant, a whole second, and a wildcard's clock shows it."""
    parsed_or_assumed(expression)
    found = parse(expression).next(after, ZoneInfo(zone))
    assert found is not None
    assert found > after
    assert found.microsecond == 0
    assert found.tzinfo is UTC
    model = Model.of(expression)
    if model.wildcard:
        assert model.matches(found.astimezone(ZoneInfo(zone)).replace(tzinfo=None))


LETTERS = "0123456789*/-,?#@~LWHR=() \tabcdefnorstuwy_+."


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.text(),
        st.text(LETTERS, max_size=30),
        st.lists(st.text(LETTERS, min_size=1, max_size=5), min_size=5, max_size=7).map(" ".join),
        st.lists(
            st.sampled_from(["*", "1", "5", "mon", "L", "15W", "?", "fri#2", "jan", "2099"])
            | st.text(LETTERS, min_size=1, max_size=3),
            min_size=4,
            max_size=8,
        ).map(" ".join),
    )
)
@example("9" * 5000 + " * * * *")
@example("*/" + "9" * 5000 + " * * * *")
@example("0 0 * * 1#" + "9" * 5000)
def test_whatever_is_written(text: str) -> None:
    """Any text is an expression with a next run or none, or a DeclarationError: nothing else."""
    if message := refusal(text):
        assert message.startswith("cron ")
    else:
        parse(text).next(datetime(2026, 1, 15, tzinfo=UTC), UTC_ZONE)
