"""
The dispatcher: what stands in the outbox goes to its channel, and what became of it goes into the log.

Each channel has a lane of its own, so a channel that hangs slows no other. Of one problem, deliveries leave in their order:
a resolve never overtakes its trigger. A delivery is done only when its result stands in the log; a crash in between
sends it again under the same key.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from jobsight.core.events import DeliveryResult, InternalEvent
from jobsight.core.outbox import Delivery, DeliveryState, NoticeKind
from jobsight.core.retries import BREAKER_FAILURES, BREAKER_MS, after_failure
from jobsight.core.state import State
from jobsight.engine.supervisor import outcome_of
from jobsight.errors import DeliveryError
from jobsight.notifiers.base import Links, Notification, NotificationKind, Notifier, Receipt

SENDS_AT_ONCE: Final = 2
"""Deliveries that one channel has on their way at a time."""

SEND_SECONDS_MAX: Final = 30
"""Then a slot is given up, whatever the channel does."""

MARK_PAUSE_SECONDS: Final = 5
"""Between tries to log what became of a delivery while the log takes nothing (a full disk)."""

DETAIL_CHARACTERS_MAX: Final = 300
"""What is put on record of a channel's words."""

BEFORE_SEND: Final = "before-send"
"""A delivery was decided on and stored, and nobody has heard of it."""

AFTER_SEND: Final = "after-send"
"""The channel has said yes, and the log does not know it yet."""

Submit = Callable[[list[InternalEvent], Callable[[bool], None]], None]
"""Brings events into the log; told whether they are stored."""


class Lane:
    """
    What waits for one channel, and what is on its way there; moments by the steady clock, by the number of the delivery.

    `since_ms`: when it was taken over. `not_before_ms`: when it is tried again. `last_ms`: when the channel has
    last said something (ms UTC), in `last_answer`. `unmarked`: keys of what has left, while the log does not take that.
    """

    def __init__(self, channel: Notifier) -> None:
        self.channel = channel
        self.waiting: dict[int, Delivery] = {}
        self.since_ms: dict[int, int] = {}
        self.not_before_ms: dict[int, int] = {}
        self.sending: dict[int, str] = {}
        self.unmarked: dict[int, str] = {}
        self.failures_in_row = 0
        self.rests_until_ms = 0
        self.last_ms: int | None = None
        self.last_answer: str | None = None
        self.changed = asyncio.Event()

    def next_one(self, now_ms: int) -> tuple[Delivery | None, int | None]:
        """The delivery that may leave now; else None, and in how many milliseconds one may."""
        if len(self.sending) >= (SENDS_AT_ONCE if self.failures_in_row < BREAKER_FAILURES else 1):
            return None, None
        # A start knows only what is marked: it would send a trigger again after the resolve that has followed it here.
        busy = {*self.sending.values(), *self.unmarked.values()}
        soonest: int | None = None
        for number, delivery in sorted(self.waiting.items()):
            key = delivery.dedup_key
            if key in busy:
                continue
            busy.add(key)
            at_ms = max(self.not_before_ms.get(number, 0), self.rests_until_ms)
            if at_ms <= now_ms:
                return delivery, None
            soonest = at_ms - now_ms if soonest is None else min(soonest, at_ms - now_ms)
        return None, soonest


class Dispatcher:
    """
    Delivers what the state's outbox holds. Lives on the writer's loop.

    Args:
        state: The writer's; its outbox holds what an earlier process has left.
        channels: By name.
        submit_events: Brings results into the log.
        clock_ms: Wall time, ms since the epoch, UTC.
        steady_ms: Time that nobody can set, in ms from any beginning: pauses and ages are counted by it.
        dice: From 0 to 1; spreads the pauses.
        links_of: Where a reader of a notification can go; signed links among them.
        tail_of: The last lines that a job printed, by its id.
        last_success_of: When a task last succeeded, ms UTC, for alerts that do not say so.
        say: Told what an operator should mend.
        send_seconds: For one send in all.
        count: Told of each try its channel, its outcome, and in how many seconds after the decision it was over.
        on_sent: Told what a channel has taken.
        pass_point: Told the points at which a test may end the process: `BEFORE_SEND`, `AFTER_SEND`.
    """

    def __init__(
        self,
        state: State,
        channels: Mapping[str, Notifier],
        submit_events: Submit,
        clock_ms: Callable[[], int],
        steady_ms: Callable[[], int],
        dice: Callable[[], float],
        *,
        links_of: Callable[[Delivery], Links] = lambda _: Links(),
        tail_of: Callable[[str], str | None] = lambda _: None,
        last_success_of: Callable[[str], int | None] = lambda _: None,
        say: Callable[[str], None] = lambda _: None,
        send_seconds: float = SEND_SECONDS_MAX,
        count: Callable[[str, str, float], None] = lambda channel, outcome, seconds: None,
        on_sent: Callable[[Delivery, Notification], None] = lambda delivery, notification: None,
        pass_point: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._state = state
        self._submit = submit_events
        self._clock_ms = clock_ms
        self._steady_ms = steady_ms
        self._dice = dice
        self._links_of = links_of
        self._tail_of = tail_of
        self._last_success_of = last_success_of
        self._say = say
        self._send_seconds = send_seconds
        self._count = count
        self.on_sent = on_sent
        self._pass_point = pass_point
        self._unmarked: list[tuple[DeliveryResult, Callable[[bool], None]]] = []
        self._mark_now = asyncio.Event()
        self._is_closed = False
        self.lanes: Final = {name: Lane(channel) for name, channel in channels.items()}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Take over what an earlier process has left, and begin."""
        self.take(sorted(self._state.outbox.values(), key=lambda one: one.number))
        for lane in self.lanes.values():
            self._spawn(self._run(lane))
        self._spawn(self._mark_again())

    def take(self, deliveries: Sequence[Delivery]) -> None:
        """Take over what was decided on; the writer calls it once that is stored."""
        for delivery in deliveries:
            self._take(delivery)

    def wake(self) -> None:
        """Look again at once: the clock has moved, or a channel is known to be back."""
        for lane in self.lanes.values():
            lane.changed.set()
        self._mark_now.set()

    async def close(self) -> None:
        """Stop sending; what waits stays in the outbox for the next start."""
        self._is_closed = True  # `wait_for` of Python 3.11 may swallow a cancellation
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for lane in self.lanes.values():
            await lane.channel.close()

    def oldest_waiting_ms(self) -> int | None:
        """Since when the oldest delivery waits, ms UTC; None for none."""
        return min((one.created_ms for lane in self.lanes.values() for one in lane.waiting.values()), default=None)

    def is_resting(self, channel: str) -> bool:
        """Whether nothing is sent through a channel for a while, after many failures."""
        return self.lanes[channel].rests_until_ms > self._steady_ms()

    async def test(self, channel: str, author: str) -> tuple[bool, str]:
        """
        Send a test through a channel, past everything that waits: whether it was taken, and the channel's answer in words.

        Args:
            channel: One of `lanes`.
            author: Who wants to know.
        """
        now_ms = self._clock_ms()
        notification = Notification(
            kind=NotificationKind.TEST,
            dedup_key=f"jobsight:test-{channel}:{now_ms}",
            title=f"This is a test of the channel {channel}. Nothing is wrong",
            at_ms=now_ms,
            severity="warning",
            error=f"a test, sent by {author}; nobody needs to do anything",
        )
        lane = self.lanes[channel]
        outcome = await outcome_of(lane.channel.send(notification, now_ms=now_ms), self._send_seconds)
        is_delivered = isinstance(outcome, Receipt)
        detail = outcome.problem or outcome.detail if isinstance(outcome, Receipt) else _what_happened(outcome)[0]
        lane.last_ms, lane.last_answer = self._clock_ms(), detail
        return is_delivered, detail

    def _spawn(self, work: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _take(self, delivery: Delivery) -> None:
        lane = self.lanes.get(delivery.channel)
        if delivery.state != DeliveryState.WAITING:
            return
        if lane is not None and delivery.number in lane.since_ms:
            return  # decided on during the start, it was in the outbox and is news as well
        if lane is None:
            self._conclude(delivery, DeliveryState.DEAD, delivery.tries, "there is no such channel any more")
            return
        lane.waiting[delivery.number] = delivery
        lane.since_ms[delivery.number] = self._steady_ms()
        lane.changed.set()

    async def _run(self, lane: Lane) -> None:
        """One channel's lane, for as long as the service runs."""
        while not self._is_closed:
            lane.changed.clear()
            delivery, pause_ms = lane.next_one(self._steady_ms())
            if delivery is not None:
                del lane.waiting[delivery.number]
                lane.sending[delivery.number] = delivery.dedup_key
                self._spawn(self._send(lane, delivery))
                continue
            try:
                await asyncio.wait_for(lane.changed.wait(), None if pause_ms is None else pause_ms / 1000)
            except TimeoutError:
                continue

    async def _send(self, lane: Lane, delivery: Delivery) -> None:
        self._pass_point(BEFORE_SEND)
        outcome = await outcome_of(self._hand_to(lane.channel, delivery), self._send_seconds)
        tries = delivery.tries + 1
        if isinstance(outcome, Receipt):
            self._pass_point(AFTER_SEND)
            lane.failures_in_row = 0
            lane.rests_until_ms = 0
            lane.last_ms, lane.last_answer = self._clock_ms(), outcome.detail
            if outcome.problem is not None:
                self._say(f"channel {lane.channel.name}: {outcome.problem}")
            detail = outcome.detail if outcome.problem is None else f"{outcome.detail}; {outcome.problem}"
            self._conclude(delivery, DeliveryState.DELIVERED, tries, detail, lane)
            return
        self._note_failure(lane, delivery, outcome, tries)

    async def _hand_to(self, channel: Notifier, delivery: Delivery) -> Receipt:
        notification = self.notification_of(delivery)
        receipt = await channel.send(notification, now_ms=self._clock_ms())
        self.on_sent(delivery, notification)
        return receipt

    def _note_failure(self, lane: Lane, delivery: Delivery, error: Exception, tries: int) -> None:
        """A try has failed: plan the next one, or give up and say so."""
        now_ms = self._steady_ms()
        reason, retry_after_ms, is_refusal = _what_happened(error)
        lane.last_ms, lane.last_answer = self._clock_ms(), reason
        lane.failures_in_row += 1
        if lane.failures_in_row >= BREAKER_FAILURES:
            lane.rests_until_ms = now_ms + BREAKER_MS
        verdict = after_failure(
            tries=tries,
            age_ms=now_ms - lane.since_ms.get(delivery.number, now_ms),
            retry_after_ms=retry_after_ms,
            is_refusal=is_refusal,
            roll=self._dice(),
        )
        if verdict.pause_ms is None:
            self._say(f"channel {lane.channel.name}: gave up {delivery.delivery_id} after {tries} tries: {reason}")
            self._conclude(delivery, DeliveryState.DEAD, tries, f"{verdict.reason}: {reason}", lane)
            return
        if tries == 1:
            self._say(f"channel {lane.channel.name}: {reason}; trying again")
        self._note_try(delivery, tries, reason)
        lane.sending.pop(delivery.number, None)
        lane.waiting[delivery.number] = delivery
        lane.not_before_ms[delivery.number] = now_ms + verdict.pause_ms
        lane.changed.set()

    def _note_try(self, delivery: Delivery, tries: int, reason: str) -> None:
        """Put a failed try on record. The next one does not wait for that, nor does it need it."""
        delivery.tries, delivery.detail = tries, reason[:DETAIL_CHARACTERS_MAX]
        self._count(delivery.channel, "failed", (self._clock_ms() - delivery.created_ms) / 1000)
        failed = DeliveryResult(
            delivery_id=delivery.delivery_id, outcome="failed", tries=tries, detail=reason[:DETAIL_CHARACTERS_MAX]
        )
        self._submit([failed], lambda is_stored: None)

    def _conclude(
        self, delivery: Delivery, state: DeliveryState, tries: int, detail: str, lane: Lane | None = None
    ) -> None:
        """Log what became of a delivery; only then its lane goes on with the same problem."""

        def release(is_stored: bool) -> None:
            if lane is not None:
                lane.sending.pop(delivery.number, None)
                lane.not_before_ms.pop(delivery.number, None)
                if is_stored:
                    lane.since_ms.pop(delivery.number, None)
                    lane.unmarked.pop(delivery.number, None)
                else:
                    lane.unmarked[delivery.number] = delivery.dedup_key
                lane.changed.set()
            if not is_stored:  # it is not sent again for that: a full disk must not flood a channel
                self._unmarked.append((result, release))

        self._count(delivery.channel, str(state), (self._clock_ms() - delivery.created_ms) / 1000)
        result = DeliveryResult(
            delivery_id=delivery.delivery_id, outcome=str(state), tries=tries, detail=detail[:DETAIL_CHARACTERS_MAX]
        )
        self._submit([result], release)

    async def _mark_again(self) -> None:
        """What the log did not take is offered to it again, for as long as the service runs."""
        while not self._is_closed:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._mark_now.wait(), MARK_PAUSE_SECONDS)
            self._mark_now.clear()
            unmarked, self._unmarked = self._unmarked, []
            for result, release in unmarked:
                self._submit([result], release)

    def notification_of(self, delivery: Delivery) -> Notification:
        """The frozen notice of a delivery as its channel takes it."""
        notice = msgspec.to_builtins(delivery.notice)
        job_id, task = delivery.notice.job_id, delivery.notice.task
        if notice.get("last_success_ms") is None and task is not None and delivery.kind != NoticeKind.RESOLVE:
            notice["last_success_ms"] = self._last_success_of(task)
        tail = None if job_id is None else self._tail_of(job_id)
        fields = {
            **notice,
            "kind": str(delivery.kind),
            "dedup_key": delivery.dedup_key,
            # Mail threads hang on the trigger, so that one is always the first.
            "sequence": 0 if delivery.kind == NoticeKind.TRIGGER else delivery.sequence,
            "output_tail": None if tail is None else tail.rstrip() or None,
            "links": msgspec.to_builtins(self._links_of(delivery)),
        }
        return msgspec.convert(fields, Notification)


def _what_happened(error: Exception) -> tuple[str, int | None, bool]:
    """The reason in words, after how many milliseconds to try again (None: never), and whether the far side has refused."""
    if isinstance(error, DeliveryError):
        return error.reason, error.retry_after_ms, error.is_refusal
    # The words of a stranger's exception may hold a secret of the channel: only its kind is told.
    return f"{type(error).__name__} in the channel", 0, False
