"""The tutorial on the first alert, done as it is written, by a newcomer with two terminals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from http_service import DEADLINE_S, environment, until

from docs.run_snippets import Command, commands_of, comparable
from jobsight.testing.sinks import closed_port

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = ROOT / "docs" / "tutorial" / "first-alert.md"
PIECE = re.compile(
    r"^```(console inbox|console service|console worker|text inbox|toml)\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
VARYING = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d( UTC|Z)|\S+(?=/\.venv/bin/jobsight run)")


class Terminal:
    """A shell that is typed into; what it shows stands in a file."""

    def __init__(self, folder: Path, name: str) -> None:
        self.shown = folder / name
        out = self.shown.open("wb")
        self.shell = subprocess.Popen(
            ["bash"],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder / "clone",
            env=environment(HOME=str(folder), LC_ALL="C.UTF-8", PYTHONUNBUFFERED="1"),
            start_new_session=True,
        )
        out.close()
        self._count = 0

    def type(self, command: Command) -> str:
        """What a command prints until its first line is there, if it runs on (`&`), or else until it ends."""
        before = len(self.shown.read_bytes())
        self._count += 1
        mark = f"<{self._count}>"
        end = "" if command.shell.endswith("&") else f"\n__code=$?; echo '{mark}'; (exit $__code)"
        assert self.shell.stdin is not None
        self.shell.stdin.write(f"{command.shell}{end}\n".encode())
        self.shell.stdin.flush()
        awaited = command.printed.strip() if not end else mark

        def is_there() -> bool:
            return awaited in self.shown.read_bytes()[before:].decode()

        until(is_there, f"{awaited!r} of {command.typed}")
        text = self.shown.read_bytes()[before:].decode()
        return text.partition(mark)[0] if end else command.printed

    def close(self) -> None:
        """End the shell and what it has started."""
        if self.shell.stdin is not None:
            self.shell.stdin.close()
        os.killpg(self.shell.pid, signal.SIGTERM)
        self.shell.wait(DEADLINE_S)


def same(text: str) -> list[str]:
    """Lines without what differs from run to run."""
    return [line.rstrip() for line in VARYING.sub("<varies>", comparable(text)).splitlines()]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_newcomer_gets_the_alerts_that_the_tutorial_shows(tmp_path: Path) -> None:
    """Every command prints what stands below it, every mail arrives; from the first command to the first alert in minutes."""
    clone = tmp_path / "clone"
    clone.mkdir()
    for name in ("examples", ".venv"):
        (clone / name).symlink_to(ROOT / name)
    inbox = str(closed_port())
    text = PAGE.read_text().replace("2525", inbox).replace("8787", str(closed_port()))
    text = text.replace("inbox.py &", f"inbox.py --port {inbox} &")
    port = re.search(r"listening on (http://127.0.0.1:\d+)", text)
    assert port is not None
    text = text.replace("$ export PATH", f"$ export JOBSIGHT_SERVER={port[1]} PATH")
    text = text.replace("serve --data watched &", f"serve --data watched --listen {port[1][7:]} &")
    first, second = Terminal(tmp_path, "first"), Terminal(tmp_path, "second")
    began, first_mail_s, seen = time.monotonic(), 0.0, 0
    try:
        for kind, content in PIECE.findall(text):
            if kind == "toml":
                (clone / "jobsight.toml").write_text(content)
            elif kind == "text inbox":
                for line in same(content):
                    until(lambda line=line: any(line in one for one in same(first.shown.read_text())), line)
                first_mail_s = first_mail_s or time.monotonic() - began
                seen += 1
            else:
                terminal = second if kind == "console worker" else first
                for command in commands_of(content):
                    assert same(command.printed) == same(terminal.type(command)), command.typed
    finally:
        second.close()
        first.close()

    assert 3 == seen
    assert first_mail_s < 60
