"""What the admin's own code says of itself: `{routes}`, `{permissions}` and `{screenshot}`.

- `{routes}` is the JSON API's table of routes, and `{permissions}` what an actor may have: both
  are read from the code, so they cannot say anything that it does not do.
- `{screenshot} name`, with a sentence as its content, shows what `docs/screenshots.py` took of
  that page, light or dark as the reader has it.
"""

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util.docutils import SphinxDirective
from states import grid

from jobsched.admin import api
from jobsched.admin.permissions import Permission


class Routes(SphinxDirective):
    """The routes of the JSON API."""

    def run(self) -> list[nodes.Node]:
        """The nodes that stand in its place."""
        rows = [("route", "permission", "")]
        for route in api.ROUTES:
            pattern = route.pattern.replace(":int", "").replace(":path", "")
            rows.append((f"{route.method} {pattern}", str(route.permission), route.summary))
        return [grid(rows)]


class Permissions(SphinxDirective):
    """What an actor may have."""

    def run(self) -> list[nodes.Node]:
        """The nodes that stand in its place."""
        meanings = ModuleAnalyzer.for_module(Permission.__module__).find_attr_docs()
        rows = [("permission", "lets an actor")]
        for one in Permission:
            meaning = " ".join(meanings[Permission.__name__, one.name]).strip().rstrip(".")
            rows.append((one.value, meaning[0].lower() + meaning[1:]))
        return [grid(rows)]


class Screenshot(SphinxDirective):
    """A page's picture, with what it shows as its text."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The nodes that stand in its place."""
        said = " ".join(self.content)
        return [
            nodes.image(
                uri=f"_static/screenshots/{self.arguments[0]}-{scheme}.png",
                alt=said,
                classes=["screenshot", f"only-{scheme}"],
            )
            for scheme in ("light", "dark")
        ]


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_directive("routes", Routes)
    app.add_directive("permissions", Permissions)
    app.add_directive("screenshot", Screenshot)
    return {"parallel_read_safe": True}
