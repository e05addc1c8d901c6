"""Every transcript in this folder holds: on every log, however its bytes arrive, over restarts, and with the real process."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from transcript_runner import (
    Cut,
    Node,
    Transcript,
    a_byte_a_read,
    a_line_a_read,
    compare_lines,
    in_one_read,
    read_transcript,
    replay,
    transcripts,
)

FOLDER = Path(__file__).parent
ALL = list(transcripts(FOLDER))
JOBSIGHT = Path(sys.executable).parent / "jobsight"

every_transcript = pytest.mark.parametrize("transcript", ALL, ids=lambda one: one.path.stem)


def new_node(transcript: Transcript, data: Path | None = None) -> Node:
    """A node that was started as the transcript wants it."""
    limit = transcript.options.get("max_retries")
    replies = transcript.options.get("replies", "auto")
    return Node(data, retries_max=None if limit is None else int(limit), replies=replies)


@every_transcript
@pytest.mark.parametrize("cut", [in_one_read, a_line_a_read, a_byte_a_read], ids=lambda cut: cut.__name__)
def test_it_holds_in_memory(transcript: Transcript, cut: Cut) -> None:
    """The answers do not depend on how the bytes were cut into reads."""
    replay(transcript, new_node(transcript), cut=cut)


@every_transcript
def test_it_holds_on_disk(transcript: Transcript, tmp_path: Path) -> None:
    """With a data folder the answers are the same."""
    node = new_node(transcript, data=tmp_path / "folder")

    replay(transcript, node)
    node.close()


@every_transcript
def test_it_holds_over_restarts(transcript: Transcript, tmp_path: Path) -> None:
    """A node that is restarted after every line answers as if it had never stopped: replay equals live."""
    node = new_node(transcript, data=tmp_path / "folder")

    replay(transcript, node, cut=a_line_a_read, restarts=True)
    node.close()


@pytest.mark.parametrize("transcript", [one for one in ALL if not one.steps_the_clock], ids=lambda one: one.path.stem)
def test_it_holds_for_the_process(transcript: Transcript) -> None:
    """The installed program answers what the parts of it answer."""
    options = [word for name, value in transcript.options.items() for word in (f"--{name.replace('_', '-')}", value)]

    done = subprocess.run(
        [JOBSIGHT, "node", *options],
        input=b"".join(step.text for step in transcript.all_of(">")),
        capture_output=True,
        timeout=30,
    )

    compare_lines(transcript.path.name, transcript.all_of("<"), done.stdout.splitlines(keepends=True))
    told = [line for line in done.stderr.decode().splitlines() if not re.match(r"jobsight: (refused )?\d+ ", line)]
    expected = [step.text.decode() for step in transcript.all_of("!")]
    assert len(expected) == len(told), told
    assert all(words in line for words, line in zip(expected, told, strict=True)), told
    assert 0 == done.returncode


def test_every_row_of_the_specification_has_a_transcript() -> None:
    """None of P1 to P24 is without one."""
    numbered = {int(found[1]) for one in ALL if (found := re.match(r"p(\d\d)_", one.path.name))}

    assert set(range(1, 25)) == numbered


def test_a_transcript_that_differs_fails(tmp_path: Path) -> None:
    """The runner sees a wrong answer, a missing one, one too many, and a missing complaint."""
    beat = '> {"type": "heartbeat", "msg_id": 1, "job_id": "j"}\n'
    good = '< {"type": "heartbeat_ok", "in_reply_to": 1, "job_id": "j"}\n'
    path = tmp_path / "one.txt"

    path.write_text("# A promise.\n" + beat + good)
    replay(read_transcript(path), Node())
    for wrong in (
        beat + good.replace('"j"', '"k"'),
        beat,
        beat + good + good,
        beat + good + "! nothing\n",
        beat + "$\n",
    ):
        path.write_text("# A promise.\n" + wrong)
        with pytest.raises(AssertionError, match=r"one\.txt"):
            replay(read_transcript(path), Node())


@pytest.mark.parametrize("text", ["? x\n", "# A promise.\n=> x\n", "> {}\n"])
def test_a_transcript_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    """A slip of the pen never passes as an empty test."""
    path = tmp_path / "one.txt"
    path.write_text(text)

    with pytest.raises(ValueError, match=r"one\.txt"):
        read_transcript(path)
