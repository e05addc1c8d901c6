"""Damage of a log on disk is found, named and repaired; what is not found does no harm (F11, F12, F13)."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random

import apsw
import pytest
import zstandard

from jobsight.errors import DataError
from jobsight.logs.base import BatchKind, Entry, Record
from jobsight.logs.chain import link
from jobsight.logs.sqlite import SqliteLog
from jobsight.logs.sqlite_reader import SqliteReader
from jobsight.logs.verdict import Damage, words
from jobsight.testing.logs import LOG_ID, an_entry

BATCHES = 40
COLUMNS = ["seq", "accept_ms", "kind", "rules_version", "count", "payload", "checksum"]


def an_uneven_entry(number: int, dice: Random) -> Entry:
    """Between one line and several pages."""
    lines = dice.choice((1, 20, 600))
    payload = b"".join(b'{"job_id": "%s"}\n' % dice.randbytes(12).hex().encode() for _ in range(lines))
    return Entry(accept_ms=1_790_000_000_000 + number, kind=BatchKind(number % 2), count=lines, payload=payload)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """A log that was closed, with everything in the one file; and what is in it."""
    path = tmp_path_factory.mktemp("closed") / "log.db"
    SqliteLog.create(path, log_id=LOG_ID, created_ms=1)
    log = SqliteLog(path, rules_version=3)
    dice = Random(1)
    for number in range(BATCHES):
        log.append([an_uneven_entry(number, dice)])
    records = list(log.read())
    log.close()
    return path, records


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Record]]:
    """A log whose process was killed, with half of it in the write-ahead file; and what is in it."""
    living = tmp_path_factory.mktemp("living") / "log.db"
    path = tmp_path_factory.mktemp("killed") / "log.db"
    SqliteLog.create(living, log_id=LOG_ID, created_ms=1)
    dice = Random(2)
    for half in range(2):
        log = SqliteLog(living, rules_version=3)
        for number in range(BATCHES // 2):
            log.append([an_uneven_entry(half * BATCHES // 2 + number, dice)])
        if half == 0:
            log.close()
    records = list(log.read())
    for suffix in ("", "-wal"):
        shutil.copy(f"{living}{suffix}", f"{path}{suffix}")
    log.close()
    return path, records


def a_copy(path: Path, folder: Path) -> Path:
    for suffix in ("", "-wal"):
        if Path(f"{path}{suffix}").exists():
            shutil.copy(f"{path}{suffix}", f"{folder / path.name}{suffix}")
    return folder / path.name


def flip(path: Path, bit: int) -> None:
    """Turn one bit of a file over."""
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def read_all(path: Path) -> tuple[list[Record], str]:
    """What can be read before the damage, and what is said about the damage; nothing when none is found."""
    found: list[Record] = []
    try:
        reader = SqliteReader(path)
    except DataError as error:
        return [], str(error)
    try:
        verdict = reader.verify()
        found.extend(reader.read())
        return found, "" if verdict.damage is None else words(verdict)
    except DataError as error:
        return found, str(error)
    finally:
        reader.close()


def seeds(count: int, fast: int) -> list[object]:
    """Each seed is one flipped bit; hundreds of them are for `make test`."""
    return [pytest.param(seed, marks=pytest.mark.slow if seed >= fast else ()) for seed in range(count)]


@pytest.mark.parametrize("seed", seeds(400, 60))
def test_a_flipped_bit_in_the_log_is_found_or_does_no_harm(closed, seed: int, tmp_path: Path) -> None:
    """Wherever one bit of the file is turned over, verification says so, or every batch is still as it was (unused bytes)."""
    path, records = closed
    copy = a_copy(path, tmp_path)
    flip(copy, Random(seed).randrange(copy.stat().st_size * 8))

    found, said = read_all(copy)

    assert records[: len(found)] == found
    assert said or records == found


@pytest.mark.parametrize("seed", seeds(300, 60))
def test_a_flipped_bit_in_the_write_ahead_file_is_found(killed, seed: int, tmp_path: Path) -> None:
    """SQLite drops what follows a damaged page without a word; Jobsight says so, unless it is the end of the very last call."""
    path, records = killed
    copy = a_copy(path, tmp_path)
    wal = copy.with_name("log.db-wal")
    flip(wal, Random(seed).randrange(wal.stat().st_size * 8))

    found, said = read_all(copy)

    assert records[: len(found)] == found
    assert said or len(found) >= len(records) - 1


def test_what_a_killed_process_left_is_sound(killed, tmp_path: Path) -> None:
    """A write-ahead file by itself is no damage."""
    path, records = killed

    assert (records, "") == read_all(a_copy(path, tmp_path))


def test_a_flipped_bit_in_any_column_is_found_at_its_batch(closed, tmp_path: Path) -> None:
    """Header, payload and checksum are all covered, and the first bad batch is named."""
    path, records = closed
    for place, column in enumerate(COLUMNS):
        folder = tmp_path / column
        folder.mkdir()
        copy = a_copy(path, folder)
        connection = apsw.Connection(str(copy))
        [(value,)] = connection.execute(f"SELECT {column} FROM batches WHERE seq = 7").fetchall()
        changed = bytes([value[0] ^ 1, *value[1:]]) if isinstance(value, bytes) else value ^ (1 << 40 + place)
        connection.execute(f"UPDATE batches SET {column} = ? WHERE seq = 7", (changed,))
        connection.close()
        reader = SqliteReader(copy)
        verdict = reader.verify()
        reader.close()

        assert 7 == verdict.first_bad_seq, column
        assert 6 == verdict.batches
        assert sum(record.count for record in records[:6]) == verdict.events
        assert (Damage.MISSING if column == "seq" else Damage.CHECKSUM) == verdict.damage
        assert records[5].checksum == verdict.head.checksum


def forged(path: Path, payload: bytes, count: int) -> None:
    """Replace the last batch by one whose checksum is right."""
    connection = apsw.Connection(str(path))
    [(before,)] = connection.execute("SELECT checksum FROM batches WHERE seq = ?", (BATCHES - 1,)).fetchall()
    checksum = link(before, seq=BATCHES, accept_ms=1, kind=0, rules_version=1, count=count, stored=payload)
    connection.execute(
        "INSERT OR REPLACE INTO batches VALUES (?, 1, 0, 1, ?, ?, ?)", (BATCHES, count, payload, checksum)
    )
    connection.close()


@pytest.mark.parametrize(
    ("payload", "count", "expected"),
    [
        (b"no zstd", 1, Damage.UNREADABLE),
        (zstandard.compress(b"{}\n"), 2, Damage.COUNT),
        (zstandard.compress(b"{}\n"), 1, None),
    ],
)
def test_the_verdict_says_what_is_wrong(
    closed, payload: bytes, count: int, expected: Damage | None, tmp_path: Path
) -> None:
    """Beside the chain, verification looks into the payload: whether it can be read, and holds as many lines as it says."""
    copy = a_copy(closed[0], tmp_path)
    forged(copy, payload, count)
    reader = SqliteReader(copy)
    told: list[tuple[int, int]] = []
    verdict = reader.verify(lambda done, total: told.append((done, total)))
    reader.close()

    assert expected == verdict.damage
    assert (None if expected is None else BATCHES) == verdict.first_bad_seq
    assert (32, BATCHES) == told[0]


def test_a_missing_batch_is_found(closed, tmp_path: Path) -> None:
    """A row that is gone is named, when reading comes to it, and when the log is opened."""
    copy = a_copy(closed[0], tmp_path)
    connection = apsw.Connection(str(copy))
    connection.execute("DELETE FROM batches WHERE seq = 39")
    connection.close()
    before = copy.read_bytes()

    with pytest.raises(DataError, match="batch 39 is damaged: its row is missing"):
        SqliteLog(copy, rules_version=1, verify_after_seq=30)
    with pytest.raises(DataError, match="batch 39 is damaged: its row is missing"):
        SqliteLog(copy, rules_version=1, verify_after_seq=40)
    assert before == copy.read_bytes()


def test_opening_verifies_what_follows_the_given_place(closed, tmp_path: Path) -> None:
    """A start need not read everything: damage before the place is left to `verify`, damage after it refuses the start."""
    copy = a_copy(closed[0], tmp_path)
    connection = apsw.Connection(str(copy))
    connection.execute("UPDATE batches SET accept_ms = accept_ms + 1 WHERE seq = 20")
    connection.close()

    log = SqliteLog(copy, rules_version=1, verify_after_seq=20)
    assert Damage.CHECKSUM == log.verify().damage
    with pytest.raises(DataError, match="batch 20 is damaged"):
        list(log.read())
    log.close()
    with pytest.raises(DataError, match="batch 20 is damaged: its checksum differs"):
        SqliteLog(copy, rules_version=1, verify_after_seq=19)


def test_a_newer_format_is_refused_and_not_touched(closed, tmp_path: Path) -> None:
    """A log that a newer version has written stays byte for byte as it is."""
    copy = a_copy(closed[0], tmp_path)
    connection = apsw.Connection(str(copy))
    connection.pragma("user_version", 2)
    connection.close()
    before = copy.read_bytes()

    with pytest.raises(DataError, match="format 2, written by a newer version"):
        SqliteLog(copy, rules_version=1)
    assert before == copy.read_bytes()
    assert 0 == sum(path.stat().st_size for path in tmp_path.glob("*-wal"))


@pytest.mark.parametrize(
    "content", [None, b"", b"SQLite format 3\0", b"{}" * 4096], ids=["gone", "empty", "short", "foreign"]
)
def test_no_log_is_not_taken_for_an_empty_one(content: bytes | None, tmp_path: Path) -> None:
    """SQLite opens an empty file as a new database without a word; a log that is empty, gone or something else is refused."""
    path = tmp_path / "log.db"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(DataError):
        SqliteLog(path, rules_version=1)
    assert content == (path.read_bytes() if path.exists() else None)


def test_another_sqlite_file_is_refused(tmp_path: Path) -> None:
    """A database of another program is no log."""
    connection = apsw.Connection(str(tmp_path / "log.db"))
    connection.execute("CREATE TABLE batches(seq)")
    connection.close()

    with pytest.raises(DataError, match="no log of Jobsight"):
        SqliteLog(tmp_path / "log.db", rules_version=1)


def test_another_log_is_refused(closed, tmp_path: Path) -> None:
    """A log that is not the expected one is named with both ids."""
    with pytest.raises(DataError, match=f"expected log {'0' * 32}, found log {LOG_ID}"):
        SqliteLog(a_copy(closed[0], tmp_path), rules_version=1, expected_log_id="0" * 32)


def test_a_batch_of_another_log_does_not_fit(tmp_path: Path) -> None:
    """The chain begins with the id of the log, so a first batch from elsewhere is found."""
    for name, log_id in (("a", LOG_ID), ("b", "0" * 32)):
        SqliteLog.create(tmp_path / name, log_id=log_id, created_ms=1)
        log = SqliteLog(tmp_path / name, rules_version=1)
        log.append([an_entry(1)])
        log.close()
    connection = apsw.Connection(str(tmp_path / "a"))
    connection.execute("ATTACH ? AS other", (str(tmp_path / "b"),))
    connection.execute("DELETE FROM batches; INSERT INTO batches SELECT * FROM other.batches")
    connection.close()

    with pytest.raises(DataError, match="batch 1 is damaged: its checksum differs"):
        SqliteLog(tmp_path / "a", rules_version=1)
