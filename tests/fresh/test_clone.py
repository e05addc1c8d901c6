"""A clone in an empty folder, on a machine with Python, make and git: what the README tells a newcomer to type works."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fresh.machine import INSIDE, ROOT, monitor, needs_a_whole_machine, run, samples, surroundings
from transcript_runner import read_transcript

TUTORIALS = "README or docs/tutorial or test_delivery_tutorial"


@pytest.mark.slow
@pytest.mark.timeout(900)
@needs_a_whole_machine
def test_a_newcomer_gets_what_the_readme_says(tmp_path: Path) -> None:
    """Clone, `make setup`, `make node`, `python3 main.py`, `make run`, `make test`, the tutorials; and the clone stays clean."""
    env = surroundings(tmp_path)
    clone = tmp_path / "jobsight"
    run("git", "clone", "--quiet", str(ROOT), str(clone), cwd=tmp_path, env=env)

    made = run("make", "setup", cwd=clone, env=env)
    assert made.stderr.endswith("Ready: .venv/bin/jobsight\n"), "setup says last that all is there"

    the_node_answers_the_example(clone, env)
    main_answers_the_samples(clone, env)
    the_monitor_starts_and_ends(clone, env, tmp_path)
    its_tests_and_tutorials_work(clone, env)

    assert "" == run("git", "status", "--porcelain", cwd=clone, env=env).stdout, "nothing that was made is in the way"


def the_node_answers_the_example(clone: Path, env: dict[str, str]) -> None:
    """`make node` answers the example on the first screen as it stands there, and prints nothing else."""
    steps = read_transcript(clone / "tests" / "transcripts" / "readme_example.txt").steps
    asked, answered = ("".join(step.text.decode() for step in steps if step.mark == mark) for mark in "><")

    assert answered == run("make", "node", cwd=clone, env=env, stdin=asked).stdout


def main_answers_the_samples(clone: Path, env: dict[str, str]) -> None:
    """`python3 main.py`, with the machine's plain Python, gives the lines that the specification expects."""
    for sent, expected in samples():
        assert expected == run("python3", "main.py", cwd=clone, env=env, stdin=sent).stdout


def the_monitor_starts_and_ends(clone: Path, env: dict[str, str], folder: Path) -> None:
    """`make run` prints an address and a command to try; the command works; a signal ends the monitor in good order."""
    words = ("make", "run", f"ARGS=--data {folder / 'data'} --listen 127.0.0.1:0")
    with monitor(*words, cwd=clone, env=env, data=folder / "data") as tip:
        told = run("sh", "-c", tip, cwd=folder, env=env).stdout

    assert '"type": "status_updated"' in told


def its_tests_and_tutorials_work(clone: Path, env: dict[str, str]) -> None:
    """`make test` makes its checks there too; of the tests it runs those that follow the README and the tutorials."""
    picked = f'tests/test_docs.py tests/integration/test_delivery_tutorial.py -n 2 -k "{TUTORIALS}"'
    done = run("make", "test", f"ARGS={picked}", cwd=clone, env=env)

    assert INSIDE in env, "or it would clone again"
    assert re.fullmatch(r"=+ \d+ passed in .*=", done.stdout.splitlines()[-1]), done.stdout[-1000:]
