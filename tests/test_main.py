"""`python main.py` finds what it needs, or says in one line what to run."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout in which `make setup` has not run."""
    shutil.copy(ROOT / "main.py", tmp_path)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    return tmp_path


def start_plain(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run main.py on a Python that has no packages installed."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "main.py", *arguments],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=20,
        stdin=subprocess.DEVNULL,
    )


def put_in_venv(checkout: Path, script: str) -> None:
    """Make this shell script the Python of `.venv`."""
    python = checkout / ".venv" / "bin" / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)


def test_it_goes_on_in_the_virtual_environment_with_the_same_arguments(checkout: Path) -> None:
    """The machine's plain Python is enough to start it once `make setup` has run."""
    put_in_venv(checkout, 'printf "%s|" "$@"; exit 7')

    done = start_plain(checkout, "--data", "a folder")

    assert (7, f"-X|jobsight-venv|{checkout}/main.py|--data|a folder|", "") == (
        done.returncode,
        done.stdout,
        done.stderr,
    )


@pytest.mark.parametrize(
    "script",
    [
        pytest.param(None, id="no environment"),
        pytest.param(f'exec {sys.executable} -I -S "$@"', id="an empty environment"),
    ],
)
def test_without_its_dependencies_it_says_what_to_run(checkout: Path, script: str | None) -> None:
    """One line on stderr names the remedy, exit code 78 says configuration; it does not start itself for ever."""
    if script is not None:
        put_in_venv(checkout, script)

    done = start_plain(checkout)

    assert 78 == done.returncode
    assert "" == done.stdout
    assert 1 == done.stderr.count("\n")
    assert "run `make setup` in" in done.stderr


def test_an_environment_that_cannot_start_is_no_environment(checkout: Path) -> None:
    """A `.venv` that was copied from another system leads to the same line, not to a traceback."""
    (checkout / ".venv" / "bin" / "python").write_text("not a program")

    done = start_plain(checkout)

    assert 78 == done.returncode
    assert 1 == done.stderr.count("\n")
