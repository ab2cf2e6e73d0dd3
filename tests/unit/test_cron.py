"""Cron expressions: the accepted forms, and the instants that they stand for."""

import pickle
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from jobsched.cron import parse
from jobsched.errors import DeclarationError

UTC_ZONE = ZoneInfo("UTC")
NEW_YORK = "America/New_York"


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def runs(expression: str, zone: str, after: str | datetime, count: int) -> list[datetime]:
    parsed, clock = parse(expression), ZoneInfo(zone)
    cursor = instant(after) if isinstance(after, str) else after
    found = []
    while len(found) < count and (following := parsed.next(cursor, clock)) is not None:
        found.append(following)
        cursor = following
    return found


def minutes(field: str) -> list[int]:
    """The minutes of a day's first hour in which a minute field runs."""
    found = runs(f"{field} 0 1 1 *", "UTC", "2025-12-31 23:59", 60)
    return [run.minute for run in found if run.year == 2026]


def hours(field: str) -> list[int]:
    found = runs(f"0 {field} 1 1 *", "UTC", "2025-12-31 23:59", 24)
    return [run.hour for run in found if run.year == 2026]


def days(expression: str, month: str = "2026-01") -> list[int]:
    """The days of a month on which an expression runs at midnight."""
    first = datetime.fromisoformat(f"{month}-01").replace(tzinfo=UTC)
    found = runs(expression, "UTC", first - timedelta(seconds=1), 31)
    return [run.day for run in found if (run.year, run.month) == (first.year, first.month)]


def months(field: str) -> list[int]:
    found = runs(f"0 0 1 {field} *", "UTC", "2025-12-31 23:59", 12)
    return [run.month for run in found if run.year == 2026]


def weekdays(field: str) -> list[int]:
    """The weekdays, Sunday first as 0, of a week in which a day-of-week field runs."""
    found = runs(f"0 0 * * {field}", "UTC", "2026-01-03 23:59", 7)
    return [run.isoweekday() % 7 for run in found if run < instant("2026-01-11 00:00")]


EXAMPLES = [
    ("30 2 * * *", NEW_YORK, "2024-03-09 12:00", "03-10 07:00, 03-11 06:30"),
    ("0 30 2 * * *", NEW_YORK, "2024-03-09 12:00", "03-10 07:00, 03-11 06:30"),
    ("0,30 2,3 * * *", NEW_YORK, "2024-03-09 12:00", "03-10 07:00, 03-10 07:30, 03-11 06:00"),
    ("*/30 2 * * *", NEW_YORK, "2024-03-09 12:00", "03-11 06:00, 03-11 06:30"),
    ("0 */2 * * *", NEW_YORK, "2024-03-10 04:30", "03-10 05:00, 03-10 08:00, 03-10 10:00"),
    ("0 0-23/2 * * *", NEW_YORK, "2024-03-10 04:30", "03-10 05:00, 03-10 07:00, 03-10 08:00"),
    ("30 1 * * *", NEW_YORK, "2024-11-03 04:00", "11-03 05:30, 11-04 06:30"),
    ("30 1 * * *", NEW_YORK, "2024-11-03 06:10", "11-04 06:30"),
    (
        "*/30 1 * * *",
        NEW_YORK,
        "2024-11-03 04:00",
        "11-03 05:00, 11-03 05:30, 11-03 06:00, 11-03 06:30, 11-04 06:00",
    ),
    ("@daily", "Africa/Cairo", "2023-04-27 12:00", "04-27 22:00, 04-28 21:00"),
    ("0 2 * * *", "Australia/Lord_Howe", "2024-10-05 00:00", "10-05 15:30, 10-06 15:00"),
    (
        "*/20 1 * * *",
        "Australia/Lord_Howe",
        "2024-04-06 13:00",
        "04-06 14:00, 04-06 14:20, 04-06 14:40, 04-06 15:10, 04-07 14:30",
    ),
    ("0 12 * * *", "Pacific/Apia", "2011-12-29 08:30", "12-29 22:00, 12-30 10:00, 12-30 22:00"),
    ("30 23 29 2 *", "Asia/Almaty", "2024-02-28 00:00", "2024-02-29 17:30, 2028-02-29 18:30"),
    ("0 0 29 2 *", "UTC", "2096-03-01 00:00", "2104-02-29 00:00, 2108-02-29 00:00"),
    (
        "0 0 */2 * 1",
        "UTC",
        "2026-01-15 10:07",
        "2026-01-19 00:00, 2026-02-09 00:00, 2026-02-23 00:00",
    ),
    (
        "0 0 1 * mon#2",
        "UTC",
        "2026-01-15 10:07",
        "02-01 00:00, 02-09 00:00, 03-01 00:00, 03-09 00:00",
    ),
    (
        "0 9 31W * *",
        "UTC",
        "2027-01-10 00:00",
        "01-29 09:00, 03-31 09:00, 05-31 09:00, 07-30 09:00",
    ),
    ("0 22-3/3 * * *", "UTC", "2026-01-15 10:07", "01-15 22:00, 01-16 01:00, 01-16 22:00"),
]


@pytest.mark.parametrize(("expression", "zone", "after", "expected"), EXAMPLES)
def test_the_worked_examples(expression: str, zone: str, after: str, expected: str) -> None:
    """The contract's worked examples give just the runs that stand there."""
    year = after[:5]
    wanted = [instant(year[: 16 - len(text)] + text) for text in expected.split(", ")]
    assert runs(expression, zone, after, len(wanted)) == wanted


def test_a_year_runs_out() -> None:
    """After the last year of its year field an expression has no next run."""
    assert runs("0 0 0 1 1 * 2090", "UTC", "2026-01-15 10:07", 5) == [instant("2090-01-01 00:00")]


def test_passed_years_are_no_error() -> None:
    """A valid expression whose years have passed is accepted, and simply has no next run."""
    assert runs("0 0 0 1 1 * 1999-2001", "UTC", "2026-01-15 10:07", 1) == []


def test_six_fields_begin_with_seconds() -> None:
    """The first of six fields is the second."""
    assert runs("15,45 0 12 * * *", "UTC", "2026-01-01 00:00", 3) == [
        instant("2026-01-01 12:00:15"),
        instant("2026-01-01 12:00:45"),
        instant("2026-01-02 12:00:15"),
    ]


def test_seven_fields_end_with_years() -> None:
    """The last of seven fields is the year, the first the second."""
    assert runs("30 0 0 1 1 ? 2027/2", "UTC", "2026-01-01 00:00", 2) == [
        instant("2027-01-01 00:00:30"),
        instant("2029-01-01 00:00:30"),
    ]


def test_a_year_field_ends_with_2099() -> None:
    """A star in the year field means 1970 to 2099; without the field there is no end."""
    for years in ("*", "1970-2099", "*/1"):
        assert runs(f"0 0 0 1 1 * {years}", "UTC", "2098-06-01 00:00", 2) == [
            instant("2099-01-01 00:00")
        ]
        assert runs(f"0 0 0 1 1 * {years}", "UTC", "1950-06-01 00:00", 1) == [
            instant("1970-01-01 00:00")
        ]
    assert runs("0 0 0 1 1 *", "UTC", "2099-06-01 00:00", 1) == [instant("2100-01-01 00:00")]


@pytest.mark.parametrize(
    ("alias", "expression"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ],
)
def test_an_alias_is_the_expression_it_stands_for(alias: str, expression: str) -> None:
    """Aliases, in any case, run when their expression does, in gaps and overlaps too."""
    for text in (alias, alias.upper(), f"  {alias.title()}\t"):
        assert parse(text).is_wildcard == parse(expression).is_wildcard
        for after in ("2024-03-09 12:00", "2024-11-02 12:00"):
            assert runs(text, NEW_YORK, after, 30) == runs(expression, NEW_YORK, after, 30)


def test_blanks_and_case_do_not_matter() -> None:
    """Fields are parted by runs of spaces or tabs, outer blanks are ignored, letters any case."""
    plain = runs("0 9 l * *", "UTC", "2026-01-01 00:00", 3)
    assert runs(" \t0   9\tL *  * \t", "UTC", "2026-01-01 00:00", 3) == plain
    assert weekdays("MON-Wed") == weekdays("mon-wed") == [1, 2, 3]
    assert months("Jan,FEB") == [1, 2]


def test_leading_zeros_are_numbers() -> None:
    """`00 02` is what `0 2` is."""
    assert minutes("00,007") == [0, 7]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("*", list(range(60))),
        ("*/20", [0, 20, 40]),
        ("5", [5]),
        ("50/4", [50, 54, 58]),
        ("5-8", [5, 6, 7, 8]),
        ("10-20/5", [10, 15, 20]),
        ("1,3-4,*/30", [0, 1, 3, 4, 30]),
        ("5-5", [5]),
        ("5-5/3", [5]),
        ("58-1", [0, 1, 58, 59]),
        ("58-2/2", [0, 2, 58]),
        ("*/100", [0]),
        ("7/100", [7]),
        ("*/99999999999999999999", [0]),
        ("0-59", list(range(60))),
        ("*,5", list(range(60))),
    ],
)
def test_items_of_a_field(field: str, expected: list[int]) -> None:
    """Every form of an item: star, value, range, wrapping range, with and without a step."""
    assert minutes(field) == expected


def test_steps_that_wrap_walk_on_over_the_end() -> None:
    """A stepped range that wraps takes every n-th value along its walk."""
    assert hours("22-3/3") == [1, 22]
    assert hours("22-2") == [0, 1, 2, 22, 23]
    assert months("nov-mar/3") == [2, 11]
    assert months("nov-feb") == [1, 2, 11, 12]
    assert days("0 0 28-3 * *") == [1, 2, 3, 28, 29, 30, 31]
    assert days("0 0 28-3/2 * *") == [1, 3, 28, 30]


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("7", [0]),
        ("7-7", [0]),
        ("5-7", [0, 5, 6]),
        ("1-7/2", [0, 1, 3, 5]),
        ("7-2", [0, 1, 2]),
        ("7-0", [0]),
        ("0-7", [0, 1, 2, 3, 4, 5, 6]),
        ("7/2", [0, 2, 4, 6]),
        ("2/2", [2, 4, 6]),
        ("fri-mon", [0, 1, 5, 6]),
        ("fri-mon/2", [0, 5]),
        ("sat-sun", [0, 6]),
        ("sun-sun", [0]),
        ("1-fri", [1, 2, 3, 4, 5]),
        ("mon/3", [1, 4]),
        ("*/3", [0, 3, 6]),
        ("?", [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_weekdays(field: str, expected: list[int]) -> None:
    """Sunday is 0, 7 and sun: after Saturday as the end of a range, before Monday as a start."""
    assert weekdays(field) == expected


def test_the_last_day_of_the_month() -> None:
    """`L` is the month's last day, alone or in a list; `LW` its last Monday-to-Friday."""
    assert days("0 0 L * *", "2026-02") == [28]
    assert days("0 0 L * *", "2028-02") == [29]
    assert days("0 0 15,L * *", "2026-04") == [15, 30]
    assert days("0 0 1-27,29-31,L * *", "2026-03") == [*range(1, 28), 29, 30, 31]
    assert days("0 0 LW * *", "2026-01") == [30]  # the 31st is a Saturday
    assert days("0 0 LW * *", "2026-05") == [29]  # the 31st is a Sunday


@pytest.mark.parametrize(
    ("day", "month", "expected"),
    [
        ("15W", "2026-01", [15]),  # a Thursday
        ("17W", "2026-01", [16]),  # a Saturday: the day before
        ("18W", "2026-01", [19]),  # a Sunday: the day after
        ("1W", "2026-08", [3]),  # a Saturday 1st
        ("1W", "2026-02", [2]),  # a Sunday 1st
        ("31W", "2026-05", [29]),  # a Sunday last day
        ("31W", "2026-04", []),  # no such day
        ("30W", "2026-02", []),
        ("29W", "2026-02", []),
        ("29W", "2032-02", [27]),  # a Sunday, the leap year's last day
    ],
)
def test_the_nearest_weekday(day: str, month: str, expected: list[int]) -> None:
    """`nW` is the Monday-to-Friday nearest day n, in the same month; none without a day n."""
    assert days(f"0 0 {day} * *", month) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("fri#2", [9]),
        ("5#1", [2]),
        ("7#4", [25]),
        ("mon#5", []),
        ("thu#5", [29]),
        ("5L", [30]),
        ("L5", [30]),
        ("friL", [30]),
        ("Lfri", [30]),
        ("7L", [25]),
        ("mon#1,wed#3", [5, 21]),
        ("friL,fri#1,L1", [2, 26, 30]),
    ],
)
def test_weekdays_within_the_month(field: str, expected: list[int]) -> None:
    """`d#n` is the month's n-th weekday d, `dL` and `Ld` its last; lists of these are fine."""
    assert days(f"0 0 * * {field}", "2026-01") == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("0 0 13 * 5", [2, 9, 13, 16, 23, 30]),  # either
        ("0 0 */10 * 5", []),  # both: the 1st, 11th, 21st and 31st are no Fridays
        ("0 0 */2 * 1", [5, 19]),
        ("0 0 1-31 * 1", list(range(1, 32))),  # either, by the text
        ("0 0 13 * */5", []),  # both: the 13th is a Tuesday
        ("0 0 13 * *", [13]),
        ("0 0 ? * 5", [2, 9, 16, 23, 30]),
        ("0 0 13 * ?", [13]),
        ("0 0 L * mon", [5, 12, 19, 26, 31]),
        ("0 0 15W * mon#1", [5, 15]),
        ("0 0 L * */6", [31]),  # both: the 31st is a Saturday
        ("0 0 *,13 * 5", [2, 9, 16, 23, 30]),  # it starts with a star
        ("0 0 13,* * 5", list(range(1, 32))),  # it does not
        ("0 0 30 2 1", []),
        ("0 0 30 1 1", [5, 12, 19, 26, 30]),
    ],
)
def test_the_day_rule(expression: str, expected: list[int]) -> None:
    """Days match either day field, or both where one starts with a star or is `?`."""
    assert days(expression) == expected


def test_half_of_a_day_rule_that_never_comes_is_left_aside() -> None:
    """The 30th of February does not keep the Mondays of February from running."""
    assert days("0 0 30 2 1", "2026-02") == [2, 9, 16, 23]
    assert days("0 0 31W 4 1", "2026-04") == [6, 13, 20, 27]


@pytest.mark.parametrize(
    ("expression", "wildcard"),
    [
        ("0 */2 * * *", True),
        ("@hourly", True),
        ("*/5 2 * * *", True),
        ("*,5 2 * * *", True),
        ("0 0-23 * * *", False),
        ("0-59 0-23 * * *", False),
        ("@daily", False),
        ("30 2 * * *", False),
        ("0 30 2 * * *", False),
        ("* 30 2 * * *", True),
        ("*/10 30 2 * * * 2026", True),
        ("5,* 30 2 * * *", False),
    ],
)
def test_wildcard_or_fixed_time_is_told_by_the_text(expression: str, wildcard: bool) -> None:
    """A minute, hour or second field that starts with `*` makes a wildcard schedule."""
    assert parse(expression).is_wildcard is wildcard


def test_the_next_run_is_strictly_after() -> None:
    """At the instant of a run the next one is the following; a microsecond before, that run."""
    noon = instant("2026-01-15 12:00")
    for expression in ("0 12 * * *", "0 */12 * * *"):
        for zone in (UTC_ZONE, ZoneInfo("Europe/London")):
            following = parse(expression).next(noon, zone)
            assert following is not None
            assert following > noon
            assert parse(expression).next(noon - timedelta.resolution, zone) == noon
            assert parse(expression).next(noon + timedelta.resolution, zone) == following


def test_the_answer_is_utc_whatever_is_asked() -> None:
    """`after` may be aware in any zone; runs come out in UTC and in whole seconds."""
    after = datetime(2026, 1, 15, 12, 0, 30, 123456, tzinfo=ZoneInfo("Asia/Tokyo"))
    run = parse("*/15 * * * *").next(after, ZoneInfo("Europe/Oslo"))
    assert run == instant("2026-01-15 03:15")
    assert run is not None
    assert run.tzinfo is UTC


def test_a_naive_after_is_refused() -> None:
    """A naive datetime is refused where it enters, not taken for local time."""
    with pytest.raises(DeclarationError, match="naive"):
        parse("* * * * *").next(datetime(2026, 1, 1), UTC_ZONE)  # noqa: DTZ001  # the point


def test_the_second_pass_of_the_last_match_runs() -> None:
    """A wildcard runs in a second pass too where no later wall-clock time matches.

    The last hour of 2009 was shown twice in Dhaka.
    """
    found = runs("0 */30 23 31 12 * 2009", "Asia/Dhaka", "2009-12-31 12:00", 9)
    assert [f"{run:%H:%M}" for run in found] == ["16:00", "16:30", "17:00", "17:30"]
    assert len(runs("0 0,30 23 31 12 * 2009", "Asia/Dhaka", "2009-12-31 12:00", 9)) == 2


def test_the_end_of_time_is_no_run() -> None:
    """Near the year 9999, where datetimes end, there is no next run instead of an error."""
    late = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    for zone in ("UTC", "Asia/Tokyo", "America/New_York"):
        for expression in ("0 0 29 2 *", "*/5 * * * *", "0 0 1 1 1"):
            assert parse(expression).next(late, ZoneInfo(zone)) is None


def test_expressions_are_values() -> None:
    """Expressions of the same text are equal, hashable, and parsed once."""
    assert parse("0 2 * * *") is parse("0 2 * * *")
    assert parse(" 0 2 * * * ") == parse("0 2 * * *")
    assert len({parse("0 2 * * *"), parse(" 0 2 * * *"), parse("0 3 * * *")}) == 2
    assert str(parse(" 0 2 * * * ")) == "0 2 * * *"


def test_asking_leaves_an_expression_as_it_is() -> None:
    """Nothing in an expression changes when it is asked, so that threads may share it."""
    parsed = parse("0 9 1,L * fri#2")
    before = pickle.dumps(parsed)
    for zone in ("UTC", "Europe/Oslo"):
        parsed.next(instant("2026-03-28 00:00"), ZoneInfo(zone))
    assert pickle.dumps(parsed) == before
