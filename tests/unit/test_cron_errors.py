"""What is refused as a cron expression, and what the refusal says."""

import re

import pytest

from jobsched.cron import parse
from jobsched.errors import DeclarationError


def refusal(expression: object) -> str:
    with pytest.raises(DeclarationError) as caught:
        parse(expression)  # type: ignore[arg-type]  # also what a type checker would refuse
    return str(caught.value)


@pytest.mark.parametrize(
    ("expression", "field"),
    [
        # out of range
        ("60 * * * *", "minute '60'"),
        ("* 24 * * *", "hour '24'"),
        ("* * 0 * *", "day-of-month '0'"),
        ("* * 32 * *", "day-of-month '32'"),
        ("* * * 0 *", "month '0'"),
        ("* * * 13 *", "month '13'"),
        ("* * * * 8", "day-of-week '8'"),
        ("* * * * 1-8", "day-of-week '1-8'"),
        ("60 * * * * *", "second '60'"),
        ("0 0 0 1 1 * 1969", "year '1969'"),
        ("0 0 0 1 1 * 2100", "year '2100'"),
        ("0 0 0W * *", "day-of-month '0W'"),
        ("0 0 32W * *", "day-of-month '32W'"),
        ("1-60 * * * *", "minute '1-60'"),
        ("60/5 * * * *", "minute '60/5'"),
        # steps
        ("*/0 * * * *", "minute '*/0'"),
        ("1-5/00 * * * *", "minute '1-5/00'"),
        ("*/ * * * *", "minute '*/'"),
        ("*/x * * * *", "minute '*/x'"),
        ("*/2/3 * * * *", "minute '*/2/3'"),
        ("/5 * * * *", "minute '/5'"),
        ("* * * */feb *", "month '*/feb'"),
        # lists and ranges
        (", * * * *", "minute ','"),
        ("1,,2 * * * *", "minute '1,,2'"),
        ("1, * * * *", "minute '1,'"),
        ("0 0 L, * *", "day-of-month 'L,'"),
        ("0 0 ,L * *", "day-of-month ',L'"),
        ("0 0 * * friL,", "day-of-week 'friL,'"),
        ("5- * * * *", "minute '5-'"),
        ("-5 * * * *", "minute '-5'"),
        ("1-2-3 * * * *", "minute '1-2-3'"),
        ("*-5 * * * *", "minute '*-5'"),
        ("5-* * * * *", "minute '5-*'"),
        ("*5 * * * *", "minute '*5'"),
        ("** * * * *", "minute '**'"),
        ("0 0 0 1 1 * 2030-2020", "year '2030-2020'"),
        # junk
        ("+5 * * * *", "minute '+5'"),
        ("1.5 * * * *", "minute '1.5'"),
        ("1_0 * * * *", "minute '1_0'"),
        ("0x1 * * * *", "minute '0x1'"),
        ("5! * * * *", "minute '5!'"),
        # names
        ("mon * * * *", "minute 'mon'"),
        ("0 0 mon * *", "day-of-month 'mon'"),
        ("0 0 * mon *", "month 'mon'"),
        ("0 0 * * jan", "day-of-week 'jan'"),
        ("0 0 * * monday", "day-of-week 'monday'"),
        ("0 0 * january *", "month 'january'"),
        ("0 0 * * xyz", "day-of-week 'xyz'"),
        ("0 0 * * mon-foo", "day-of-week 'mon-foo'"),
        # special letters elsewhere, or combined otherwise
        ("? * * * *", "minute '?'"),
        ("* ? * * *", "hour '?'"),
        ("* * * ? *", "month '?'"),
        ("0 0 0 1 1 * ?", "year '?'"),
        ("0 0 ?/2 * *", "day-of-month '?/2'"),
        ("0 0 * * ?,1", "day-of-week '?,1'"),
        ("L * * * *", "minute 'L'"),
        ("0 0 * L *", "month 'L'"),
        ("0 0 L-3 * *", "day-of-month 'L-3'"),
        ("0 0 L/2 * *", "day-of-month 'L/2'"),
        ("0 0 1-L * *", "day-of-month '1-L'"),
        ("0 0 5L * *", "day-of-month '5L'"),
        ("0 0 1,15W * *", "day-of-month '1,15W'"),
        ("0 0 LW,1 * *", "day-of-month 'LW,1'"),
        ("0 0 1-5W * *", "day-of-month '1-5W'"),
        ("0 0 W * *", "day-of-month 'W'"),
        ("0 0 W15 * *", "day-of-month 'W15'"),
        ("0 0 WL * *", "day-of-month 'WL'"),
        ("0 0 * * 5W", "day-of-week '5W'"),
        ("15W * * * *", "minute '15W'"),
        ("0 0 1#2 * *", "day-of-month '1#2'"),
        ("0 0 * jan#2 *", "month 'jan#2'"),
        ("0 0 * * 1#0", "day-of-week '1#0'"),
        ("0 0 * * 1#6", "day-of-week '1#6'"),
        ("0 0 * * 8#1", "day-of-week '8#1'"),
        ("0 0 * * 8L", "day-of-week '8L'"),
        ("0 0 * * #1", "day-of-week '#1'"),
        ("0 0 * * 1#", "day-of-week '1#'"),
        ("0 0 * * 1#2#3", "day-of-week '1#2#3'"),
        ("0 0 * * 1-5#2", "day-of-week '1-5#2'"),
        ("0 0 * * mon#-1", "day-of-week 'mon#-1'"),
        ("0 0 * * L", "day-of-week 'L'"),
        ("0 0 * * LL", "day-of-week 'LL'"),
        ("0 0 * * L5L", "day-of-week 'L5L'"),
        ("0 0 * * 1-5L", "day-of-week '1-5L'"),
        ("0 0 * * mon#1,wed", "day-of-week 'mon#1,wed'"),
        ("0 0 * * *,mon#1", "day-of-week '*,mon#1'"),
        ("0 0 * * friL,1", "day-of-week 'friL,1'"),
        # hashed and random
        ("H * * * *", "minute 'H'"),
        ("H/15 * * * *", "minute 'H/15'"),
        ("H(0-29) * * * *", "minute 'H(0-29)'"),
        ("R * * * *", "minute 'R'"),
        ("R(0-29)/5 * * * *", "minute 'R(0-29)/5'"),
        ("0~59 * * * *", "minute '0~59'"),
        ("~ * * * *", "minute '~'"),
    ],
)
def test_a_wrong_field_is_named(expression: str, field: str) -> None:
    """The refusal quotes the expression and the field, and says what the field allows."""
    message = refusal(expression)
    assert message.startswith(f"cron {expression!r}: {field}")
    assert "allowed are " in message


@pytest.mark.parametrize(
    ("expression", "hint"),
    [
        ("@reboot", "call trigger(id) where your program starts"),
        ("@every 5m", "every=timedelta(minutes=5)"),
        ("@every 1h30m", "every=timedelta(minutes=90)"),
        ("@every 36h", "every=timedelta(hours=36)"),
        ("@every 1.5s", "every=timedelta(seconds=1.5)"),
        ("@every now and then", "every=timedelta(minutes=5)"),
        ("@Dayly", "did you mean '@daily'?"),
        ("@fortnightly-or-so", "known are @yearly, @annually, @monthly"),
        ("@daily 5", "unknown alias"),
        ("CRON_TZ=Europe/Oslo 0 2 * * *", "write cron='0 2 * * *', timezone='Europe/Oslo'"),
        ("TZ=UTC 0 2 * * *", "write cron='0 2 * * *', timezone='UTC'"),
        ("cron(0 10 ? * 2-6 *)", "'0 10 ? * 2-6'"),
        ("cron(0 10 1 1 ? 2027)", "'0 0 10 1 1 ? 2027'"),
        ("cron(0 10 ? * 2-6 *)", "in AWS Sunday is 1, here Sunday is 0 or 7"),
        ("cron(rubbish)", "write the fields alone"),
        ("rate(5 minutes)", "every=timedelta(minutes=5)"),
        ("rate(1 day)", "every=timedelta(days=1)"),
        ("rate(often)", "every=timedelta(minutes=5)"),
        ("at(2026-01-01T00:00:00)", "write at=datetime("),
        ("0 0 * * monday", "'mon'"),
        ("0 0 * * tues", "'tue'"),
        ("0 0 * sept *", "'sep'"),
        ("0 0 * * mon-friday", "'fri'"),
        ("0 0 * mon *", "'mon' belongs in the field day-of-week"),
        ("0 0 L-3 * *", "L is a month's last day"),
        ("0 0 * * mon#-1", "monL"),
        ("0 0 * * L", "friL is a month's last Friday; Saturday is sat"),
        ("0 0 1,15W * *", "W stands alone"),
        ("H * * * *", "jitter="),
        ("R * * * *", "would move at every restart"),
        ("0~59 * * * *", "would move at every restart"),
        ("/5 * * * *", "*/5"),
        ("0 0 1 1 * 2027", "a year needs all seven fields"),
        ("0 0 12 ? * 9", "seconds come first, and unlike in Quartz and AWS Sunday is 0 or 7"),
        ("0 0 12 ? * 9 *", "unlike in Quartz and AWS Sunday is 0 or 7"),
        ("0 0 12 * * 9", "in 6 fields seconds come first"),
        ("0 0 30 2 *", "a month's last day is L"),
        ("0 2 * * * root /usr/bin/backup --all", "the command of a crontab line"),
    ],
)
def test_forms_from_elsewhere_get_a_hint(expression: str, hint: str) -> None:
    """Whoever brings another scheduler's form is told how to say it here."""
    message = refusal(expression)
    assert repr(expression) in message
    assert hint in message


def test_hints_can_be_followed() -> None:
    """The expressions that hints suggest are accepted."""
    for expression in ("cron(0 10 ? * 2-6 *)", "cron(0 10 1 1 ? 2027)", "TZ=UTC 0 2 * * *"):
        suggested = re.search(r"(?:alone, |cron=)'([^']+)'", refusal(expression))
        assert suggested is not None
        parse(suggested[1])


@pytest.mark.parametrize("expression", ["", " \t ", "*", "* * * *", "* * * * * * * *", "daily"])
def test_a_wrong_number_of_fields(expression: str) -> None:
    """Other than five, six or seven fields are refused, with the order of the fields."""
    message = refusal(expression)
    assert f"{len(expression.split())} fields; needed are 5" in message
    assert "minute hour day-of-month month day-of-week" in message


@pytest.mark.parametrize(
    ("expression", "name"),
    [
        ("0\u00a00 * * *", "NO-BREAK SPACE"),
        ("\u0665 * * * *", "ARABIC-INDIC DIGIT FIVE"),
        ("0 0 * * \u017fun", "LATIN SMALL LETTER LONG S"),
        ("\u2217 * * * *", "ASTERISK OPERATOR"),
        ("0 0 * * *\n", "U+000A"),
        ("0\n0 * * *", "U+000A"),
        ("0 0 * * *\0", "U+0000"),
        ("0 0 * * \ud800", "U+D800"),
    ],
)
def test_only_ascii(expression: str, name: str) -> None:
    """Digits, letters and spaces that only look right are refused by their name."""
    assert name in refusal(expression)


@pytest.mark.parametrize("value", [None, 5, b"* * * * *", ["*"] * 5, {}])
def test_only_text(value: object) -> None:
    """What is not a text is refused as every wrong expression is."""
    assert "a text is needed" in refusal(value)


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 30 2 *",
        "0 0 31 4,6 *",
        "0 0 31W 4 *",
        "0 0 30W 2 *",
        "0 0 0 29 2 * 2027",
        "0 0 0 29W 2 * 2027",
        "0 0 */100 * mon#4",
        "0 0 29W 2 */6",
        "0 0 0 */100 1 1-5/9 2027",
        "0 0 31 feb,apr,jun,sep,nov ?",
    ],
)
def test_what_no_date_matches(expression: str) -> None:
    """An expression that would never run is refused, with the fields that exclude each other."""
    message = refusal(expression)
    assert "no date from 1970 to 2099 matches" in message
    assert "day-of-month" in message


@pytest.mark.parametrize("expression", ["0 0 30 2 1", "0 0 29 2 *", "0 0 0 1 1 * 1970"])
def test_what_seldom_comes_is_accepted(expression: str) -> None:
    """An either-rule of which one half never comes, leap days and passed years are fine."""
    assert str(parse(expression)) == expression


def test_a_long_expression_is_not_quoted_whole() -> None:
    """A message stays readable whatever was given."""
    assert len(refusal("0 0 * * " + "9" * 100_000)) < 1000
    assert len(refusal("0 0 * * " + "9," * 100_000)) < 1000
