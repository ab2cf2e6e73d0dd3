"""How each status looks and reads: a class that colours it, a shape of its own, and a word."""

from collections import Counter
from collections.abc import Iterable, Mapping

from markupsafe import Markup

from jobsched.admin.pictures.svg import number
from jobsched.fixed import fixed
from jobsched.phrases import counted

ICON = 10
"""Width and height of an icon."""


@fixed
class Mark:
    """The looks and the word of one status."""

    word: str
    """As in `3 failed`."""
    start: tuple[float, float]
    """Where the icon's path starts, within its 10 by 10."""
    path: str
    """The rest of it, relative."""

    def at(self, x: float, y: float) -> str:
        """The icon's path with its upper left corner at `x`, `y`."""
        return f"M{number(x + self.start[0])} {number(y + self.start[1])}{self.path}"


MARKS: Mapping[str, Mark] = {
    "FAILED": Mark("failed", (1.5, 1.5), "l7 7m0-7l-7 7"),
    "LOST": Mark("lost", (2.5, 3), "a2.5 2.5 0 1 1 3.6 2.2q-1.1.6-1.1 1.8m0 1.3v1.2"),
    "CANCELLED": Mark("cancelled", (1.5, 1.5), "h7v7h-7z"),
    "SKIPPED": Mark("skipped", (1, 1), "l4 4l-4 4m4-8l4 4l-4 4"),
    "RUNNING": Mark("running", (2, 0.8), "l7 4.2l-7 4.2z"),
    "QUEUED": Mark("queued", (9, 5), "a4 4 0 1 1-8 0a4 4 0 1 1 8 0z"),
    "WAITING": Mark("waiting", (3, 1), "v8m4-8v8"),
    "SUCCESS": Mark("succeeded", (1, 5.5), "l3 3l5-7"),
}
"""The marks of the states of firings and job runs, the worst first."""


def style(status: str) -> str:
    """The class that colours a status."""
    return f"pic-{status.lower()}"


def icon_at(status: str, x: float, y: float) -> str:
    """The icon of a status within a picture."""
    return f'<path class="{style(status)}" d="{MARKS[status].at(x, y)}"/>'


def icon(status: str) -> Markup:
    """The icon of a status in a text, beside its word: nothing for a screen reader."""
    return Markup(
        f'<svg class="pic pic-icon" width="{ICON}" height="{ICON}" viewBox="0 0 {ICON} {ICON}"'
        f' aria-hidden="true">{icon_at(status, 0, 0)}</svg>'
    )


def outcomes(statuses: Iterable[str]) -> str:
    """`28 succeeded, 1 failed`, the best first."""
    counts = Counter(statuses)
    order = ("SUCCESS", *MARKS)
    return ", ".join(
        f"{counts.pop(status)} {MARKS[status].word}" for status in order if status in counts
    )


def firings(number_of: int) -> str:
    """`1 firing`, `30 firings`."""
    return counted(number_of, "firing")
