"""Dates and times of day as pictures write them: English, whatever the host's locale."""

from datetime import date, datetime

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def day(of: date) -> str:
    """`Tue 3 Mar`."""
    return f"{WEEKDAYS[of.weekday()]} {of.day} {MONTHS[of.month - 1]}"


def clock(shown: datetime) -> str:
    """`10:07`, or `10:07:30` where the seconds are not zero."""
    return f"{shown:%H:%M:%S}" if shown.second else f"{shown:%H:%M}"
