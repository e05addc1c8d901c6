"""A log replayed under other rules, held against what was told: what would have been, and was not; and the other way round."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Final, cast

from msgspec import Struct

from jobsight.core.events import Batch, Event, MonitorBlind
from jobsight.core.rules import CHANNEL_BROKEN
from jobsight.engine.recovery import decode_internal, decode_record
from jobsight.engine.replay import Page, Raised, Replay, Rules, Seed
from jobsight.logs.base import BatchKind, LogReader
from jobsight.protocol.codec import Codec

PROGRESS_BATCHES: Final = 200
BEFORE_NOTICE_MAX: Final = 10_000
"""Batches that may lie between a time that nobody saw and the event that tells of it."""

EXAMPLES_MAX: Final = 1_000
"""Pages of each kind that a report lists one by one."""

SAME_MS: Final = 300_000
"""A page counts as the same as one of its rule and subject that was told up to so much earlier or later."""


class Line(Struct, frozen=True, kw_only=True):
    """
    A rule and what it is about.

    Attributes:
        alerts_then, alerts_now: Alerts that were opened; that would have been.
        pages_then, pages_now: Notifications that called somebody, over all channels.
    """

    rule: str
    subject: str
    alerts_then: int
    alerts_now: int
    pages_then: int
    pages_now: int


class ReplayReport(Struct, frozen=True, kw_only=True):
    """
    What came of it. Times in ms since the epoch, UTC.

    Attributes:
        wanted_ms: From when on was asked for; `from_ms`: from when on the log knows; `to_ms`: up to when.
        left_out_ms: How much of what was asked for the log does not hold any more, or never held.
        events: That were replayed, those before `wanted_ms` among them: the state has to be known.
        forgotten_jobs: Ended jobs that were forgotten on the way; a late report of one would count as a new job.
        lines: Every rule and subject with alerts or pages, the largest difference first.
        channels: Those on record now; without any, nobody could be called then.
        new_pages: Pages that nobody got then; `gone_pages`: pages that nobody would get now. At most `EXAMPLES_MAX` each.
    """

    wanted_ms: int
    from_ms: int
    to_ms: int
    left_out_ms: int
    events: int
    forgotten_jobs: int
    channels: list[str]
    alerts_then: int
    alerts_now: int
    pages_then: int
    pages_now: int
    lines: list[Line]
    new_pages: list[Page]
    gone_pages: list[Page]


Away = tuple[int, MonitorBlind]
"""A time that nobody saw, or that the clock left out, and the place in the log of the first batch after it."""


def blind_times(log: LogReader) -> list[Away]:
    """The times in which nobody watched, or that the clock left out, as the log says; in its order."""
    return away_in(
        (record.seq, record.accept_ms, decode_internal(record) if record.kind is BatchKind.INTERNAL else ())
        for record in log.read()
    )


def away_in(batches: Iterable[tuple[int, int, Sequence[Event]]]) -> list[Away]:
    """Those of which the events of some batches tell; each batch with its place, its accept time (ms UTC) and its events."""
    found: list[Away] = []
    before: deque[tuple[int, int]] = deque(maxlen=BEFORE_NOTICE_MAX)
    for seq, accept_ms, events in batches:
        before.append((seq, accept_ms))
        found += [
            (_first_after(before, event), event)
            for event in events
            if isinstance(event, MonitorBlind) and event.to_ms > event.from_ms
        ]
    return found


def _first_after(before: Sequence[tuple[int, int]], blind: MonitorBlind) -> int:
    """
    The first batch after a time that nobody saw: that with the longest pause before it, back to when it began.

    The one that tells of it comes a moment later, when the ticker looks.
    """
    newest_first = list(reversed(before))
    place, longest_ms = newest_first[0][0], -1
    for (seq, accept_ms), (_, earlier_ms) in pairwise(newest_first):
        if accept_ms - earlier_ms > longest_ms:
            place, longest_ms = seq, accept_ms - earlier_ms
        if not blind.from_ms < earlier_ms <= accept_ms:
            break
    return place


def batches_of(log: LogReader) -> Iterator[tuple[Batch, bool]]:
    """Every batch of a log, and whether it is the monitor's own."""
    codec = Codec()
    for record in log.read():
        yield decode_record(record, codec), record.kind is BatchKind.INTERNAL


def replay(
    batches: Iterable[tuple[Batch, bool]],
    away: Sequence[Away],
    rules: Rules,
    seed: Seed,
    *,
    until_ms: int | None = None,
    on_progress: Callable[[int], None] = lambda _: None,
) -> Replay | None:
    """
    Replay batches under other rules.

    Args:
        batches: In their order.
        away: See `blind_times`.
        rules, seed: See `Replay`.
        until_ms: Up to when time goes on after the last batch; None: not at all.
        on_progress: Told the place reached in the log, now and then.

    Returns:
        What came of it; None for a log without batches.
    """
    found: Replay | None = None
    waiting = list(away)
    for count, (batch, is_internal) in enumerate(batches):
        if found is None:
            found = Replay(rules, seed, batch.accept_ms)
        while waiting and waiting[0][0] <= batch.seq:
            found.be_away(waiting.pop(0)[1])
        found.take(batch, is_internal=is_internal)
        if count % PROGRESS_BATCHES == 0:
            on_progress(batch.seq)
    if found is not None and until_ms is not None and until_ms > found.now_ms:
        found.run_until(until_ms)
    return found


def compare(
    found: Replay,
    *,
    wanted_ms: int,
    began_ms: int,
    alerts: Sequence[Raised],
    pages: Sequence[Page],
    channels: Sequence[str] = (),
) -> ReplayReport:
    """
    What a replay found, beside what was told.

    Args:
        found: The replay.
        wanted_ms: From when on is compared, ms UTC. `began_ms`: when the log begins.
        alerts, pages: What is on record from then on; `channels`: those that there are.
    """
    alerts_now = [one for one in found.alerts() if one.opened_ms >= wanted_ms and one.rule != CHANNEL_BROKEN]
    pages_now = [one for one in found.pages if one.at_ms >= wanted_ms and one.rule != CHANNEL_BROKEN]
    alerts_then = [one for one in alerts if one.opened_ms >= wanted_ms and one.rule != CHANNEL_BROKEN]
    pages_then = [one for one in pages if one.at_ms >= wanted_ms and one.rule != CHANNEL_BROKEN]
    counts = [
        Counter((one.rule, one.subject) for one in cast("Sequence[Raised]", group))
        for group in (alerts_then, alerts_now, pages_then, pages_now)
    ]
    lines = [
        Line(
            rule=rule,
            subject=subject,
            alerts_then=counts[0][rule, subject],
            alerts_now=counts[1][rule, subject],
            pages_then=counts[2][rule, subject],
            pages_now=counts[3][rule, subject],
        )
        for rule, subject in set().union(*counts)
    ]
    lines.sort(key=lambda one: (-_difference(one), one.rule, one.subject))
    return ReplayReport(
        wanted_ms=wanted_ms,
        from_ms=max(wanted_ms, began_ms),
        to_ms=found.now_ms,
        left_out_ms=max(0, began_ms - wanted_ms),
        events=found.events,
        forgotten_jobs=found.forgotten,
        channels=list(channels),
        alerts_then=len(alerts_then),
        alerts_now=len(alerts_now),
        pages_then=len(pages_then),
        pages_now=len(pages_now),
        lines=lines,
        new_pages=_without(pages_now, pages_then)[:EXAMPLES_MAX],
        gone_pages=_without(pages_then, pages_now)[:EXAMPLES_MAX],
    )


def _difference(line: Line) -> int:
    return abs(line.pages_now - line.pages_then) * 1_000 + abs(line.alerts_now - line.alerts_then)


def _without(pages: Sequence[Page], others: Sequence[Page]) -> list[Page]:
    """The pages for which the others hold none of the same rule, subject and time; each of the others stands for one."""
    left: dict[tuple[str, str, str], list[int]] = {}
    for one in others:
        left.setdefault((one.rule, one.subject, one.channel), []).append(one.at_ms)
    found = []
    for one in pages:
        times = left.get((one.rule, one.subject, one.channel), [])
        near = next((at_ms for at_ms in times if abs(at_ms - one.at_ms) <= SAME_MS), None)
        if near is None:
            found.append(one)
        else:
            times.remove(near)
    return found
