"""Templates as the Python that the build makes of them: the same pages, sooner."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobsight.web import FOLDER
from jobsight.web.generated import NAME, environment_of, generate, read_generated

TEMPLATES = FOLDER / "templates"


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """A template that includes another one, and the file that the build makes of both."""
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "outer.html").write_text("<p>{{ name }}</p>\n{% include 'inner.html' %}\n")
    (folder / "inner.html").write_text("<i>{{ name | loud }}{{ '!' | loud }}</i>\n")
    generate(folder, tmp_path / NAME)
    return folder, tmp_path / NAME


def page_of(folder: Path, file: Path) -> str:
    """The outer template, with a name that has to be escaped."""
    environment = environment_of(folder, read_generated(folder, file))
    environment.filters["loud"] = str.upper
    return environment.get_template("outer.html").render(name="<b>")


def test_what_was_generated_is_the_page_of_the_templates(made: tuple[Path, Path]) -> None:
    """Escaped as ever; and it is what was generated that is shown, for a template that is included as well."""
    folder, file = made
    pages = page_of(folder, file), page_of(folder, folder / "nothing of the kind")
    kept = json.loads(file.read_text())
    kept["templates"]["inner.html"] = kept["templates"]["inner.html"].replace("<i>", "<i id=generated>")
    file.write_text(json.dumps(kept))

    assert ("<p>&lt;b&gt;</p>\n<i>&lt;B&gt;!</i>",) * 2 == pages
    assert "<i id=generated>&lt;B&gt;!</i>" in page_of(folder, file)


def test_templates_that_have_changed_since_are_read_themselves(made: tuple[Path, Path]) -> None:
    """Nobody sees a page of yesterday, and a template that came later is one."""
    folder, file = made
    (folder / "inner.html").write_text("<u>{{ name }}</u>\n")
    changed = page_of(folder, file)
    generate(folder, file)
    (folder / "later.html").write_text("")

    assert "<u>&lt;b&gt;</u>" in changed
    assert {} == read_generated(folder, file)


def test_what_another_jinja_has_made_is_left_alone(made: tuple[Path, Path]) -> None:
    """It calls what is inside of that version; the identity in the file tells."""
    folder, file = made
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "made_of": "another"}))

    assert {} == read_generated(folder, file)


@pytest.mark.skipif(not (FOLDER / "assets" / NAME).exists(), reason="built without pages (no Node at hand)")
def test_the_build_has_made_python_of_every_template() -> None:
    """Of those at hand: `make pages` brings them up to date."""
    generated = read_generated(TEMPLATES, FOLDER / "assets" / NAME)

    assert sorted(path.name for path in TEMPLATES.glob("*.html")) == sorted(generated)
