"""F15: the dispatcher under channels that fail, with a clock and dice that the tests hold; the far sides are real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from core_state import Applier

from jobsight.core.events import DeliveryResult, InternalEvent, JobCompleted, JobFailed, RoutingSet
from jobsight.core.outbox import Delivery
from jobsight.core.retries import BREAKER_FAILURES, BREAKER_MS, PAUSE_MS_MAX
from jobsight.engine.dispatcher import Dispatcher, Lane
from jobsight.notifiers.base import Making, Notification, Notifier, Receipt
from jobsight.notifiers.limits import SendLimits
from jobsight.notifiers.registry import channel_from_url
from jobsight.testing.sinks import HttpSink, http_sink

DEADLINE_S = 20
USUAL = SendLimits()
SHORT = SendLimits(send_ms=200, connect_ms=100, read_ms=100)
"""For far sides that never answer."""


class Desk:
    """A dispatcher over a state in memory; time passes when a test says so."""

    def __init__(self, *urls: str, limits: SendLimits = USUAL) -> None:
        self.applier = Applier()
        self.results: list[DeliveryResult] = []
        self.said: list[str] = []
        self.is_log_full = False
        channels = {
            f"c{place}": channel_from_url(url, Making(name=f"c{place}", limits=limits))
            for place, url in enumerate(urls, 1)
        }
        self.applier.tell(RoutingSet(channels=list(channels), author="test"))
        self.dispatcher = self._dispatcher(channels)

    @property
    def lane(self) -> Lane:
        """The first channel's."""
        return self.dispatcher.lanes["c1"]

    def use(self, channel: Notifier, *, send_seconds: float) -> Dispatcher:
        """Put a channel in place of the first one, before the start."""
        self.dispatcher = self._dispatcher({"c1": channel}, send_seconds=send_seconds)
        return self.dispatcher

    def _dispatcher(self, channels: Mapping[str, Notifier], **further: Any) -> Dispatcher:
        state, said = self.applier.state, self.said.append

        def clock_ms() -> int:
            return self.applier.now_ms

        return Dispatcher(state, channels, self._submit, clock_ms, clock_ms, lambda: 1.0, say=said, **further)

    def fail(self, *tasks: str) -> None:
        """The jobs of these tasks fail for good."""
        for task in tasks:
            self.applier.report(JobFailed(job_id=f"{task}-1", task=task, error="disk full", retries=0))
        self._hand_over()

    def succeed(self, task: str) -> None:
        """The next job of the task completes."""
        self.applier.report(JobCompleted(job_id=f"{task}-2", task=task, duration_ms=1))
        self._hand_over()

    def step(self, pause_ms: int) -> None:
        """Time passes."""
        self.applier.now_ms += pause_ms
        self.dispatcher.wake()

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Let everything go on until this holds."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                while not condition():  # noqa: ASYNC110 - it is the loop's turn, not time, that is waited for
                    await asyncio.sleep(0)
        except TimeoutError:
            raise AssertionError(f"waited {DEADLINE_S} s for {what}") from None

    async def until_quiet(self) -> None:
        """Until nothing is on its way, and nothing may leave at this moment."""

        def is_quiet(lane: Lane) -> bool:
            return not lane.sending and lane.next_one(self.applier.now_ms)[0] is None

        await self.until(lambda: all(map(is_quiet, self.dispatcher.lanes.values())), "the end of all tries")

    def outcomes(self) -> list[tuple[str, str]]:
        """What was logged: delivery and outcome."""
        return [(result.delivery_id, result.outcome) for result in self.results]

    def _submit(self, events: list[InternalEvent], done: Callable[[bool], None]) -> None:
        if self.is_log_full:
            done(False)
            return
        told = [event for event in events if isinstance(event, DeliveryResult)]
        self.results += [result for result in told if result.outcome != "failed"]
        self.applier.tell(*events)
        done(True)
        self._hand_over()

    def _hand_over(self) -> None:
        fresh, self.applier.state.fresh = self.applier.state.fresh, []
        self.dispatcher.take(fresh)


@asynccontextmanager
async def desk(*urls: str, limits: SendLimits = USUAL) -> AsyncIterator[Desk]:
    """A desk at work."""
    one = Desk(*urls, limits=limits)
    one.dispatcher.start()
    try:
        yield one
    finally:
        await one.dispatcher.close()


def subjects(sink: HttpSink) -> list[str]:
    """Of what a webhook has taken: kind and task, in order."""
    return [f"{data['kind']} {data['task']}" for data in (one.json()["data"] for one in sink.received)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "headers", "mode"),
    [
        (500, {}, "answer"),
        (503, {"Retry-After": "7"}, "answer"),
        (429, {"Retry-After": "120"}, "answer"),
        (408, {}, "answer"),
        (200, {}, "drop"),
        (200, {}, "hang"),
        (200, {}, "trickle"),
    ],
)
def test_after_an_outage_each_alert_is_told_once(status: int, headers: dict[str, str], mode: str) -> None:
    """An hour without the channel: nothing is given up, and on return there is one success for every alert."""

    is_short = mode in {"hang", "trickle"}

    async def outage() -> tuple[HttpSink, Desk]:
        async with http_sink() as sink, desk(sink.url(), limits=SHORT if is_short else USUAL) as one:
            sink.status, sink.headers, sink.mode = status, headers, mode
            one.fail("a", "b", "c")
            for _ in range(12 if mode == "answer" else 2):
                await one.until_quiet()
                one.step(PAUSE_MS_MAX)
            await one.until_quiet()
            assert [] == one.results
            sink.status, sink.headers, sink.mode = 200, {}, "answer"
            sink.received.clear()
            for _ in range(3):
                one.step(BREAKER_MS + PAUSE_MS_MAX)
                await one.until_quiet()
            return sink, one

    sink, one = asyncio.run(outage())

    # An answer that took longer than the short limit was a yes too: the far side knows a repetition by its id.
    assert 3 == len({event["id"] for event in (one.json() for one in sink.received)})
    assert is_short or 3 == len(sink.received)
    assert ["trigger a", "trigger b", "trigger c"] == sorted(set(subjects(sink)))
    assert [("d1", "delivered"), ("d2", "delivered"), ("d3", "delivered")] == sorted(one.outcomes())
    assert {} == {key: value for key, value in one.applier.state.outbox.items() if value.state == "waiting"}


def test_the_pause_that_a_channel_asks_for_is_kept() -> None:
    """Retry-After counts: not a moment before, and then at once."""

    async def ask() -> list[int]:
        async with http_sink() as sink, desk(sink.url()) as one:
            sink.status, sink.headers = 429, {"Retry-After": "120"}
            one.fail("a")
            await one.until_quiet()
            seen = [len(sink.received)]
            for pause_ms in (119_999, 1):
                one.step(pause_ms)
                await one.until_quiet()
                seen.append(len(sink.received))
            return seen

    assert [1, 1, 2] == asyncio.run(ask())


def test_a_resolve_waits_for_its_trigger() -> None:
    """While the trigger is tried again, the resolve stays behind it; another problem may pass them."""

    async def order() -> list[str]:
        async with http_sink() as sink, desk(sink.url()) as one:
            sink.status = 500
            one.fail("a")
            one.succeed("a")
            await one.until_quiet()
            first_tries = subjects(sink)
            sink.status = 200
            one.fail("b")
            await one.until_quiet()
            one.step(PAUSE_MS_MAX)
            await one.until(lambda: len(one.results) == 3, "three results")
            return first_tries + subjects(sink)[len(first_tries) :]

    assert ["trigger a", "trigger b", "trigger a", "resolve a"] == asyncio.run(order())


def test_a_channel_that_hangs_slows_no_other() -> None:
    """The sound channel is told of everything while the other has not answered once."""

    async def beside() -> tuple[list[str], list[str]]:
        async with http_sink() as hanging, http_sink() as sound, desk(hanging.url(), sound.url()) as one:
            hanging.mode = "hang"
            tasks = [f"t{number}" for number in range(10)]
            one.fail(*tasks)
            await one.until(lambda: len(one.results) == len(tasks), "ten deliveries")
            return sorted(subjects(sound)), [f"trigger {task}" for task in tasks]

    found, expected = asyncio.run(beside())

    assert expected == found


def test_a_channel_that_goes_on_failing_rests() -> None:
    """After five failures in a row it is left alone for a minute; then one delivery tries it, and success frees all."""

    async def rest() -> tuple[list[int], list[str]]:
        async with http_sink() as sink, desk(sink.url()) as one:
            sink.status = 500
            one.fail(*(f"t{number}" for number in range(10)))
            await one.until_quiet()
            seen = [len(sink.received)]
            one.step(BREAKER_MS - 1)
            await one.until_quiet()
            seen.append(len(sink.received))
            one.step(1)
            await one.until_quiet()
            seen.append(len(sink.received))
            sink.status = 200
            sink.received.clear()
            one.step(BREAKER_MS + PAUSE_MS_MAX)
            await one.until(lambda: len(one.results) == 10, "all ten")
            return seen, subjects(sink)

    seen, told = asyncio.run(rest())

    assert BREAKER_FAILURES <= seen[0] <= BREAKER_FAILURES + 1  # two are on their way at once
    assert [0, 1] == [seen[1] - seen[0], seen[2] - seen[1]]
    assert [f"trigger t{number}" for number in range(10)] == sorted(told)


def test_a_no_is_asked_three_times_and_then_given_up() -> None:
    """Three tries within five minutes; the log says why, and an operator is told in words."""

    async def refuse() -> tuple[int, Desk]:
        async with http_sink() as sink, desk(sink.url()) as one:
            sink.status = 403
            one.fail("a")
            for _ in range(4):
                await one.until_quiet()
                one.step(150_000)
            return len(sink.received), one

    tries, one = asyncio.run(refuse())

    assert (3, [("d1", "dead")]) == (tries, one.outcomes())
    assert one.results[0].detail.startswith("refused: ")
    assert any("gave up d1 after 3 tries" in text for text in one.said)


def test_what_an_earlier_process_has_left_is_delivered() -> None:
    """A start takes over the outbox; a channel that is no more gives its deliveries up in words."""

    async def take_over() -> tuple[list[str], list[Any]]:
        async with http_sink() as sink:
            one = Desk(sink.url())
            one.applier.report(JobFailed(job_id="a-1", task="a", error="disk full", retries=0))
            one.applier.state.fresh.clear()
            one.dispatcher.start()
            await one.until(lambda: one.results, "the delivery")
            one.applier.tell(RoutingSet(channels=["gone"], author="test"))
            one.fail("b")
            await one.dispatcher.close()
            return subjects(sink), [(result.outcome, result.detail) for result in one.results]

    told, results = asyncio.run(take_over())

    assert ["trigger a"] == told
    # One that was told of what fired when its name came into the configuration, and one of what followed.
    assert [("delivered", "200"), *[("dead", "there is no such channel any more")] * 2] == results


def test_a_broken_channel_is_told_through_the_others_until_it_delivers() -> None:
    """Who gave a notification up is named through every other channel; its next success is told there as the end of it."""

    async def break_down() -> tuple[list[tuple[str, str, str]], list[str], int]:
        async with http_sink() as broken, http_sink() as sound, desk(broken.url("/secret"), sound.url()) as one:
            broken.status = 403
            one.fail("a")
            for _ in range(3):
                await one.until_quiet()
                one.step(150_000)
            await one.until(lambda: len(sound.received) == 2, "the alert about the channel")
            opened = [alert.rule for alert in one.applier.alerts()]
            broken.status = 200
            one.fail("b")
            await one.until(lambda: len(sound.received) == 4, "the end of it")
            rows = [(data["kind"], data["rule"], data["title"]) for data in (r.json()["data"] for r in sound.received)]
            await one.until_quiet()
            return rows, opened, len([r for r in broken.received if "channel_broken" in r.body.decode()])

    rows, opened, told_itself = asyncio.run(break_down())

    assert ["job_failed", "self.channel_broken"] == opened
    assert ("trigger", "self.channel_broken") == rows[1][:2]
    assert rows[1][2].startswith("channel c1 gave up a notification: refused: ")
    assert ("resolve", "self.channel_broken") in [row[:2] for row in rows[2:]]
    assert 0 == told_itself


@pytest.mark.slow
def test_two_broken_channels_do_not_tell_of_each_other_for_ever() -> None:
    """Each has its alert, and nothing is left to be sent."""

    async def break_both() -> tuple[list[Any], int]:
        async with http_sink() as one_sink, http_sink() as other, desk(one_sink.url(), other.url()) as one:
            one_sink.status = other.status = 403
            one.fail("a")
            for _ in range(12):
                await one.until_quiet()
                one.step(150_000)
            alerts = [(alert.rule, alert.queue, alert.count) for alert in one.applier.alerts()]
            return alerts, sum(len(lane.waiting) for lane in one.dispatcher.lanes.values())

    alerts, waiting = asyncio.run(break_both())

    assert [
        ("job_failed", None, 1),
        ("self.channel_broken", "c1", 1),
        ("self.channel_broken", "c2", 1),
    ] == sorted(alerts, key=str)
    assert 0 == waiting


def test_a_channel_that_is_taken_away_is_not_broken_any_more() -> None:
    """An operator who gives a channel up hears no more of it."""

    async def take_away() -> list[str]:
        async with http_sink() as broken, http_sink() as sound, desk(broken.url(), sound.url()) as one:
            broken.status = 403
            one.fail("a")
            for _ in range(3):
                await one.until_quiet()
                one.step(150_000)
            await one.until(lambda: len(sound.received) == 2, "the alert about the channel")
            one.applier.tell(RoutingSet(channels=["c2"], author="test"))
            return [alert.rule for alert in one.applier.alerts()]

    assert ["job_failed"] == asyncio.run(take_away())


class Deaf:
    """A channel of somebody else's making that neither answers nor heeds being cancelled, until it is let go."""

    name = "c1"
    repost_every_ms = None
    repost_resolved_ms = 0

    def __init__(self) -> None:
        self.let_go = asyncio.Event()
        self.calls = 0

    async def send(self, notification: Notification, *, now_ms: int) -> Receipt:
        """Hang, whatever happens."""
        self.calls += 1
        while not self.let_go.is_set():
            with suppress(asyncio.CancelledError):
                await self.let_go.wait()
        raise ValueError("nobody listens to this")

    async def close(self) -> None:
        """Nothing to give back."""


def test_a_channel_that_cannot_be_stopped_is_left_to_itself() -> None:
    """F17: the slot is given up in time, and the delivery is planned anew; the exception that comes late hurts nobody."""

    async def hang() -> tuple[int, int, list[str]]:
        channel, one = Deaf(), Desk("http://127.0.0.1:9/")
        dispatcher = one.use(channel, send_seconds=0.05)
        dispatcher.start()
        one.fail("a")
        await one.until(lambda: dispatcher.lanes["c1"].not_before_ms, "the slot to be given up")
        one.step(PAUSE_MS_MAX)
        await one.until(lambda: channel.calls == 2, "the second try")
        channel.let_go.set()
        await one.until_quiet()
        await dispatcher.close()
        return channel.calls, len(dispatcher.lanes["c1"].waiting), one.said

    calls, waiting, said = asyncio.run(hang())

    assert (2, 1) == (calls, waiting)
    assert ["channel c1: TimeoutError in the channel; trying again"] == said


def test_a_log_that_takes_nothing_does_not_make_a_channel_hear_twice() -> None:
    """While the disk is full, a delivery is not sent again and again; its mark follows when there is room."""

    async def fill() -> tuple[int, int, list[tuple[str, str]]]:
        async with http_sink() as sink, desk(sink.url()) as one:
            one.is_log_full = True
            one.fail("a")
            await one.until(lambda: sink.received, "the delivery")
            for _ in range(5):
                one.step(PAUSE_MS_MAX)
                await one.until_quiet()
            before = len(one.results)
            one.is_log_full = False
            one.dispatcher.wake()
            await one.until(lambda: one.results, "the mark")
            return len(sink.received), before, one.outcomes()

    assert (1, 0, [("d1", "delivered")]) == asyncio.run(fill())


def test_a_notification_that_cannot_be_put_together_is_a_failed_try() -> None:
    """Links or output that raise hold nobody up: the lane goes on, and the delivery is tried again."""

    async def story() -> tuple[list[str], int]:
        async with http_sink() as sink, desk(sink.url()) as one:
            whole = one.dispatcher.notification_of
            raising = [True]

            def notification_of(delivery: Delivery) -> Notification:
                if raising and delivery.notice.task == "a":
                    raising.clear()
                    raise LookupError("no such page")
                return whole(delivery)

            one.dispatcher.notification_of = notification_of  # type: ignore[method-assign]
            one.fail("a", "b")
            await one.until_quiet()
            first = subjects(sink)
            one.step(PAUSE_MS_MAX)
            await one.until_quiet()
            return first, len(sink.received)

    assert (["trigger b"], 2) == asyncio.run(story())
