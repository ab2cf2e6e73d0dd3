"""Secrets taken out of what is stored and shown: by the names of keys, and in URLs.

What cannot be recognised by its name is not taken out: a job must not log a secret.
"""

import re
from collections.abc import Mapping
from typing import Any

REDACTED = "***"
"""What stands in a secret's place."""

_SECRET = (
    r"pass(?:word|wd|phrase)|secret|token|api[_-]?key|private[_-]?key|credential|authorization"
)
_SECRET_KEY = re.compile(_SECRET, re.IGNORECASE)
_HINT = re.compile(rf"{_SECRET}|://", re.IGNORECASE)
"""Nearly every text holds none of these, and is passed on as it is."""

_IN_URL = re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@'\"]*:)[^\s/@'\"]+(?=@)")
# A name is looked for where a word begins: from each letter of a long one it would take for ever.
_NAME = rf"(?<![\w.-])[\w.-]*(?:{_SECRET})[\w.-]*['\"]?\s*[:=]\s*"
_QUOTED = rf"""({_NAME})(?:"[^"\n]*"|'[^'\n]*')"""
_BARE = rf"({_NAME})(?:(?:Bearer|Basic)\s+)?[^\s,;&'\")}}\]]+"
_IN_TEXT = (
    re.compile(_QUOTED, re.IGNORECASE),
    re.compile(_BARE, re.IGNORECASE),
)


def redacted(value: Any) -> Any:
    """A JSON value in which what a secret's name names is `***`; the value itself is not changed.

    A key is a secret's if it holds `password`, `secret`, `token`, `api_key`, `private_key`,
    `credential` or `authorization`, in any letter case.
    """
    if isinstance(value, Mapping):
        return {
            key: REDACTED if _is_secret(key, one) else redacted(one) for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [redacted(one) for one in value]
    return value


def redacted_text(text: str) -> str:
    """A text in which `password=…`, `"token": "…"` and the password of a URL are `***`."""
    if not _HINT.search(text):
        return text
    text = _IN_URL.sub(rf"\1{REDACTED}", text)
    for pattern in _IN_TEXT:
        text = pattern.sub(rf"\1{REDACTED}", text)
    return text


def _is_secret(key: object, value: object) -> bool:
    return value is not None and isinstance(key, str) and _SECRET_KEY.search(key) is not None
