"""What the verification of a log found."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from jobsight.core.counted import counted
from jobsight.logs.base import Head


class Damage(Enum):
    """What is wrong with the first bad batch of a log; the value says it in words."""

    MISSING = "its row is missing"
    CHECKSUM = "its checksum differs from what is stored"
    UNREADABLE = "its payload cannot be decompressed"
    COUNT = "its payload holds another number of lines than its header says"
    FILE = "the file cannot be read there"
    TAIL = "it was stored after the last one that can be read, in log.db-wal, where a page is damaged"
    STRUCTURE = "every batch is sound, but the file's structure is damaged"


class Verdict(Struct, frozen=True, kw_only=True):
    """
    What a verification found.

    Attributes:
        batches, events: Sound ones, from the first on, up to the first bad one.
        head: The last sound batch; where the chain begins when there is none.
        damage: What is wrong with the batch after `head`; None when the log is sound. `STRUCTURE` loses no batch.
        detail: What SQLite or the decompressor said, or nothing.
    """

    batches: int
    events: int
    head: Head
    damage: Damage | None = None
    detail: str = ""

    @property
    def first_bad_seq(self) -> int | None:
        """The first batch that is not sound; None when all are."""
        return None if self.damage in {None, Damage.STRUCTURE} else self.head.seq + 1


def words(verdict: Verdict) -> str:
    """A verdict as a sentence for an operator."""
    sound = (
        f"{counted(verdict.batches, 'batch', 'batches')} with {counted(verdict.events, 'event is', 'events are')} sound"
    )
    if verdict.damage is None:
        return sound
    detail = f" ({verdict.detail})" if verdict.detail else ""
    if verdict.damage is Damage.STRUCTURE:
        return f"{sound}; {verdict.damage.value}{detail}"
    return f"{sound}; batch {verdict.first_bad_seq} is bad: {verdict.damage.value}{detail}"
