"""Templates to bytes. Everything that a template is handed is escaped; none may say otherwise (a test looks)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from jobsight import __version__
from jobsight.transports.http.pages import words
from jobsight.transports.http.pages.assets import Assets
from jobsight.web.generated import NAME, environment_of, read_generated

LAYOUTS: Final = {False: "layout.html", True: "part.html"}
"""A whole page; or its changing part alone, for a page that is open already."""


class Rendering:
    """
    The templates of a folder.

    Args:
        folder: Where they are.
        assets: What they link to.
    """

    def __init__(self, folder: Path, assets: Assets) -> None:
        generated = read_generated(folder, assets.folder / NAME)
        self._environment = environment_of(folder, generated)
        self._environment.filters.update(words.FILTERS)
        self._environment.globals.update(asset=assets.url, version=__version__)

    def names(self) -> list[str]:
        """Of all templates."""
        return self._environment.list_templates(extensions=["html"])

    def compile(self, name: str) -> None:
        """Compile one of them, so that nobody waits for it who looks at a page for the first time; some 3 ms, once."""
        self._environment.get_template(name)

    def render(self, template: str, *, is_part: bool, view: Any, chrome: Any) -> bytes:
        """A page as UTF-8; lone surrogates, which JSON allows in names, become question marks."""
        text = self._environment.get_template(template).render(layout=LAYOUTS[is_part], view=view, chrome=chrome)
        return text.encode("utf-8", "replace")
