"""Texts that want to be more than text."""

SCRIPT = "<script>alert('name')</script>"
QUOTES = "\"><img src=x onerror=alert(1)> ' ` {{7*7}} ${7*7} </textarea></style></title>"
ANSI = "\x1b[31mred\x1b[0m \x1b]0;title\x07 \x1b[2J"
BIDI = "user\u202egnp.exe\u2066 \u200f \u061c end"
NUL = "before\x00after"
CONTROLS = "bell\x07 back\x08 del\x7f c1\x9b31m cr\rlf vt\x0b"
SURROGATES = "half \ud83d pair"
URL = "javascript:alert(1) data:text/html,<b> https://evil.example/"
LONG = "L" * 1_000_000
COMMENT = "<!--<script> ]]> <svg/onload=alert(1)>"

ALL = (SCRIPT, QUOTES, ANSI, BIDI, NUL, CONTROLS, SURROGATES, URL, COMMENT)

IDS = (
    SCRIPT,
    "..",
    "../../etc/passwd",
    "a/b",
    "%2e%2e%2f",
    "a b?c=d#e&f",
    "ж-日本-é",
    BIDI,
    "'; DROP TABLE job_schedule; --",
    '" onmouseover="alert(1)',
    "back\\slash",
)
"""Ids of schedules and names of jobs that only SQL can write, or a careless migration."""

SECRET = "hunter2-the-secret"
"""What must never be seen."""
