"""The documents tell the truth about the project."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent

TARGET = re.compile(r"^([a-z][a-z-]*):.*## (.+)$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
ELSEWHERE = re.compile(r"^(?:[a-z][a-z0-9+.-]*:|#)")


def pages() -> list[Path]:
    """Every Markdown file of the project."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return sorted(ROOT / path for path in set(listing.stdout.split("\0")) if path and (ROOT / path).is_file())


def links_of(text: str) -> list[str]:
    """The addresses in a page that point into the project, without their anchors."""
    prose = CODE.sub("", FENCE.sub("", text))
    links = [first or second for first, second in LINK.findall(prose)]
    return [unquote(link.partition("#")[0]) for link in links if not ELSEWHERE.match(link)]


def test_every_make_target_is_described() -> None:
    """A newcomer finds each target of the Makefile in CONTRIBUTING.md."""
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    targets = [name for name, _ in TARGET.findall((ROOT / "Makefile").read_text())]
    missing = [name for name in targets if f"`make {name}`" not in contributing]

    assert "setup" in targets
    assert not missing, f"CONTRIBUTING.md: describe {', '.join(f'`make {name}`' for name in missing)}"


def test_every_link_leads_somewhere() -> None:
    """A link between the project's pages and files never breaks."""
    findings = [
        f"{page.relative_to(ROOT)}: the link to `{link}` leads nowhere: mend it, or add the page"
        for page in pages()
        for link in links_of(page.read_text())
        if not (ROOT / link.lstrip("/") if link.startswith("/") else page.parent / link).exists()
    ]

    assert not findings, "\n" + "\n".join(findings)


def test_links_are_found_and_code_is_left_alone() -> None:
    """Inline, image and reference links count; addresses elsewhere, anchors and code do not."""
    page = """
[a](docs/a.md#part) ![b](b%20c.png "title") [c](https://example.org) [d](#here) `[e](e.md)`
```text
[f](f.md)
```
[g]: ../g.md
"""
    assert ["docs/a.md", "b c.png", "../g.md"] == links_of(page)
