"""What commands print for people."""

from __future__ import annotations

import pytest

from jobsight.cli.output import print_fields
from jobsight.core.counted import counted


def test_a_text_of_several_lines_keeps_them_and_poses_as_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback can be read as it was; no line of it can look like another field, or steer the terminal."""
    print_fields([("error", "boom"), ("message", "Traceback:\n  x = 1\x1b[2J\nstatus completed\r\n"), ("events", "3")])

    assert [
        "FIELD    VALUE",
        "error    boom",
        "message  Traceback:",
        "           x = 1\\x1b[2J",
        "         status completed\\x0d",
        "events   3",
    ] == capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 batches"), (1, "1 batch"), (2, "2 batches"), (1_200, "1,200 batches")]
)
def test_one_thing_is_one_thing(count: int, said: str) -> None:
    """What commands count reads as a person would say it."""
    assert said == counted(count, "batch", "batches")
