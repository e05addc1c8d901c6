"""The page about security and the tests that it names belong together."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "security.md"


def test_each_row_of_the_page_is_shown_by_tests_that_are_there() -> None:
    """And each file of this folder is named by the page."""
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "|---" not in line][1:]
    named = [re.findall(r"`(tests/[\w/.]+)`", row) for row in rows]
    files = {path.relative_to(ROOT).as_posix() for path in Path(__file__).parent.glob("test_*.py")} - {
        "tests/security/test_index.py"
    }

    assert len(rows) >= 17
    assert [] == [row[:60] for row, paths in zip(rows, named, strict=True) if not paths]
    assert [] == [path for paths in named for path in paths if not (ROOT / path).exists()]
    assert files == {path for paths in named for path in paths if path.startswith("tests/security/")}
