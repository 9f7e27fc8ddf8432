"""The documentation site: `make docs`. Every warning is an error there, and nothing is fetched from a network."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]  # command_line.py, and the project of a checkout that is not installed

import stt  # noqa: E402

project = "stt"
copyright = "stt contributors"  # noqa: A001  # the name that Sphinx reads
release = version = stt.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "command_line"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"stt {release}"
html_copy_source = False
smartquotes = False  # quotes in options and code are typed as they are

# Pages are plain Markdown that GitHub shows as well; a link to a heading that does not exist is a warning.
myst_heading_anchors = 3

autoclass_content = "both"  # arguments are described in __init__
autodoc_default_options = {"members": True, "undoc-members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
default_role = "code"  # single backticks in docstrings
napoleon_use_ivar = True  # a field that the class describes is not described again
python_use_unqualified_type_names = True

# A type of ours that a documented name takes or gives must be documented too. Other libraries are not linked to: their
# inventories would have to be downloaded.
nitpicky = True
nitpick_ignore_regex = [("py:.*", r"(?!stt\.).*")]
nitpick_ignore = [("py:class", "stt.registry.Class")]  # a type variable

log = logging.getLogger(__name__)
DESCRIBED = ("module", "class", "exception", "function", "method", "property")


def check_docstring(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Warn of a public name without a docstring; dataclass fields and annotations are shown with their types."""
    if what in DESCRIBED and not any(lines):
        log.warning("%s has no docstring", name)
    if what in ("attribute", "property"):
        lines[:0] = ["..", ""]  # an empty comment: napoleon takes what precedes a colon in the first line for a type


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", check_docstring, priority=400)  # before napoleon
