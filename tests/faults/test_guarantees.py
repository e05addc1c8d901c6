"""The page about guarantees and the tests say the same: every fault has a row, and every test that is named is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "explanation" / "guarantees.md"
FAULTS = [f"F{number}" for number in range(1, 21)]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")
ROW = re.compile(r"^\| (F\d+) \|(.*)$", re.MULTILINE)


@cache
def functions_of(path: str) -> set[str]:
    """The test functions of a file."""
    tree = ast.parse((ROOT / path).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def section(heading: str) -> str:
    """The text under a heading of the page."""
    return re.split(r"^## ", PAGE.read_text().partition(f"\n## {heading}\n")[2], flags=re.MULTILINE)[0]


def test_every_fault_has_its_row_and_its_tests() -> None:
    """A reader finds for each fault what is expected and what shows it."""
    rows = dict(ROW.findall(section("The faults")))
    untested = [fault for fault, row in rows.items() if not NAMED.search(row)]

    assert FAULTS == list(rows)
    assert [] == untested


@pytest.mark.parametrize("path", sorted({path for path, _ in NAMED.findall(PAGE.read_text())}))
def test_every_test_that_is_named_is_there(path: str) -> None:
    """A test that is renamed or removed is missed here."""
    named = {name for where, name in NAMED.findall(PAGE.read_text()) if where == path}

    assert set() == named - functions_of(path)


def test_every_test_of_a_fault_is_named() -> None:
    """A test that somebody adds under tests/faults stands in a row, so that the page tells all that is tested."""
    page = {name for _, name in NAMED.findall(PAGE.read_text())}
    files = [path for path in (ROOT / "tests" / "faults").glob("test_*.py") if path != Path(__file__)]
    found = {name for path in files for name in functions_of(str(path.relative_to(ROOT))) if name.startswith("test_")}

    assert {"test_the_commands_of_a_node_can_be_prefixed"} == found - page


@pytest.mark.parametrize("heading", ["Broken on purpose", "What they have found"])
def test_what_was_tried_names_what_has_failed(heading: str) -> None:
    """Each row of these tables leads to a test."""
    rows = [row for row in section(heading).splitlines() if row.startswith("| ")][1:]

    assert rows
    assert [] == [row for row in rows if not NAMED.search(row)]
