"""Cron expressions: which are accepted, and the instants that they stand for.

The model is Debian's cron, with the common extensions (seconds, years, `L`, `W`, `#`).

- `expression`: a parsed expression and its next run in a zone; read this first.
- `fields`: the grammar of one field.
- `refusals`: what is said to a person who brings another scheduler's form.
- `stepping`: from one matching wall-clock time to the next, by croniter.
- `wallclock`: between instants and what a zone's clock shows.
- `words`: an expression in plain English.
"""

from jobsched.cron.expression import CronExpression, parse
from jobsched.cron.words import in_words

__all__ = ["CronExpression", "in_words", "parse"]
