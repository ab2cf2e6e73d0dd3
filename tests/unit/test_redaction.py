"""Secrets taken out of what is stored and shown."""

from typing import Any

import pytest

from jobsched.redaction import redacted, redacted_text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"day": 1, "password": "hunter2"}, {"day": 1, "password": "***"}),
        (
            {"API_KEY": "x", "apiKey": "y", "key": "z"},
            {"API_KEY": "***", "apiKey": "***", "key": "z"},
        ),
        ({"a": [{"client_secret": ["x"]}]}, {"a": [{"client_secret": "***"}]}),
        ({"token": None}, {"token": None}),
        ("password", "password"),
        (3, 3),
    ],
)
def test_values_of_secret_names_are_hidden(value: Any, shown: Any) -> None:
    """What a key names as a secret is hidden at any depth; the rest is as it was."""
    assert redacted(value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("connected with password=hunter2, ok", "connected with password=***, ok"),
        ("{'access_token': 'abc def', 'day': 1}", "{'access_token': ***, 'day': 1}"),
        ('{"client_secret": "x", "n": 2}', '{"client_secret": ***, "n": 2}'),
        ("Authorization: Bearer eyJhbGciOi", "Authorization: ***"),
        ("postgresql://shop:hunter2@db/shop refused", "postgresql://shop:***@db/shop refused"),
        ("https://example.com/a@b?c=d", "https://example.com/a@b?c=d"),
        ("the token bucket is empty", "the token bucket is empty"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_in_texts_are_hidden(text: str, shown: str) -> None:
    """`name=value` of a secret and the password of a URL are hidden; other words stay."""
    assert redacted_text(text) == shown


def test_hiding_twice_changes_nothing() -> None:
    """What has been hidden stays as it is when it passes by again."""
    once = redacted_text("password=hunter2 postgresql://a:b@c/d token: 'x'")
    assert redacted_text(once) == once
