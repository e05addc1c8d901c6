"""
The conformance suite for logs. Each promise is a function of (kind, folder) that raises AssertionError when it is broken.

    @pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
    def test_my_log(promise, tmp_path):
        promise(MY_KIND, tmp_path)
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from jobsight.engine.checkpoints import trimmable
from jobsight.logs.base import BatchKind, Entry, Head, Log, Record

LOG_ID: Final = "0123456789abcdef" * 2
OTHER_LOG_ID: Final = "fedcba9876543210" * 2
RULES_VERSION: Final = 7
DEADLINE_S: Final = 20.0
"""No promise waits longer for another thread."""


class LogKind(Struct, frozen=True, kw_only=True):
    """
    One kind of log, as the suite sees it.

    Attributes:
        name: For test ids.
        open: Opens the log with this id in this folder, making it when there is none, for `RULES_VERSION`.
        is_durable: Whether it is still there after it was closed.
    """

    name: str
    open: Callable[[Path, str], Log]
    is_durable: bool


Promise = Callable[[LogKind, Path], None]


def an_entry(number: int, *, kind: BatchKind = BatchKind.REPORTS) -> Entry:
    """A batch of two lines that differs from the one of any other number."""
    payload = b'{"type": "job_completed", "job_id": "j%d"}\n{"type": "heartbeat"}\n' % number
    return Entry(accept_ms=1_790_000_000_000 + number, kind=kind, count=2, payload=payload)


def as_entry(record: Record) -> Entry:
    """What was appended, from what was read."""
    return Entry(accept_ms=record.accept_ms, kind=record.kind, count=record.count, payload=record.payload)


def an_empty_log_says_so(kind: LogKind, folder: Path) -> None:
    """A log without a batch has bounds (1, 0), a head at 0, and nothing to read."""
    log = kind.open(folder, LOG_ID)

    assert (1, 0) == log.bounds()
    assert 0 == log.head().seq
    assert [] == list(log.read())
    assert log.record(1) is None
    assert LOG_ID == log.log_id
    log.close()


def batches_come_back_in_order_as_they_were_accepted(kind: LogKind, folder: Path) -> None:
    """Every field of every batch is read as it was appended, numbered from 1 without gaps, whatever the size of the calls."""
    log = kind.open(folder, LOG_ID)
    entries = [an_entry(number, kind=BatchKind(number % 2)) for number in range(100)]
    for start, stop in ((0, 1), (1, 1), (1, 8), (8, 100)):
        log.append(entries[start:stop])

    records = list(log.read())

    assert entries == [as_entry(record) for record in records]
    assert list(range(1, 101)) == [record.seq for record in records]
    assert {RULES_VERSION} == {record.rules_version for record in records}
    assert (1, 100) == log.bounds()
    log.close()


def any_payload_is_kept(kind: LogKind, folder: Path) -> None:
    """Nothing, one newline, text of any script, and megabytes come back byte for byte."""
    log = kind.open(folder, LOG_ID)
    payloads = [b"", b"\n", "状态 \u0000 ✓\n".encode(), bytes(range(256)) + b"\n", b'{"a": 1}\n' * 400_000]
    log.append([Entry(accept_ms=0, kind=BatchKind.REPORTS, count=one.count(b"\n"), payload=one) for one in payloads])

    assert payloads == [record.payload for record in log.read()]
    log.close()


def append_answers_where_each_batch_stands(kind: LogKind, folder: Path) -> None:
    """The heads that are answered are those of the stored batches, and the last one is the head of the log."""
    log = kind.open(folder, LOG_ID)
    heads = log.append([an_entry(1), an_entry(2)]) + log.append([an_entry(3)])

    assert heads == [Head(seq=record.seq, checksum=record.checksum) for record in log.read()]
    assert heads[-1] == log.head()
    assert [] == log.append([])
    assert heads[-1] == log.head()
    log.close()


def reading_goes_on_after_a_place(kind: LogKind, folder: Path) -> None:
    """A reader that knows the batches up to a place gets those after it, and nothing at or after the end."""
    log = kind.open(folder, LOG_ID)
    log.append([an_entry(number) for number in range(70)])

    assert list(range(41, 71)) == [record.seq for record in log.read(40)]
    assert [70] == [record.seq for record in log.read(69)]
    assert [] == list(log.read(70))
    assert [] == list(log.read(71))
    log.close()


def one_batch_is_found_by_its_number(kind: LogKind, folder: Path) -> None:
    """A record is the one that reading gives; there is none before the first and after the last."""
    log = kind.open(folder, LOG_ID)
    log.append([an_entry(number) for number in range(5)])

    assert list(log.read()) == [log.record(seq) for seq in range(1, 6)]
    assert [None, None, None] == [log.record(seq) for seq in (-1, 0, 6)]
    log.close()


def a_call_is_stored_whole_or_not_at_all(kind: LogKind, folder: Path) -> None:
    """A batch that cannot be stored takes the others of its call with it, and leaves the log as it was."""
    log = kind.open(folder, LOG_ID)
    log.append([an_entry(1)])
    head = log.head()
    try:
        log.append([an_entry(2), replace(an_entry(3), count=-1), an_entry(4)])
    except struct.error:
        pass
    else:
        raise AssertionError("a negative count was taken")

    assert head == log.head()
    assert [an_entry(1)] == [as_entry(record) for record in log.read()]
    assert [2] == [one.seq for one in log.append([an_entry(5)])]
    assert [an_entry(1), an_entry(5)] == [as_entry(record) for record in log.read()]
    log.close()


def the_chain_depends_on_everything(kind: LogKind, folder: Path) -> None:
    """Equal logs have equal checksums, on any machine; one difference anywhere before gives others from there on."""
    first, second = an_entry(1), an_entry(2)
    changed = {
        "accept_ms": replace(first, accept_ms=first.accept_ms + 1),
        "kind": replace(first, kind=BatchKind.INTERNAL),
        "count": replace(first, count=first.count + 1),
        "payload": replace(first, payload=first.payload.replace(b"j1", b"j2")),
    }

    def checksums(name: str, log_id: str, entry: Entry) -> list[bytes]:
        (folder / name).mkdir()
        log = kind.open(folder / name, log_id)
        heads = log.append([entry, second])
        log.close()
        return [head.checksum for head in heads]

    expected = checksums("a", LOG_ID, first)
    others = [checksums(name, LOG_ID, entry) for name, entry in changed.items()]
    others.append(checksums("log_id", OTHER_LOG_ID, first))

    assert expected == checksums("b", LOG_ID, first)
    assert 10 + 2 == len({checksum for one in [expected, *others] for checksum in one})


def a_reader_that_began_earlier_sees_what_follows(kind: LogKind, folder: Path) -> None:
    """Reading goes to the end as it is when it is reached, and two readers do not disturb each other."""
    log = kind.open(folder, LOG_ID)
    log.append([an_entry(number) for number in range(3)])
    one, other = log.read(), log.read(1)
    seen = [next(one).seq, next(other).seq, next(one).seq]
    log.append([an_entry(3)])

    assert [1, 2, 2] == seen
    assert [3, 4] == [record.seq for record in one]
    assert [3, 4] == [record.seq for record in other]
    log.close()


def a_reader_in_another_thread_sees_a_prefix(kind: LogKind, folder: Path) -> None:
    """While batches are appended, other threads read, look up and ask for bounds, and never see a gap or half a call."""
    log = kind.open(folder, LOG_ID)
    has_ended = Event()
    faults: list[str] = []
    calls = 60

    def watch() -> None:
        last = 0
        while last < calls * 5 and not faults:
            is_over = has_ended.is_set()
            for record in log.read(last):
                if record.seq != last + 1 or as_entry(record) != an_entry(record.seq):
                    faults.append(f"after batch {last} came {record}")
                last = record.seq
            stored = log.bounds()[1]
            if stored % 5:
                faults.append(f"half a call is seen: {stored} batches")
            if last and log.record(last) is None:
                faults.append(f"batch {last} was read and is not there")
            if is_over and last != calls * 5:
                faults.append(f"the last batch that was read is {last}")

    readers = [Thread(target=watch, daemon=True) for _ in range(2)]
    for reader in readers:
        reader.start()
    for call in range(calls):
        log.append([an_entry(call * 5 + index) for index in range(1, 6)])
    has_ended.set()
    for reader in readers:
        reader.join(DEADLINE_S)

    assert [] == faults
    assert [False, False] == [reader.is_alive() for reader in readers]
    log.close()


def closing_twice_is_fine(kind: LogKind, folder: Path) -> None:
    """A second close does nothing."""
    log = kind.open(folder, LOG_ID)
    log.append([an_entry(1)])
    log.close()
    log.close()


def a_log_is_found_as_it_was_left(kind: LogKind, folder: Path) -> None:
    """After closing and opening, everything is there, and the numbers and the chain go on."""
    log = kind.open(folder, LOG_ID)
    log.append([an_entry(1), an_entry(2)])
    left, head = list(log.read()), log.head()
    log.close()
    log = kind.open(folder, LOG_ID)

    assert left == list(log.read())
    assert head == log.head()
    assert [3] == [one.seq for one in log.append([an_entry(3)])]
    log.close()
    log = kind.open(folder, LOG_ID)
    assert [1, 2, 3] == [record.seq for record in log.read()]
    log.close()


def a_trimmed_log_begins_later_and_is_as_sound(kind: LogKind, folder: Path) -> None:
    """What is trimmed is gone in steps, for open readers too; the rest is chained as before, also after a restart."""
    log = trimmable(kind.open(folder, LOG_ID))
    log.append([an_entry(number) for number in range(1, 101)])
    kept, reading = list(log.read(60)), log.read()
    first = next(reading)
    while log.trim(60):
        assert log.bounds()[0] <= 61

    assert 1 == first.seq
    assert kept == list(log.read())
    assert kept[-40:] == list(reading)[-40:]
    assert (61, 100) == log.bounds()
    assert log.record(60) is None
    assert [101] == [head.seq for head in log.append([an_entry(101)])]
    log.close()
    log = trimmable(kind.open(folder, LOG_ID))
    assert list(range(61, 102)) == [record.seq for record in log.read()]
    log.trim(10_000, 10_000)
    assert (101, 101) == log.bounds()
    log.close()


PROMISES: Final[tuple[Promise, ...]] = (
    an_empty_log_says_so,
    batches_come_back_in_order_as_they_were_accepted,
    any_payload_is_kept,
    append_answers_where_each_batch_stands,
    reading_goes_on_after_a_place,
    one_batch_is_found_by_its_number,
    a_call_is_stored_whole_or_not_at_all,
    the_chain_depends_on_everything,
    a_reader_that_began_earlier_sees_what_follows,
    a_reader_in_another_thread_sees_a_prefix,
    closing_twice_is_fine,
)
"""What every log promises."""

DURABLE_PROMISES: Final[tuple[Promise, ...]] = (a_log_is_found_as_it_was_left,)
"""What a log on disk promises beside."""

TRIM_PROMISES: Final[tuple[Promise, ...]] = (a_trimmed_log_begins_later_and_is_as_sound,)
"""What a log promises whose oldest batches can be deleted."""
