"""What the monitor's answer to a request means for the lines in it."""

from __future__ import annotations

import enum

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


class Verdict(enum.Enum):
    """What became of one line."""

    STORED = enum.auto()
    REFUSED = enum.auto()
    """For ever: sent again, it would be refused again."""
    AGAIN = enum.auto()
    """Not stored, or nobody knows."""


class Trouble(enum.Enum):
    """Why lines have no answer."""

    AWAY = enum.auto()
    SLOW = enum.auto()
    """No answer in time: the lines may be stored all the same."""
    BUSY = enum.auto()
    DENIED = enum.auto()
    """The token is missing, wrong, or may not report."""
    ASTRAY = enum.auto()
    """What answers there is not Jobsight, or not at this address."""
    UNACCEPTABLE = enum.auto()
    """The request as a whole: too large, or a line of it breaks the rest."""


class Answer:
    """The monitor's reply to one line: `text` is the reply itself, of a refusal its words."""

    __slots__ = ("text", "verdict")

    def __init__(self, verdict: Verdict, text: str) -> None:
        self.verdict = verdict
        self.text = text


class Failure:
    """Why not every line has an answer: what kind, in words, and how long to wait (seconds) if the monitor said so."""

    __slots__ = ("retry_after_s", "text", "trouble")

    def __init__(self, trouble: Trouble, text: str, retry_after_s: float | None = None) -> None:
        self.trouble = trouble
        self.text = text
        self.retry_after_s = retry_after_s


class Posted:
    """Answers for the first lines, in order; and why the others have none."""

    __slots__ = ("answers", "failure")

    def __init__(self, answers: Sequence[Answer], failure: Failure | None) -> None:
        self.answers = answers
        self.failure = failure
