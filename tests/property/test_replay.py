"""However reports arrive and however they are grouped, stored and read again: the replies and the state are the same."""

from __future__ import annotations

from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from core_state import Applier, Sent
from hypothesis import given, note, settings
from hypothesis import strategies as st
from transcript_runner import Node
from wire_lines import some_line

from jobsight.core.events import AnyReport, StatusUpdate
from jobsight.engine.recovery import decode_record
from jobsight.logs.base import BatchKind
from jobsight.protocol.codec import Codec

QUERIES = (b"list_jobs", b"get_job", b"get_stats")
"""What brings the view up to date, so that ended jobs leave the memory."""

SEEDS = st.integers(0, 2**64 - 1)


def some_input(seed: int, lines_max: int = 12, *, without: tuple[bytes, ...] = (b"list_jobs", b"get_job")) -> bytes:
    """Some lines of input; by default without the queries whose answer tells how the log is cut into batches."""
    random = Random(seed)
    lines = [some_line(random) for _ in range(random.randrange(lines_max))]
    data = b"".join(line + b"\n" for line in lines if not any(word in line for word in without))
    note(repr(data))
    return data


def some_reports(seed: int) -> list[Sent]:
    """Reports as a connection brings them, some of them twice in a row."""
    random = Random(seed)
    chunk = Codec().read([b"".join(some_line(random) + b"\n" for _ in range(60))])
    sent = list(zip(chunk.sources, chunk.reports, strict=True))
    return [one for one in sent for _ in range(random.choice([1, 1, 1, 2]))]


def cut_somewhere(random: Random, whole: Any) -> list[Any]:
    """Cut into pieces, in order; some of them may be empty."""
    places = sorted(random.randrange(len(whole) + 1) for _ in range(random.randrange(6)))
    return [whole[start:end] for start, end in zip([0, *places], [*places, len(whole)], strict=True)]


@settings(max_examples=300)
@given(SEEDS, SEEDS)
def test_any_split_into_reads_gives_the_same_replies(seed: int, cuts: int) -> None:
    """Bytes have no boundaries: a read may end in a line, in a character, between CR and LF."""
    data = some_input(seed)
    whole, pieces = Node(), Node()
    whole.send(data)
    for piece in cut_somewhere(Random(cuts), data):
        pieces.send(piece)
    whole.end()
    pieces.end()

    assert whole.take_replies() == pieces.take_replies()
    assert whole.complained == pieces.complained


@settings(max_examples=200)
@given(SEEDS, SEEDS)
def test_one_batch_of_many_equals_many_batches_of_one(seed: int, cuts: int) -> None:
    """How reports are grouped into batches changes neither the state nor what is alerted."""
    sent = some_reports(seed)
    at_once, one_by_one, grouped = Applier(), Applier(), Applier()

    at_once.send(sent)
    for one in sent:
        one_by_one.send([one])
    for group in cut_somewhere(Random(cuts), sent):
        grouped.send(group)

    assert at_once.snapshot() == one_by_one.snapshot()
    assert at_once.snapshot() == grouped.snapshot()


@settings(max_examples=200)
@given(SEEDS)
def test_replay_gives_the_state_that_was_live(seed: int) -> None:
    """The log alone, read again, gives the same state, the same counters, the same alerts."""
    node = Node(retries_max=1)
    for line in some_input(seed, lines_max=30, without=QUERIES).splitlines(keepends=True):
        node.send(line)
        node.clock.now_ms += 7
    live, replayed = Applier(), Applier()
    live.state = node.state
    codec = Codec()
    for record in node.log.read():
        batch = decode_record(record, codec)
        replayed.now_ms = batch.accept_ms
        if record.kind is BatchKind.INTERNAL:
            replayed.tell(*batch.events)
        else:
            replayed.send(list(zip(batch.sources, batch.events, strict=True)))
    live.order_of = replayed.order_of

    assert live.snapshot() == replayed.snapshot()


@pytest.mark.slow
@settings(max_examples=25)
@given(SEEDS, SEEDS)
def test_a_node_that_is_restarted_answers_like_one_that_is_not(seed: int, cuts: int) -> None:
    """Nothing that can be asked shows whether there were restarts: not the figures, not a job, not its history."""
    data = some_input(seed, lines_max=40)
    with TemporaryDirectory() as folder:
        steady, restarted = Node(), Node(Path(folder))
        for piece in cut_somewhere(Random(cuts), data):
            for node in (steady, restarted):
                node.send(piece)
                node.step(300)
            restarted.restart()
        steady.end()
        restarted.end()
        told = [[node.take_replies(), *map(node.ask, QUESTIONS)] for node in (steady, restarted)]
        restarted.close()

    assert told[0] == told[1]


QUESTIONS = [
    '{"type": "get_stats"}',
    '{"type": "get_stats", "detail": true}',
    *(f'{{"type": "get_job", "job_id": "{job_id}", "history": true}}' for job_id in ("a", "b", "c", "job-123")),
]
"""What can be asked of a node that has seen some lines."""


@settings(max_examples=200)
@given(SEEDS)
def test_a_repeated_report_counts_once(seed: int) -> None:
    """Each report sent three times in a row leaves the state in which one of each leaves it, wherever it can be told apart."""
    sent = [one for one in some_reports(seed) if type(one[1].msg_id) is int]
    once, thrice = Applier(), Applier()

    for one in sent:
        once.send([one])
        thrice.send([one, one])
        thrice.send([one])

    assert without_places(once) == without_places(thrice)


def without_places(applier: Applier) -> dict[str, Any]:
    """A snapshot in which repeats leave no trace: they have a place in the log, and move those behind them."""
    snapshot = applier.snapshot()
    for job in snapshot["jobs"]:
        job["refs"] = len(job["refs"])
        job["alert_id"] = job["alert_id"] and job["alert_id"][0]
    for alert in [*snapshot["alerts"], *(alert for index in snapshot["open"] for alert in index)]:
        alert["alert_id"] = alert["alert_id"][0]
    return snapshot


@settings(max_examples=200)
@given(SEEDS)
def test_the_short_way_of_a_plain_update_is_the_long_way(seed: int) -> None:
    """A report that only moves the progress takes a short way through `apply`; with its own time it takes the long one."""
    sent = some_reports(seed)
    short, long = Applier(), Applier()
    for source, report in sent:
        if isinstance(report, StatusUpdate) and is_plain(report):
            timed = StatusUpdate(**fields_of(report) | {"at": long.now_ms})
            is_end_already = (job := long.state.jobs.get(report.job_id)) is not None and job.status == report.status
            long.send([(source, timed if is_end_already else report)])
        else:
            long.send([(source, report)])
        short.send([(source, report)])

    assert without_last_events(short) == without_last_events(long)


def is_plain(report: AnyReport) -> bool:
    """Whether a report carries none of the optional fields, and no number by which it could be a repeat."""
    return set(fields_of(report)) <= {"job_id", "status", "progress"}


def fields_of(report: AnyReport) -> dict[str, Any]:
    """What a report carries."""
    return {name: getattr(report, name) for name in report.__struct_fields__ if is_told(report, name)}


def is_told(report: AnyReport, name: str) -> bool:
    """Whether a field is there with a value."""
    return bool(getattr(report, name) is not None and repr(getattr(report, name)) != "UNSET")


def without_last_events(applier: Applier) -> dict[str, Any]:
    """A snapshot without the reports themselves."""
    snapshot = applier.snapshot()
    for job in snapshot["jobs"]:
        del job["last_event"]
    return snapshot
