r"""
Runs the snippets of the documentation, and pastes what they print.

    .venv/bin/python docs/run_snippets.py docs/tutorial/first-tour.md ...

A snippet that is run opens with ```console run. `$ ` begins a command, `> ` continues it, everything else is output:

    $ jobsight log cat --data demo \
    > --job j1
    {"seq": 1, ...}

The snippets of a page are one shell session in an empty folder, in order, so that `cd`, files and `$?` hold on. stdout
and stderr are shown together. A test runs all of them and compares; what differs from run to run (times, identities,
process numbers, free space) is left out of the comparison.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

SNIPPET = re.compile(r"(?<=^```console run\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
MARK = "\x1e"
SECONDS_MAX = 30

# What a run decides, and what stands for it in a comparison. Longer patterns first.
VARYING = (
    (re.compile(r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"), "<moment>"),
    (re.compile(r"\b1[78]\d{11}\b"), "<ms>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<log id>"),
    (re.compile(r"\bprocess \d+"), "process <number>"),
    (re.compile(r"[\d,]+ MB free"), "<free space>"),
    (re.compile(r"^(python|sqlite)( +\w+ +).*$", re.MULTILINE), r"\1\2<version>"),
    (re.compile(r"\bsilence [a-z2-9]{10}\b"), "silence <id>"),
    (re.compile(r"\"throughput_per_s\": [\d.e-]+"), '"throughput_per_s": <rate>'),
)


class Command(NamedTuple):
    """One command of a snippet: as it is typed, and what it prints."""

    typed: str
    printed: str

    @property
    def shell(self) -> str:
        """As a shell reads it, without prompts."""
        return "\n".join(line[2:] for line in self.typed.splitlines())


def commands_of(snippet: str) -> list[Command]:
    """The commands of one snippet, with the output that the page shows."""
    commands: list[Command] = []
    for line in snippet.splitlines():
        if line.startswith("$ "):
            commands.append(Command(line + "\n", ""))
            continue
        typed, printed = commands.pop()
        is_input = not printed and (line == ">" or line.startswith("> "))
        commands.append(Command(typed + line + "\n", "") if is_input else Command(typed, printed + line + "\n"))
    return commands


def run(commands: list[Command]) -> list[Command]:
    """The same commands with what they print now, run by one shell in an empty folder."""
    script = "".join(f"{command.shell}\n__code=$?; printf '\\x1e'; (exit $__code)\n" for command in commands)
    with tempfile.TemporaryDirectory() as folder:
        surroundings = {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": folder,
            "LC_ALL": "C.UTF-8",
            "TERM": "dumb",
        }
        done = subprocess.run(  # noqa: S603 - commands of the project's own pages
            ["bash", "-c", script],  # noqa: S607 - the one on PATH, as its reader has it
            cwd=folder,
            env=surroundings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS_MAX,
            check=False,
            text=True,
        )
    printed = done.stdout.split(MARK)[: len(commands)]
    return [Command(command.typed, text) for command, text in zip(commands, printed, strict=True)]


def comparable(text: str) -> str:
    """Output without what differs from run to run."""
    for pattern, stand_in in VARYING:
        text = pattern.sub(stand_in, text)
    return text


def rewritten(page: str) -> str:
    """A page with the output of its snippets as they print it now."""
    snippets = [commands_of(snippet) for snippet in SNIPPET.findall(page)]
    now = iter(run([command for commands in snippets for command in commands]))
    texts = iter(["".join(typed + printed for typed, printed in [next(now) for _ in one]) for one in snippets])
    return SNIPPET.sub(lambda _: next(texts), page)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        Path(name).write_text(rewritten(Path(name).read_text()))
