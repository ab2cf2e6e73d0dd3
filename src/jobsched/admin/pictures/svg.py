"""How a picture is written: its frame, its texts and its numbers. Every text is escaped here."""

import unicodedata
from collections.abc import Iterable

from markupsafe import Markup, escape

from jobsched.phrases import one_line

ELLIPSIS = "…"

_NARROW = frozenset("iljtfr.,:;|!'()[]/- ")
_WIDE = frozenset("mwMW@%—…")


def picture(
    kind: str, size: tuple[float, float], title: str, body: Iterable[str], *, links: bool = False
) -> Markup:
    """The picture `body` in its frame, `size` wide and high, which holds `links` or none.

    `body` is markup; what is not ours in it has gone through `text_of`.
    """
    width, height = (number(length) for length in size)
    named = text_of(title)
    return Markup(
        f'<svg class="pic pic-{kind}" role="{"group" if links else "img"}" width="{width}"'
        f' height="{height}" viewBox="0 0 {width} {height}" aria-label="{named}">'
        f"<title>{named}</title>{''.join(body)}</svg>"
    )


def nothing(text: str) -> Markup:
    """What stands in a picture's place where there is nothing to show."""
    return Markup(f'<span class="pic-none">{text_of(text)}</span>')


def text_of(text: str) -> str:
    """A text as it may stand in markup, also within quotes: one line, escaped, no control codes."""
    return str(escape(one_line(text)))


def label(x: float, y: float, text: str, style: str = "pic-label", anchor: str = "start") -> str:
    """A text in the picture; `anchor` says which part of it is at `x`."""
    anchored = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{style}" x="{number(x)}" y="{number(y)}"{anchored}>{text_of(text)}</text>'


def line(style: str, path: str) -> str:
    """A stroked path; nothing where there is nothing to draw."""
    return f'<path class="{style}" d="{path}"/>' if path else ""


def box(style: str, x: float, y: float, width: float, height: float, radius: int = 0) -> str:
    """A filled rectangle."""
    round_corners = f' rx="{radius}"' if radius else ""
    return (
        f'<rect class="{style}" x="{number(x)}" y="{number(y)}" width="{number(width)}"'
        f' height="{number(height)}"{round_corners}/>'
    )


def link(
    href: str | None, says: str, inner: str, *, tooltip: bool = True, has_text: bool = False
) -> str:
    """`inner` as a link that says where it goes; without `href` only what it is.

    It is no stop of the tab key: a picture has hundreds, and its table has them, too. One that
    `has_text` is named by its title: a label would have to begin with what is seen, perhaps cut.
    """
    name = text_of(says)
    title = f"<title>{name}</title>" if tooltip else ""
    if href is None:
        return f"<g>{title}{inner}</g>"
    label = "" if has_text else f' aria-label="{name}"'
    return f'<a href="{text_of(href)}" tabindex="-1"{label}>{title}{inner}</a>'


def number(value: float) -> str:
    """To a tenth of a unit, as short as can be."""
    return f"{value:.1f}".removesuffix(".0").replace("-0", "0" if abs(value) < 0.05 else "-0")


def clipped(text: str, width: float, size: float = 12) -> str:
    """The text, cut with an ellipsis where it would be wider than `width` at the font's `size`."""
    text = one_line(text)
    room = width / size
    if sum(map(_ems, text)) <= room:
        return text
    room -= _ems(ELLIPSIS)
    kept = 0
    for char in text:
        room -= _ems(char)
        if room < 0:
            break
        kept += 1
    return text[:kept].rstrip() + ELLIPSIS


def _ems(char: str) -> float:
    """About the width of a character in a sans-serif font; rather more than less."""
    if unicodedata.east_asian_width(char) in "WF":
        return 1.05
    if unicodedata.combining(char):
        return 0
    if char in _NARROW:
        return 0.36
    return 0.9 if char in _WIDE else 0.72 if char.isupper() else 0.61
