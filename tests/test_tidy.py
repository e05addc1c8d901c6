"""The house rules that a program can check. Each finding says where, what, and what to do about it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

MODULE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60

# Words that say nothing about what is inside: as a part of a module's name, and as the whole of it.
EMPTY_NAME_PARTS = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}
EMPTY_NAMES = {"data", "info"}

# The places where any exception may be caught: a task that must go on, and the last resort of the entry point.
CATCH_ALL_ALLOWED = ("src/jobsight/engine/supervisor.py", "src/jobsight/cli/__init__.py")

# The places that may ask what time it is: the composition root, and what runs outside the node.
CLOCK_ALLOWED = ("src/jobsight/app/clock.py", "src/jobsight/client/", "src/jobsight/cli/")
CLOCKS = {
    "time.time",
    "time.time_ns",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "datetime.date.today",
}

# Packages whose imports are fenced in, and the contracts in pyproject.toml that do it.
FENCED_PACKAGES = (("pure", "core"), ("pure", "detectors"), ("client-is-light", "client"))

# Written with brackets, so that this file does not find itself.
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X])\b")
CODE_SUFFIXES = {".py", ".sql", ".ts", ".css", ".html", ".j2", ".toml", ".sh", ""}
ADDRESSES = {
    "a package registry's address": re.compile(
        r"--(?:extra-)?index-(?:url)|--find-(?:links)|pypi\.org/(?:simple)|(?:files\.pythonhosted|registry\.npmjs)\.org"
    ),
    "a path of one machine": re.compile(r"(?<![\w.~-])/(?:ro[o]t|wor[k]|tmp/bash_job[s])/"),
}

Rule = Callable[[str, str], Iterator[str]]


def tracked_files() -> list[str]:
    """Every file that is, or is about to be, part of the project, as a path from its root."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    return sorted(path for path in set(listing.stdout.split("\0")) if path and (ROOT / path).is_file())


def is_source(path: str) -> bool:
    """Whether this file ships or measures: `src/`, `bench/`, `main.py`."""
    return path.endswith(".py") and (path.startswith(("src/", "bench/")) or path == "main.py")


def text_of(path: str) -> str | None:
    """The text of a file, None when it holds something else."""
    try:
        return (ROOT / path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return None


# ------------------------------------------------------------------------------------------------- rules for one file


def module_is_short(path: str, text: str) -> Iterator[str]:
    lines = text.count("\n")
    if lines > MODULE_LINES_MAX:
        yield f"{path}: {lines} lines, the ceiling is {MODULE_LINES_MAX}: move one idea into a file of its own"


def functions_are_short(path: str, text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield (
                    f"{path}:{node.lineno}: `{node.name}` has {lines} lines, the ceiling is {FUNCTION_LINES_MAX}: "
                    "give its steps names, as private functions below it"
                )


def module_name_says_something(path: str, text: str) -> Iterator[str]:
    stem = Path(path).parent.name if path.endswith("__init__.py") else Path(path).stem
    empty = EMPTY_NAME_PARTS & set(stem.split("_")) or EMPTY_NAMES & {stem}
    if empty:
        yield f"{path}: `{empty.pop()}` says nothing: name the module after the one idea that it holds"


def nothing_catches_all(path: str, text: str) -> Iterator[str]:
    if path in CATCH_ALL_ALLOWED:
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ExceptHandler) and _catches_all(node):
            yield (
                f"{path}:{node.lineno}: catches every exception: name those that can be handled here; the others "
                "belong to the supervisor (a clean-up may catch BaseException when it ends with a bare `raise`)"
            )


def _catches_all(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {node.id for node in types if isinstance(node, ast.Name)}
    last = handler.body[-1]
    passes_on = isinstance(last, ast.Raise) and last.exc is None
    return "Exception" in names or ("BaseException" in names and not passes_on)


def no_clock_is_read(path: str, text: str) -> Iterator[str]:
    if not path.startswith("src/") or path.startswith(CLOCK_ALLOWED):
        return
    tree = ast.parse(text)
    meaning = _imported_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name) and _full_name(node, meaning) in CLOCKS:
            yield (
                f"{path}:{node.lineno}: reads the clock: take the time as an argument (`at_ms`), or a `clock` that "
                "`jobsight.app` hands in"
            )


def _imported_names(tree: ast.AST) -> dict[str, str]:
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update({alias.asname or alias.name: alias.name for alias in node.names})
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
    return names


def _full_name(node: ast.expr, meaning: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return meaning.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _full_name(node.value, meaning)
        return f"{owner}.{node.attr}" if owner else None
    return None


def nothing_is_left_for_later(path: str, text: str) -> Iterator[str]:
    if Path(path).suffix not in CODE_SUFFIXES:
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if UNFINISHED.search(line):
            yield f"{path}:{number}: something is left for later: finish it, or take it out and write it on the tracker"


def no_address_is_written_down(path: str, text: str) -> Iterator[str]:
    for number, line in enumerate(text.splitlines(), start=1):
        for what, pattern in ADDRESSES.items():
            if pattern.search(line):
                yield f"{path}:{number}: holds {what}: take it out; the project must work wherever it is cloned"


SOURCE_RULES: tuple[Rule, ...] = (
    module_is_short,
    functions_are_short,
    module_name_says_something,
    nothing_catches_all,
    no_clock_is_read,
)
TEXT_RULES: tuple[Rule, ...] = (nothing_is_left_for_later, no_address_is_written_down)


# ---------------------------------------------------------------------------------------- the rule for the whole source


def names_without_docstring(sources: dict[str, str]) -> list[str]:
    """Public names that say nothing about themselves; a method may leave it to the base class that it fulfils."""
    trees = {path: ast.parse(text) for path, text in sources.items()}
    classes = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    documented = {
        (owner.name, node.name)
        for owner in classes
        for node in owner.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node)
    }
    findings = []
    for path, tree in trees.items():
        if not ast.get_docstring(tree):
            findings.append(f"{path}:1: the module has no docstring: say in one sentence which idea it holds")
        for name, line in _undocumented(tree, documented):
            findings.append(f"{path}:{line}: `{name}` has no docstring: say what it is or does, units and errors")
    return findings


def _undocumented(owner: ast.Module | ast.ClassDef, documented: set[tuple[str, str]]) -> Iterator[tuple[str, int]]:
    for node in _definitions(owner):
        if node.name.startswith("_"):
            continue
        if not ast.get_docstring(node) and not _is_explained_elsewhere(node, owner, documented):
            yield node.name, node.lineno
        if isinstance(node, ast.ClassDef):
            yield from ((f"{node.name}.{name}", line) for name, line in _undocumented(node, documented))


def _definitions(owner: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    """What a module or class defines, also under an `if`, `with` or `try`, but not inside of functions."""
    for node in ast.iter_child_nodes(owner):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node
        elif isinstance(node, ast.If | ast.With | ast.Try | ast.ExceptHandler):
            yield from _definitions(node)


def _is_explained_elsewhere(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
    owner: ast.Module | ast.ClassDef,
    documented: set[tuple[str, str]],
) -> bool:
    decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    if decorators & {"overload", "override", "setter", "deleter"}:
        return True
    if isinstance(owner, ast.Module) or isinstance(node, ast.ClassDef):
        return False
    bases = {ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in owner.bases}
    return any((base, node.name) in documented for base in bases)


# ----------------------------------------------------------------------------------------------------------- the tests


@pytest.mark.parametrize("rule", SOURCE_RULES, ids=lambda rule: rule.__name__)
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    """Ceilings, names, exceptions and clocks are as CONTRIBUTING.md says, in everything that ships or measures."""
    findings = [finding for path in tracked_files() if is_source(path) for finding in rule(path, text_of(path) or "")]

    assert not findings, "\n" + "\n".join(findings)


@pytest.mark.parametrize("rule", TEXT_RULES, ids=lambda rule: rule.__name__)
def test_every_text_keeps_the_rule(rule: Rule) -> None:
    """No file leaves work for later, or names an address or path that only one machine knows."""
    findings = [finding for path in tracked_files() for finding in rule(path, text_of(path) or "")]

    assert not findings, "\n" + "\n".join(findings)


def test_every_public_name_says_what_it_is() -> None:
    """A reader of the source never has to guess what a public name stands for."""
    findings = names_without_docstring(
        {path: text_of(path) or "" for path in tracked_files() if path.startswith("src/") and path.endswith(".py")}
    )

    assert not findings, "\n" + "\n".join(findings)


def test_a_fenced_package_is_named_in_its_import_contract() -> None:
    """The purity of core and detectors, and the lightness of the client, are checked from their first file on."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    fenced = {
        contract["id"]: contract.get("source_modules", []) for contract in settings["tool"]["importlinter"]["contracts"]
    }
    findings = [
        f"pyproject.toml: contract `{contract}` covers `jobsight.{package}` in part: name it there without `.**`"
        for contract, package in FENCED_PACKAGES
        if (ROOT / "src" / "jobsight" / package / "__init__.py").exists()
        and f"jobsight.{package}" not in fenced[contract]
    ]

    assert not findings, "\n" + "\n".join(findings)


def test_main_knows_every_dependency() -> None:
    """`python main.py` goes on in `.venv` whenever any dependency of the node is missing."""
    import main

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    everywhere = [line for line in project["dependencies"] if ";" not in line]
    named_otherwise = {"argon2-cffi": "argon2"}
    packages = [re.split(r"[<>=~! ]", line)[0] for line in everywhere]
    modules = sorted(named_otherwise.get(package, package.replace("-", "_")) for package in packages)

    assert modules == sorted(main.NEEDED), "main.py: make NEEDED the same as the dependencies in pyproject.toml"


def test_what_is_imported_is_a_dependency() -> None:
    """What the package imports is named in pyproject.toml: a package that others bring along today may be gone tomorrow."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [line for lines in project["optional-dependencies"].values() for line in lines]
    names = {re.split(r"[<>=~!;\[ ]", line)[0] for line in [*project["dependencies"], *extras]}
    known = {name.replace("-", "_") for name in names} | {"jobsight", "argon2", "aiosmtpd"}  # the last one is for tests
    findings = [
        f"{path}: imports {name}; name its package in pyproject.toml"
        for path in tracked_files()
        if path.startswith("src/") and path.endswith(".py")
        for name in sorted({whole.partition(".")[0] for whole in _imported_modules(ast.parse(text_of(path) or ""))})
        if name not in known | sys.stdlib_module_names
    ]

    assert not findings, "\n" + "\n".join(findings)


def _imported_modules(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module or ""


# ---------------------------------------------------------------------------------------------- the rules can say no


BROKEN = [
    (module_is_short, "src/jobsight/long.py", "x = 1\n" * 501),
    (functions_are_short, "src/jobsight/long.py", "def f():\n" + "    x = 1\n" * 60),
    (functions_are_short, "src/jobsight/long.py", "class A:\n  async def f():\n" + "    x = 1\n" * 60),
    (module_name_says_something, "src/jobsight/view/utils.py", ""),
    (module_name_says_something, "src/jobsight/job_manager.py", ""),
    (module_name_says_something, "src/jobsight/helpers/__init__.py", ""),
    (nothing_catches_all, "src/jobsight/engine/writer.py", "try:\n  x\nexcept Exception:\n  raise\n"),
    (nothing_catches_all, "src/jobsight/engine/writer.py", "try:\n  x\nexcept:\n  pass\n"),
    (nothing_catches_all, "src/jobsight/engine/writer.py", "try:\n  x\nexcept (OSError, Exception):\n  pass\n"),
    (nothing_catches_all, "src/jobsight/engine/writer.py", "try:\n  x\nexcept BaseException:\n  pass\n"),
    (no_clock_is_read, "src/jobsight/engine/ticker.py", "import time\nnow = time.time()\n"),
    (no_clock_is_read, "src/jobsight/engine/ticker.py", "import time as t\nclock = t.time_ns\n"),
    (no_clock_is_read, "src/jobsight/engine/ticker.py", "from time import time\nnow = time()\n"),
    (no_clock_is_read, "src/jobsight/view/flush.py", "from datetime import datetime, UTC\ndatetime.now(UTC)\n"),
    (no_clock_is_read, "src/jobsight/view/flush.py", "import datetime\ndatetime.datetime.now()\n"),
    (nothing_is_left_for_later, "tests/unit/test_x.py", "x = 1  # TO" + "DO: more\n"),
    (no_address_is_written_down, "README.md", "run it in /wo" + "rk/here\n"),
    (no_address_is_written_down, "Makefile", "pip install --index-" + "url https://example.org\n"),
    (no_address_is_written_down, "a.lock", "https://files.pythonhosted" + ".org/packages/x\n"),
]

SOUND = [
    (module_is_short, "src/jobsight/right.py", "x = 1\n" * 500),
    (functions_are_short, "src/jobsight/right.py", "def f():\n" + "    x = 1\n" * 59),
    (nothing_catches_all, "src/jobsight/engine/supervisor.py", "try:\n  x\nexcept Exception:\n  pass\n"),
    (nothing_catches_all, "src/jobsight/logs/sqlite.py", "try:\n  x\nexcept BaseException:\n  y\n  raise\n"),
    (no_clock_is_read, "src/jobsight/app/clock.py", "import time\nnow = time.time()\n"),
    (no_clock_is_read, "src/jobsight/engine/writer.py", "import time\nbegan = time.monotonic()\n"),
    (no_clock_is_read, "src/jobsight/engine/writer.py", "def f(time):\n    return time.time\n"),
    (no_address_is_written_down, "docs/a.md", "See homework/ and ./work" + "/here\n"),
]


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN, ids=lambda value: getattr(value, "__name__", ""))
def test_a_broken_rule_is_found(rule: Rule, path: str, text: str) -> None:
    """Each rule finds what it is there for, and its finding begins with the place."""
    findings = list(rule(path, text))

    assert 1 == len(findings)
    assert findings[0].startswith(f"{path}:")


@pytest.mark.parametrize(("rule", "path", "text"), SOUND, ids=lambda value: getattr(value, "__name__", ""))
def test_a_kept_rule_is_left_in_peace(rule: Rule, path: str, text: str) -> None:
    """A rule does not cry where its words allow."""
    assert [] == list(rule(path, text))


def test_a_name_without_docstring_is_found() -> None:
    """Modules, classes, functions and methods count; private, nested, overriding and fulfilling ones do not."""
    source = """
class Log:
    def append(self): "Add a batch."
    def read(self): ...
    def __len__(self): ...
    @overload
    def at(self): ...
class SqliteLog(base.Log):
    "On disk."
    def append(self): ...
    def trim(self): ...
def open_log():
    def step(): ...
def _private(): ...
class _Private:
    def method(self): ...
if True:
    def late(): ...
"""
    findings = names_without_docstring({"a.py": source})

    assert [
        "the module",
        "`Log`",
        "`Log.read`",
        "`SqliteLog.trim`",
        "`open_log`",
        "`late`",
    ] == [finding.split(": ")[1].split(" has no")[0] for finding in findings]
