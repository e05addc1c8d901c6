"""The documents tell the truth about the project."""

from __future__ import annotations

import importlib
import re
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
from transcript_runner import read_transcript

from docs import make_diagrams, run_snippets
from jobsight import errors
from jobsight.cli.commands import CLIENT_COMMANDS, COMMANDS
from jobsight.cli.commands import jobsight as command_line
from jobsight.core.check import Severity
from jobsight.core.rules import ALERT_RULES, SELF_RULES, SEVERITIES
from jobsight.protocol.refusals import Code
from jobsight.protocol.validation import MESSAGES

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"

TARGET = re.compile(r"^([a-z][a-z-]*):.*## (.+)$", re.MULTILINE)
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"!?\[[^\]]*\]\(<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\)|^\[[^\]]+\]:\s+(\S+)", re.MULTILINE)
ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
FIRST_CELL = re.compile(r"^\| ((?:`[^`]+`(?:, )?)+) \|", re.MULTILINE)


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
    """The addresses in a page that point into the project."""
    prose = CODE.sub("", FENCE.sub("", text))
    links = [first or second for first, second in LINK.findall(prose)]
    return [unquote(link) for link in links if not ELSEWHERE.match(link)]


def anchors_of(text: str) -> set[str]:
    """The anchors that a page's headings get."""
    plain = [heading.replace("`", "").lower() for heading in HEADING.findall(FENCE.sub("", text))]
    return {re.sub(r"[^\w -]", "", heading).replace(" ", "-") for heading in plain}


def broken_links(page: Path) -> Iterator[str]:
    """What is wrong with the links of a page."""
    for link in links_of(page.read_text()):
        path, _, anchor = link.partition("#")
        target = page if not path else ROOT / path.lstrip("/") if path.startswith("/") else page.parent / path
        if not target.exists():
            yield f"{page.relative_to(ROOT)}: the link to `{link}` leads nowhere: mend it, or add the page"
        elif anchor and target.suffix == ".md" and anchor not in anchors_of(target.read_text()):
            yield f"{page.relative_to(ROOT)}: the link to `{link}` names no heading there"


def sections_of(page: Path, level: str) -> dict[str, str]:
    """The sections of a page at a level of headings: heading without backticks -> text up to the next one, or a higher one."""
    parts = re.split(rf"^{level} +(.+?) *$", page.read_text(), flags=re.MULTILINE)
    higher = re.compile(rf"^#{{1,{len(level) - 1}}} ", re.MULTILINE)
    return {
        heading.replace("`", ""): higher.split(text)[0] for heading, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def first_cells(section: str) -> set[str]:
    """The names in the first column of the tables of a section."""
    return {name for cell in FIRST_CELL.findall(section) for name in re.findall(r"`([^`]+)`", cell)}


# ------------------------------------------------------------------------------------------------ what holds everywhere


def test_every_make_target_is_described() -> None:
    """A newcomer finds each target of the Makefile in CONTRIBUTING.md."""
    contributing = (ROOT / "CONTRIBUTING.md").read_text()
    targets = [name for name, _ in TARGET.findall((ROOT / "Makefile").read_text())]
    missing = [name for name in targets if f"`make {name}`" not in contributing]

    assert "setup" in targets
    assert not missing, f"CONTRIBUTING.md: describe {', '.join(f'`make {name}`' for name in missing)}"


def test_every_link_leads_somewhere() -> None:
    """A link between the project's pages and files never breaks."""
    findings = [finding for page in pages() for finding in broken_links(page)]

    assert not findings, "\n" + "\n".join(findings)


def test_links_are_found_and_code_is_left_alone() -> None:
    """Inline, image and reference links count; addresses elsewhere and code do not."""
    page = """
[a](docs/a.md#part) ![b](b%20c.png "title") [c](https://example.org) [d](#here) `[e](e.md)`
```text
[f](f.md)
```
[g]: ../g.md
"""
    assert ["docs/a.md#part", "b c.png", "#here", "../g.md"] == links_of(page)
    assert {"the-jobsight-log-cat-command"} == anchors_of("## The `jobsight log cat` command\n```sh\n# not this\n```\n")


def test_every_page_can_be_reached() -> None:
    """A reader who follows links from the README finds every page of the documentation."""
    reached: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            paths = (link.partition("#")[0] for link in links_of(page.read_text()))
            waiting += [(page.parent / path).resolve() for path in paths if path and (page.parent / path).exists()]
    lonely = [
        str(page.relative_to(ROOT)) for page in pages() if page.is_relative_to(ROOT / "docs") and page not in reached
    ]

    assert not lonely, f"docs/README.md: add a link to {', '.join(lonely)}"


# ------------------------------------------------------------------------------------------------------------- snippets


QUICK_COMMANDS_MAX = 3


def pages_with_snippets() -> Iterator[object]:
    """Every page with something to run; those with many commands take longer than a second."""
    for page in pages():
        commands_of_page = page.read_text().count("\n$ ")
        if run_snippets.SNIPPET.search(page.read_text()):
            is_slow = commands_of_page > QUICK_COMMANDS_MAX
            yield pytest.param(page, marks=pytest.mark.slow if is_slow else [], id=str(page.relative_to(ROOT)))


@pytest.mark.parametrize("page", list(pages_with_snippets()))
def test_every_snippet_prints_what_the_page_shows(page: Path) -> None:
    """Commands in the documentation can be typed as they stand, and print what stands below them."""
    snippets = run_snippets.SNIPPET.findall(page.read_text())
    shown = [command for snippet in snippets for command in run_snippets.commands_of(snippet)]
    printed = run_snippets.run(shown)

    for before, now in zip(shown, printed, strict=True):
        remedy = f"{page.relative_to(ROOT)}: run .venv/bin/python docs/run_snippets.py on it, and read what has changed"
        assert run_snippets.comparable(before.printed) == run_snippets.comparable(now.printed), (
            f"{before.typed}{remedy}"
        )


def test_the_example_of_the_readme_is_a_transcript() -> None:
    """What a newcomer sees first is held like every other part of the protocol."""
    transcript = read_transcript(ROOT / "tests" / "transcripts" / "readme_example.txt")
    example = run_snippets.commands_of(run_snippets.SNIPPET.findall((ROOT / "README.md").read_text())[0])[0]

    def said(mark: str) -> str:
        return b"".join(step.text for step in transcript.all_of(mark)).decode()

    assert said(">").splitlines() == example.shell.splitlines()[1:-1]
    assert said("<") == example.printed


def test_a_snippet_that_differs_is_seen() -> None:
    """The runner keeps state within a page, sees stderr and exit codes, and leaves out what differs from run to run."""
    page = "```console run\n$ n=1; cat <<'E'\n> a\n>\n> b\n> E\nwrong\n$ (exit 3)\n$ echo $? $n >&2\n```\n"
    run = run_snippets.rewritten(page)

    assert "```console run\n$ n=1; cat <<'E'\n> a\n>\n> b\n> E\na\n\nb\n$ (exit 3)\n$ echo $? $n >&2\n3 1\n```\n" == run
    assert "<moment> <ms> <log id>" == run_snippets.comparable(f"2026-11-23 12:41:59Z 1795437719700 {'0a' * 16}")


# ------------------------------------------------------------------------------------------------------------- diagrams


def test_the_diagrams_are_those_of_the_tables() -> None:
    """The pictures of the job machine and of the alert machine never differ from the rules."""
    page = make_diagrams.PAGE.read_text()

    assert page == make_diagrams.redrawn(page), "run .venv/bin/python docs/make_diagrams.py"


# ------------------------------------------------------------------------------------------------------------ references


def commands() -> dict[str, set[str]]:
    """Every command -> its long options, without `--help`."""
    found: dict[str, set[str]] = {}
    waiting = [(f"jobsight {name}", command_line.get_command(click.Context(command_line), name)) for name in COMMANDS]
    while waiting:
        name, command = waiting.pop()
        if isinstance(command, click.Group):
            waiting += [(f"{name} {inner}", below) for inner, below in command.commands.items()]
        elif command is not None:
            found[name] = {text for one in command.params for text in one.opts if text.startswith("--")}
    for name in CLIENT_COMMANDS:
        options: Mapping[str, str] = importlib.import_module(f"jobsight.client.{name}").OPTIONS
        found[f"jobsight {name}"] = {text for text in options if text.startswith("--")} - {"--help"}
    return found


def test_every_command_and_option_is_described_and_no_other() -> None:
    """docs/reference/cli.md and the command line say the same."""
    sections = {
        name: text for name, text in sections_of(REFERENCE / "cli.md", "##").items() if name.startswith("jobsight")
    }
    described = {name: {cell.split()[0] for cell in first_cells(text)} for name, text in sections.items()}
    listed = re.findall(r"^\| \[`(jobsight [a-z -]+)`\]", (REFERENCE / "cli.md").read_text(), re.MULTILINE)

    assert commands() == described
    assert set(commands()) == set(listed)


def test_every_message_and_field_is_described_and_no_other() -> None:
    """docs/reference/protocol.md and the table of messages say the same."""
    page = REFERENCE / "protocol.md"
    sections = {name: FENCE.sub("", text) for name, text in sections_of(page, "###").items()}
    of_every_report = first_cells(page.read_text().partition("## Reports")[2].partition("\n###")[0]) - {"msg_id"}
    described = {name: first_cells(text.partition("| field of the reply")[0]) for name, text in sections.items()}
    described["list_jobs"] -= {"count"}
    reports = {name for name, one in MESSAGES.items() if of_every_report <= set(one.rules)}
    expected = {
        name: set(one.rules) - (of_every_report if name in reports else set()) for name, one in MESSAGES.items()
    }
    required = {
        name: set(re.findall(r"^\| `(\w+)` \| \*\*required", text, re.MULTILINE)) for name, text in sections.items()
    }

    assert {"update_status", "job_completed", "job_failed", "heartbeat", "job_cancelled"} == reports
    assert expected == described
    assert {
        n: set(one.required) - (of_every_report if n in reports else set()) for n, one in MESSAGES.items()
    } == required


def test_every_rule_is_described_and_how_bad_it_is() -> None:
    """docs/reference/rules.md has a row for every rule that opens alerts, with its severity, and for no other."""
    rows = re.findall(
        r"^\| `([a-z_.]+)` \|.*\| (critical|warning) \|$", (REFERENCE / "rules.md").read_text(), re.MULTILINE
    )
    known = {rule: str(SEVERITIES.get(rule, Severity.CRITICAL)) for rule in (*ALERT_RULES, *SELF_RULES)}

    assert known == dict(rows)


def test_every_error_code_is_described() -> None:
    """docs/reference/protocol.md lists the codes of refusals."""
    section = sections_of(REFERENCE / "protocol.md", "##")["Errors"]
    described = {int(code): name for code, name in re.findall(r"^\| (\d+) \| ([a-z ]+) \|", section, re.MULTILINE)}

    assert {int(code): code.name.lower().replace("_", " ") for code in Code} == described


def test_every_exit_code_is_described() -> None:
    """docs/reference/cli.md lists the exceptions with their exit codes."""
    section = sections_of(REFERENCE / "cli.md", "##")["Exit codes"]
    described = {(name, int(code)) for code, name in re.findall(r"^\| (\d+) \| `(\w+)` \|", section, re.MULTILINE)}
    known = {(one.__name__, one.exit_code) for one in vars(errors).values() if isinstance(one, type)}

    assert known == described


def test_every_dependency_has_its_reason() -> None:
    """docs/explanation/dependencies.md names each package that is installed, and no other."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = settings["project"]["optional-dependencies"].values()
    groups = [settings["project"]["dependencies"], *extras, *settings["dependency-groups"].values()]
    packages = {re.split(r"[\[<>=~!; ]", line)[0] for group in groups for line in group}
    rows = re.findall(r"^\| (`.+)$", (ROOT / "docs" / "explanation" / "dependencies.md").read_text(), re.MULTILINE)
    described = {name for row in rows for cell in row.split(" | ")[:-1] for name in re.findall(r"`([\w-]+)`", cell)}

    assert packages == described
