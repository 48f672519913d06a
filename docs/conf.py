"""Sphinx configuration: Markdown pages and the library reference read from docstrings."""

from keyferry import __version__

project = "keyferry"
author = "the keyferry authors"
project_copyright = "2026, the keyferry authors"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
myst_heading_anchors = 3
nitpicky = False
