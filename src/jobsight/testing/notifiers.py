"""
The conformance suite for channels. Each promise is a coroutine function of (type, folder) that raises AssertionError when
it is broken; the type stands in the registry.

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
    def test_a_channel(kind, promise, tmp_path):
        asyncio.run(promise(kind, tmp_path))
"""

from __future__ import annotations

import asyncio
import logging
import re
import traceback
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any, Final

from msgspec.structs import replace

from jobsight.errors import DeliveryError
from jobsight.notifiers.base import Links, Making, Member, Notification, NotificationKind, Notifier
from jobsight.notifiers.limits import SendLimits
from jobsight.notifiers.registry import channel_from_table
from jobsight.testing.reaches import SECRET_PIECES, Reach, reach_of

NOW_MS: Final = 1_790_000_000_000
"""The suite's time: 2026-09-21 14:13:20 UTC."""

DEDUP_KEY: Final = "jobsight:0123456789abcdef:42"
IMPATIENT: Final = SendLimits(send_ms=400, connect_ms=400, read_ms=300)
FAR_SIDES_OWN: Final = frozenset({"mail.log", "mail.debug"})
"""Loggers of the mail server that the suite starts."""

DEADLINE_S: Final = 20.0
"""No promise waits longer for the other side."""

Promise = Callable[[str, Path], Awaitable[None]]

HOSTILE: Final = (
    "two\r\nBcc: eve@example.org\r\n\r\nlines",
    "\x1b[31mred\x1b]0;title\x07\x9b31m\x00\x08\x7f",
    "<script>alert(1)</script><img src=x onerror=alert(1)>&lt;&amp;",
    "\u202egnp.exe\u2066\u200f\ufeff\u2028",
    "half \ud83d a pair \udc00",
    "*bold* _it_ ~no~ `code` ```fence``` <!channel> <@U1> @here [x](http://evil.example) <http://evil.example|x>",
    "' \" ` ${IFS} $(id) `id` ; | & \\ %s %n {0} {{ 7 * 7 }} {% raw %} '; DROP TABLE jobs;--",
    "x" * 16_384,
    "ü" * 8_192 + "🚨" * 2_048,
    "",
)

_STEERING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029\ufeff]")


def a_notification(kind: NotificationKind = NotificationKind.TRIGGER) -> Notification:
    """One with everything that a notification of its kind has."""
    is_over = kind is NotificationKind.RESOLVE
    return Notification(
        kind=kind,
        dedup_key=DEDUP_KEY,
        title="Job failed after 3 retries: Connection timeout",
        at_ms=NOW_MS,
        alert_id="0123456789abcdef-42",
        rule="job_failed",
        severity="critical",
        task="nightly-backup",
        queue="backups",
        job_id="job-17",
        error="Connection timeout",
        output_tail="opening db1\nConnection timeout",
        last_success_ms=NOW_MS - 86_400_000,
        failures_in_row=3,
        count=4,
        opened_ms=NOW_MS - 600_000,
        resolved_ms=NOW_MS if is_over else None,
        downtime_ms=600_000 if is_over else None,
        first_error="Connection refused",
        last_error="Connection timeout",
        owner="ana",
        runbook_url="https://wiki.example.org/backups",
        labels={"env": "prod"},
        links=Links(
            open="https://jobs.example.org/alerts/42",
            acknowledge="https://jobs.example.org/ack/42?sig=a&at=1",
            silence="https://jobs.example.org/silence/42?sig=b",
        ),
        members=(Member(title="Connection timeout", task="billing", count=9_999),)
        if kind is NotificationKind.SUMMARY
        else (),
        members_count=9_999 if kind is NotificationKind.SUMMARY else None,
    )


def open_channel(
    reach: Reach, *, settings: Mapping[str, Any] | None = None, limits: SendLimits | None = None
) -> Notifier:
    """The channel to a far side, made as the configuration makes it."""
    making = Making(name="ops", limits=limits or SendLimits(), source="https://jobs.example.org")
    return channel_from_table({**reach.table, **(settings or {})}, making)


async def every_kind_arrives_with_its_key(kind: str, folder: Path) -> None:
    """Triggers, repeats, acknowledgements, resolves, summaries and tests arrive, once each, and name their alert."""
    async with reach_of(kind)(folder) as reach:
        channel = open_channel(reach)
        for place, what in enumerate(NotificationKind, start=1):
            receipt = await channel.send(a_notification(what), now_ms=NOW_MS)
            arrivals = reach.arrivals()

            assert place == len(arrivals)
            assert receipt.detail
            assert receipt.problem is None
            assert any(DEDUP_KEY in text for text in arrivals[-1].texts), f"{what} does not name its alert"
        await channel.close()


async def a_repeated_try_is_known_by_its_key(kind: str, folder: Path) -> None:
    """The same notification has the same key again, the next one has another, where the far side takes keys."""
    async with reach_of(kind)(folder) as reach:
        channel = open_channel(reach)
        first = a_notification(NotificationKind.REPEAT)
        for notification in (first, first, replace(first, sequence=1), a_notification(NotificationKind.RESOLVE)):
            await channel.send(notification, now_ms=NOW_MS)
        await channel.close()

        one, again, *others = [arrival.key for arrival in reach.arrivals()]
        assert one == again
        assert one is None or len({one, *others}) == 3


async def every_fault_is_told_and_passes(kind: str, folder: Path) -> None:
    """Each fault is a DeliveryError with the right advice, in time; when it has passed, the same channel delivers."""
    async with reach_of(kind)(folder) as reach:
        for name, fault in reach.faults.items():
            channel = open_channel(reach, settings=fault.settings, limits=IMPATIENT if fault.is_silent else None)
            fault.begin()
            began = monotonic()
            error = await failure_of(channel, a_notification())
            took_s = monotonic() - began
            reach.mend()

            assert (fault.is_refusal, fault.retry_after_ms) == (error.is_refusal, error.retry_after_ms), (
                f"{name}: {error}"
            )
            assert took_s < DEADLINE_S, f"{name} took {took_s:.1f} s"
            await channel.close()
        before = len(reach.arrivals())
        channel = open_channel(reach)
        await channel.send(a_notification(), now_ms=NOW_MS)
        await channel.close()

        assert before + 1 == len(reach.arrivals())


async def no_text_shows_a_secret(kind: str, folder: Path) -> None:
    """Errors, their tracebacks, receipts, representations and logs hold no secret, even when the far side repeats it."""
    async with reach_of(kind)(folder) as reach:
        with every_log() as logged:
            said: list[str] = []
            for fault in reach.faults.values():
                channel = open_channel(reach, settings=fault.settings, limits=IMPATIENT if fault.is_silent else None)
                fault.begin()
                error = await failure_of(channel, a_notification())
                reach.mend()
                said += [str(error), repr(error), *traceback.format_exception(error), repr(channel)]
                said += [repr(vars(channel))]
                await channel.close()
            channel = open_channel(reach)
            said.append(repr(await channel.send(a_notification(), now_ms=NOW_MS)))
            await channel.close()

        for text in (*said, *logged):
            assert not any(piece in text for piece in SECRET_PIECES), f"a secret is shown: {text[:2_000]}"


async def hostile_text_arrives_harmless(kind: str, folder: Path) -> None:
    """Whatever a job reports, nothing that arrives steers a terminal, a header or the direction of writing."""
    async with reach_of(kind)(folder) as reach:
        channel = open_channel(reach)
        for text in HOSTILE:
            receipt = await channel.send(a_hostile_notification(text), now_ms=NOW_MS)

            assert receipt.problem is None
        await channel.close()

        arrivals = reach.arrivals()
        assert len(HOSTILE) == len(arrivals)
        for arrival in arrivals:
            for text in arrival.texts:
                assert [] == _STEERING.findall(text.replace("\r\n", "\n")), f"in {text[:500]!r}"
            assert not any("eve@example.org" in text.split("\n")[0][:20] for text in arrival.texts)


async def closing_lets_everything_go(kind: str, folder: Path) -> None:
    """After a send, and after one that was given up half-way, no connection and no process is left."""
    async with reach_of(kind)(folder) as reach:
        channel = open_channel(reach)
        await channel.send(a_notification(), now_ms=NOW_MS)
        await channel.close()
        await asyncio.wait_for(reach.let_go(), DEADLINE_S)

        channel = open_channel(reach, limits=IMPATIENT)
        reach.faults["hanging"].begin()
        await failure_of(channel, a_notification())
        await channel.close()
        await asyncio.wait_for(reach.let_go(), DEADLINE_S)


async def two_at_once_both_arrive(kind: str, folder: Path) -> None:
    """The dispatcher sends two at a time through one channel; neither waits for, or takes away, the other."""
    async with reach_of(kind)(folder) as reach:
        channel = open_channel(reach)
        sends = [channel.send(replace(a_notification(), sequence=number), now_ms=NOW_MS) for number in range(2)]
        await asyncio.gather(*sends)
        await channel.close()

        assert 2 == len(reach.arrivals())


async def a_broken_template_sends_plain_words(kind: str, folder: Path) -> None:
    """A template that raises, never ends, or makes too much costs its looks, not the alert; the receipt says so."""
    broken = ("{{ n.nothing.there }}", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    async with reach_of(kind)(folder) as reach:
        for template in broken:
            channel = open_channel(reach, settings={"text_template": template})
            receipt = await channel.send(a_notification(), now_ms=NOW_MS)
            await channel.close()

            assert "channels.ops.text_template failed" in (receipt.problem or "")
            assert any("Connection timeout" in text for text in reach.arrivals()[-1].texts)


PROMISES: Final[tuple[Promise, ...]] = (
    every_kind_arrives_with_its_key,
    a_repeated_try_is_known_by_its_key,
    every_fault_is_told_and_passes,
    no_text_shows_a_secret,
    hostile_text_arrives_harmless,
    closing_lets_everything_go,
    two_at_once_both_arrive,
    a_broken_template_sends_plain_words,
)


def a_hostile_notification(text: str) -> Notification:
    """One in which every text that a job or its owner can choose is this one."""
    return replace(
        a_notification(),
        title=text,
        task=text,
        queue=text,
        job_id=text,
        error=text,
        output_tail=text,
        first_error=text + "1",
        last_error=text + "2",
        owner=text,
        runbook_url=text,
        labels={text: text, "env": text},
        links=Links(open=text, acknowledge="javascript:alert(1)", silence="https://x.example/\r\n" + text),
        members=(Member(title=text, task=text, queue=text),),
    )


async def failure_of(channel: Notifier, notification: Notification) -> DeliveryError:
    """The error with which a send fails; only a DeliveryError is one."""
    try:
        async with asyncio.timeout(DEADLINE_S):
            receipt = await channel.send(notification, now_ms=NOW_MS)
    except DeliveryError as error:
        return error
    raise AssertionError(f"it was delivered: {receipt}")


@contextmanager
def every_log() -> Iterator[list[str]]:
    """Everything that anything logs meanwhile, in all detail."""
    lines: list[str] = []

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:  # type: ignore[explicit-override]
            if record.name not in FAR_SIDES_OWN:
                lines.append(self.format(record))

    root, handler = logging.getLogger(), Collecting()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield lines
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
