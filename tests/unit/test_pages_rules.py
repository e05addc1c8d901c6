"""What templates and islands may not do, so that a strict policy holds and nothing that was reported becomes markup."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from jobsight.transports.http.pages.registry import PAGES
from jobsight.web import FOLDER

TEMPLATES = sorted((FOLDER / "templates").glob("*.html"))
ISLANDS = sorted((Path(__file__).resolve().parents[2] / "ui" / "src").glob("*.ts"))

FORBIDDEN_IN_TEMPLATES = {
    "an unescaped value": re.compile(r"\|\s*safe\b|autoescape\s+false|Markup"),
    "an inline style": re.compile(r"\sstyle\s*=|<style"),
    "an inline handler": re.compile(r"\son[a-z]+\s*=\s*[\"']|hx-on|javascript:", re.IGNORECASE),
    "an inline script": re.compile(r"<script(?![^>]*\ssrc=)"),
    "something from elsewhere": re.compile(r"(?:src|href)\s*=\s*[\"'](?:https?:)?//"),
}
FORBIDDEN_IN_ISLANDS = {
    "markup from text": re.compile(r"\.innerHTML\s*[+]?=|insertAdjacentHTML|document\.write|createContextualFragment"),
    "code from text": re.compile(r"\beval\(|new Function\("),
    "an address elsewhere": re.compile(r"[\"'`](?:https?:)?//"),
}


def findings(files: Sequence[Path], rules: dict[str, re.Pattern[str]]) -> list[str]:
    """Every line that breaks a rule."""
    return [
        f"{file.name}:{number}: {what}: {line.strip()[:80]}"
        for file in files
        for number, line in enumerate(file.read_text().splitlines(), 1)
        for what, rule in rules.items()
        if rule.search(line)
    ]


def test_templates_hold_no_script_no_style_and_nothing_unescaped() -> None:
    """The content security policy forbids them; what a worker reports stays text."""
    assert TEMPLATES
    assert [] == findings(TEMPLATES, FORBIDDEN_IN_TEMPLATES)


def test_islands_write_text_and_never_markup() -> None:
    """Only what the server has escaped becomes elements."""
    assert ISLANDS
    assert [] == findings(ISLANDS, FORBIDDEN_IN_ISLANDS)


@pytest.mark.parametrize(
    ("rules", "line"),
    [
        (FORBIDDEN_IN_TEMPLATES, "<p>{{ view.error | safe }}</p>"),
        (FORBIDDEN_IN_TEMPLATES, '<p style="color: red">'),
        (FORBIDDEN_IN_TEMPLATES, '<a onclick="x()">'),
        (FORBIDDEN_IN_TEMPLATES, "<script>x()</script>"),
        (FORBIDDEN_IN_TEMPLATES, '<script src="https://cdn.example.org/x.js"></script>'),
        (FORBIDDEN_IN_ISLANDS, "element.innerHTML = text;"),
        (FORBIDDEN_IN_ISLANDS, 'fetch("https://example.org")'),
    ],
)
def test_a_broken_rule_is_found(tmp_path: Path, rules: dict[str, re.Pattern[str]], line: str) -> None:
    """Each rule can say no."""
    (tmp_path / "x").write_text(line)

    assert 1 == len(findings([tmp_path / "x"], rules))


def test_every_page_has_a_template_that_is_there() -> None:
    """A page is a file, a template and a line; none is half there."""
    names = {file.name for file in TEMPLATES}
    wanted = [page.template for page in PAGES if page.template is not None and not page.path.startswith("/bulk/")]

    assert [] == [name for name in wanted if name not in names]
