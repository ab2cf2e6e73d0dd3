"""Every page there is, by the table of routes: none is forgotten when one is added."""

from jobsched.admin.routes import Route
from tests.admin.examples import PAGES, example

LOOKS = tuple(
    route for route in PAGES if route.method == "GET" and not route.pattern.endswith(".csv")
)
"""The pages, with those that ask before a change."""
WITHOUT_DATA = tuple(route for route in LOOKS if "{" not in route.pattern)
"""Those that an empty database has too."""


def address(route: Route, ids: dict[str, int]) -> str:
    """The page below the mount, relative to it."""
    return example(route, ids).target.removeprefix("/")
