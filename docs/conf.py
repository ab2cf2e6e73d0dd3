"""The documentation site: `sphinx-build -W -b html docs docs/_build/html`."""

import sys
import tomllib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "jobsched"
author = "jobsched contributors"
pyproject = Path(__file__).parents[1] / "pyproject.toml"
release = tomllib.loads(pyproject.read_text("utf-8"))["project"]["version"]
project_copyright = author

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_click",
    "admin",
    "columns",
    "docstrings",
    "settings_table",
    "states",
]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build", "sql"]

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3

default_role = "code"
smartquotes = False  # the two hyphens of an option would become a dash
autoclass_content = "both"
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True

html_theme = "furo"
html_title = "jobsched"
html_static_path = ["_static"]
html_css_files = ["jobsched.css"]
html_show_copyright = False
html_copy_source = False
pygments_style = "friendly"
