"""Groups of alerts that one channel is told of together, and when that may happen."""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

from msgspec import Struct, field

from jobsight.core.decision import GROUP_WAIT_MS, REPEAT_MS, STORM_SENT_MAX, STORM_WINDOW_MS, group_due_ms

STORM: Final = "(storm)"
"""Name of the group that takes, for each channel, what would be too much to be told one by one."""


class Group(Struct, kw_only=True):
    """
    What one channel was told, and is to be told, of the alerts that have something in common.

    Attributes:
        key: Names it among all groups of all channels; `name` is what its alerts have in common.
        episode: Place in the log of the event that began it.
        sent_ms: When the channel was last told of it; `sent` how often.
        repeat_ms: When what still fires is told again.
        waiting: Alerts with something to be told, by alert_id: the name of the group each belongs to.
        members: Open alerts that were told.
        summarized: Those of them that were told in a summary, under the group's own dedup key.
        due_ms: The group's one next deadline; None while nothing waits.
    """

    key: str
    channel: str
    name: str
    episode: int
    sent_ms: int | None = None
    sent: int = 0
    repeat_ms: int | None = None
    waiting: dict[str, str] = field(default_factory=dict)
    members: dict[str, None] = field(default_factory=dict)
    summarized: dict[str, None] = field(default_factory=dict)
    due_ms: int | None = None
    is_dirty: bool = False

    @property
    def dedup_key(self) -> str:
        """What the outside knows the summaries of this group by."""
        digest = blake2b(self.key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        return f"jobsight:{digest}:{self.episode}"


class ChannelPace(Struct, kw_only=True):
    """When a channel was told something, within the last window (ms UTC); `is_dirty` until that is stored."""

    sent: list[int] = field(default_factory=list)


def group_key_of(channel: str, name: str) -> str:
    """The key of a channel's group."""
    return f"{channel}|{name}"


def plan(group: Group, at_ms: int) -> None:
    """Set the group's next deadline anew, from what waits and what may have to be repeated."""
    due: int | None = None
    if group.waiting:
        if group.sent_ms is not None:
            due = max(at_ms, group_due_ms(group.sent_ms, group.sent))
        else:
            due = group.due_ms if group.due_ms is not None else at_ms + GROUP_WAIT_MS
    if group.members and group.repeat_ms is not None:
        due = group.repeat_ms if due is None else min(due, group.repeat_ms)
    group.due_ms = due


def note_sent(group: Group, at_ms: int) -> None:
    """The channel is told of the group at this moment."""
    group.sent_ms = at_ms
    group.sent += 1
    group.repeat_ms = at_ms + REPEAT_MS


def has_room(pace: ChannelPace, at_ms: int, *, is_last_one: bool) -> bool:
    """Whether a channel may be told one thing more in this window; the last place is for a summary of the rest."""
    pace.sent = [sent_ms for sent_ms in pace.sent if at_ms - STORM_WINDOW_MS < sent_ms <= at_ms]
    return len(pace.sent) < STORM_SENT_MAX - (0 if is_last_one else 1)
