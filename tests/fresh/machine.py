"""
What a machine has on which nobody has worked yet: a Python without packages, make and git, and the package index.

The processes that the tests here start see nothing of this environment: no virtual environment, no settings of ours.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from http_service import until

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLES = ROOT / "tests" / "samples"
INSIDE = "JOBSIGHT_INSIDE_A_FRESH_MACHINE"
"""Set for everything that runs in a fresh clone, so that its tests do not clone again."""

SECONDS_MAX = 600
OURS = ("JOBSIGHT_", "PYTHON", "PYTEST_", "VIRTUAL_ENV", "COVERAGE", "MAKE", "MFLAGS", "UV_PYTHON")

UNREACHABLE = "error sending request for url"
"""What uv says where there is no network. What an index does not have is another error, and fails the test."""

needs_a_whole_machine = pytest.mark.skipif(INSIDE in os.environ, reason="this is the fresh machine")


class Python(NamedTuple):
    """An interpreter of this machine, outside of any virtual environment."""

    version: tuple[int, int]
    path: str


@cache
def pythons() -> tuple[Python, ...]:
    """One interpreter of each version from 3.11 on, the oldest first; the one that runs this is among them."""
    names = [f"python3.{minor}" for minor in range(11, 30)]
    places = [getattr(sys, "_base_executable", sys.executable), *filter(None, map(shutil.which, names))]
    for pattern in (".pyenv/versions/*/bin/python3", ".local/share/uv/python/*/bin/python3"):
        places += sorted(str(path) for path in Path.home().glob(pattern))
    found: dict[tuple[int, int], Python] = {}
    for place in places:
        python = _look_at(place)
        if python is not None and python.version >= (3, 11):
            found.setdefault(python.version, python)
    return tuple(found[version] for version in sorted(found))


@cache
def _look_at(place: str) -> Python | None:
    """The interpreter there, where it starts and has what a virtual environment needs."""
    script = "import ensurepip, json, ssl, sys, venv; print(json.dumps([*sys.version_info[:2], sys._base_executable]))"
    try:
        told = subprocess.run([place, "-I", "-c", script], capture_output=True, text=True, timeout=30)
        major, minor, path = json.loads(told.stdout)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return Python((major, minor), path)


def surroundings(folder: Path, *, has_node: bool = True, python: Python | None = None) -> dict[str, str]:
    """
    The environment of a fresh machine: the system's own commands, `python3`, and what reaches the package index.

    Args:
        folder: For the commands; made.
        has_node: Whether `node` and `npm` are among them.
        python: What `python3` is; by default the Python on which these tests run.
    """
    commands = folder / "commands"
    commands.mkdir()
    base = getattr(sys, "_base_executable", sys.executable) if python is None else python.path
    (commands / "python3").symlink_to(base)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    system = [place for place in ("/usr/local/bin", "/usr/bin", "/bin") if Path(place).is_dir()]
    if not has_node:
        system = [str(_without_node(folder, system))]
    return {**kept, "PATH": os.pathsep.join([str(commands), *system]), INSIDE: "1", "LC_ALL": "C.UTF-8"}


def _without_node(folder: Path, system: list[str]) -> Path:
    """The same commands in a folder of their own, but for Node's."""
    rest = folder / "rest"
    rest.mkdir()
    for place in system:
        for command in Path(place).iterdir():
            link = rest / command.name
            if command.name not in {"node", "nodejs", "npm", "npx", "corepack"} and not link.is_symlink():
                link.symlink_to(command)
    return rest


def run(
    *words: str, cwd: Path, env: dict[str, str], stdin: str = "", expected: int = 0, or_skip: str = ""
) -> subprocess.CompletedProcess[str]:
    """A command to its end; its output is shown where it does not end as expected, unless it says why the test is to be skipped."""
    done = subprocess.run(
        words, cwd=cwd, env=env, input=stdin, capture_output=True, text=True, timeout=SECONDS_MAX, check=False
    )
    if done.returncode and or_skip and or_skip in done.stderr:
        pytest.skip(f"{or_skip}: {done.stderr.strip().splitlines()[-1]}")
    assert expected == done.returncode, f"{' '.join(words)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done


def installed(folder: Path, python: Python, *packages: str, has_node: bool = True) -> Path:
    """The `bin` of a new environment in which packages (and options of pip) were installed, with everything that they need."""
    env = surroundings(folder, has_node=has_node) | _index_of_pip()
    uv = (sys.executable, "-m", "uv")
    run(*uv, "venv", "--quiet", "--python", python.path, "new", cwd=folder, env=env)
    install = (*uv, "pip", "install", "--quiet", "--python", "new/bin/python", *packages)
    run(*install, cwd=folder, env=env, or_skip=UNREACHABLE)
    return folder / "new" / "bin"


@cache
def _index_of_pip() -> dict[str, str]:
    """Where pip is told to fetch packages from, uv does too."""
    told = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True
    )
    return {} if told.returncode else {"UV_DEFAULT_INDEX": told.stdout.strip()}


@contextmanager
def monitor(*words: str, cwd: Path, env: dict[str, str], data: Path) -> Iterator[str]:
    """
    A service that runs for a block, and ends in good order behind it.

    Args:
        words: The command.
        data: Its data folder, in which the process that is to be ended has left its number.

    Returns:
        The command that it gives to try.
    """
    errors = data.with_name("stderr")
    with errors.open("wb") as stderr:
        process = subprocess.Popen(words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stderr=stderr)
    try:
        tip = until(lambda: re.search(r"^jobsight: try: (.+)$", errors.read_text(), re.MULTILINE), "a command to try")
        yield tip[1]
        os.kill(int((data / "lock").read_text()), signal.SIGTERM)
        assert 0 == process.wait(30), errors.read_text()
    finally:
        process.terminate()
        process.wait(30)


def samples() -> Iterator[tuple[str, str]]:
    """The specification's samples: what goes in, as its page prints it, and the line that comes out."""
    for expected in sorted(SAMPLES.glob("*.expected.txt")):
        name = expected.name.removesuffix(".expected.txt")
        yield (SAMPLES / f"{name}.input.txt").read_text(), expected.read_text().rstrip("\n") + "\n"
