"""
Far sides that forget are told again what still holds: every open alert of which they know, and for a while what is over.

Nothing of this stands in the log: it follows from the state at any moment, and each time takes the place of the last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol, runtime_checkable

from jobsight.core.alert import ACKNOWLEDGED, Alert
from jobsight.core.decision import Reason
from jobsight.core.notices import notice_of, summary_of
from jobsight.core.outbox import Delivery, Notice, NoticeKind
from jobsight.core.state import State
from jobsight.engine.supervisor import outcome_of
from jobsight.notifiers.base import Notification, Notifier

REPOST_SECONDS_MAX: Final = 30
DAY_MS: Final = 86_400_000


@runtime_checkable
class Forgetful(Protocol):
    """A channel whose far side forgets."""

    name: str
    repost_every_ms: int | None
    repost_resolved_ms: int

    async def repost(self, notifications: Sequence[Notification], *, is_well: bool, now_ms: int) -> None:
        """
        Tell again what holds, all at once; `is_well`: and that somebody watches.

        Raises:
            DeliveryError: It was not taken.
        """
        ...


class Reposts:
    """
    Tells forgetful channels again, each at its own pace. Lives on the writer's loop.

    Args:
        state: The writer's.
        channels: By name; those that do not forget are left alone.
        notification_of: A delivery as its channel takes it, with links and output.
        faults: What is wrong with the monitor; while anything is, nobody is told that it watches.
        clock_ms: Wall time, ms since the epoch, UTC.
        say: Told when a channel does not take it, and when it does again.
    """

    def __init__(
        self,
        state: State,
        channels: Mapping[str, Notifier],
        notification_of: Callable[[Delivery], Notification],
        faults: Callable[[], list[str]],
        clock_ms: Callable[[], int],
        say: Callable[[str], None],
    ) -> None:
        self._state: Final = state
        self._channels: Final = [channel for channel in channels.values() if isinstance(channel, Forgetful)]
        self._notification_of: Final = notification_of
        self._faults: Final = faults
        self._clock_ms: Final = clock_ms
        self._say: Final = say
        self._over: dict[str, dict[str, tuple[int, Notification]]] = {one.name: {} for one in self._channels}
        self._made: dict[tuple[str, str], tuple[tuple[int, ...], Notification]] = {}
        self._silent: set[str] = set()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(self._run(channel)) for channel in self._channels]

    async def close(self) -> None:
        """End."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def resume(self, taken_since: Callable[[int], Sequence[Delivery]]) -> None:
        """
        Go on where an earlier process has ended: what was over a moment before is told again as long as it would have been.

        Args:
            taken_since: What channels took since a moment, ms UTC, in its order; asked only where a channel forgets.
        """
        if self._channels:
            now_ms = self._clock_ms()
            for one in taken_since(now_ms - max(channel.repost_resolved_ms for channel in self._channels)):
                if one.channel in self._over:
                    self._note(one, self._notification_of(one), now_ms if one.done_ms is None else one.done_ms)

    def note_sent(self, delivery: Delivery, notification: Notification) -> None:
        """A channel has taken a notification; that something is over is told again for a while."""
        self._note(delivery, notification, self._clock_ms())

    def _note(self, delivery: Delivery, notification: Notification, at_ms: int) -> None:
        over = self._over.get(delivery.channel)
        if over is None:
            return
        if delivery.kind is NoticeKind.RESOLVE:
            over[delivery.dedup_key] = (at_ms, notification)
        else:
            over.pop(delivery.dedup_key, None)

    async def post(self, channel: Forgetful) -> None:
        """Tell one channel what holds at this moment."""
        now_ms = self._clock_ms()
        over = self._over[channel.name]
        for key in [key for key, (at_ms, _) in over.items() if not 0 <= now_ms - at_ms <= channel.repost_resolved_ms]:
            del over[key]
        held = list(self._held(channel.name, now_ms))
        self._forget_made(channel.name, {one.dedup_key for one in held})
        notifications = [*held, *(notification for _, notification in over.values())]
        work = channel.repost(notifications, is_well=not self._faults(), now_ms=now_ms)
        outcome = await outcome_of(work, REPOST_SECONDS_MAX)
        if isinstance(outcome, Exception) and channel.name not in self._silent:
            self._silent.add(channel.name)
            self._say(f"channel {channel.name}: what is open could not be told again: {outcome}")
        elif not isinstance(outcome, Exception):
            self._silent.discard(channel.name)

    async def _run(self, channel: Forgetful) -> None:
        while True:
            await self.post(channel)
            await asyncio.sleep((channel.repost_every_ms or DAY_MS) / 1000)

    def _held(self, channel: str, now_ms: int) -> Iterator[Notification]:
        """Every open alert of which a channel was told, by itself or in a summary."""
        waiting = {one.dedup_key for one in self._state.outbox.values() if one.channel == channel}
        for alert in self._state.open_by_id.values():
            told = alert.told.get(channel)
            if told is not None and told.dedup_key == alert.dedup_key and alert.dedup_key not in waiting:
                kind = NoticeKind.ACKNOWLEDGE if alert.state == ACKNOWLEDGED else NoticeKind.REPEAT
                marks = (alert.updated_ms, alert.acknowledged_ms or 0, now_ms // DAY_MS)
                yield self._known(
                    channel, alert.dedup_key, kind, alert.alert_id, marks, _told_of(alert, now_ms), now_ms
                )
        for group in self._state.groups.values():
            members = [self._state.open_by_id.get(alert_id) for alert_id in group.summarized]
            alerts = [alert for alert in members if alert is not None]
            if group.channel == channel and alerts and group.dedup_key not in waiting:
                marks = (len(alerts), sum(alert.count for alert in alerts), now_ms // DAY_MS)
                notice = _summed(group.name, alerts, now_ms)
                yield self._known(channel, group.dedup_key, NoticeKind.SUMMARY, None, marks, notice, now_ms)

    def _known(
        self,
        channel: str,
        key: str,
        kind: NoticeKind,
        alert_id: str | None,
        marks: tuple[int, ...],
        notice: Callable[[], Notice],
        now_ms: int,
    ) -> Notification:
        """What was told the last time while nothing has changed; else made anew."""
        made = self._made.get((channel, key))
        if made is None or made[0] != marks:
            delivery = Delivery(
                number=0,
                delivery_id="",
                channel=channel,
                kind=kind,
                dedup_key=key,
                sequence=0,
                alert_id=alert_id,
                reason=Reason.REPEAT_INTERVAL_PASSED,
                created_ms=now_ms - now_ms % DAY_MS,  # links hold on as long as the alert is open
                notice=notice(),
            )
            made = self._made[channel, key] = (marks, self._notification_of(delivery))
        return made[1]

    def _forget_made(self, channel: str, keys: set[str]) -> None:
        for name in [name for name in self._made if name[0] == channel and name[1] not in keys]:
            del self._made[name]


def _told_of(alert: Alert, now_ms: int) -> Callable[[], Notice]:
    return lambda: notice_of(alert, now_ms)


def _summed(name: str, alerts: Sequence[Alert], now_ms: int) -> Callable[[], Notice]:
    return lambda: summary_of(name, alerts, now_ms)
