"""The client's spool keeps reports in order, once, and within its bound."""

from __future__ import annotations

import fcntl
import json
import os
import stat
from pathlib import Path

import pytest

from jobsight.client.reports import Line, job_id_of, line_of
from jobsight.client.spool import Spool, prefix


def a_line(number: int, job_id: str | None = None) -> Line:
    """A report with a number."""
    return line_of("w1", number, {"type": "heartbeat", "job_id": job_id or f"j{number}"})


def numbers_of(lines: list[Line]) -> list[int]:
    """The numbers of reports."""
    return [json.loads(line.raw)["body"]["msg_id"] for line in lines]


def drain(spool: Spool, lines_max: int = 500) -> list[list[int]]:
    """Take everything out of a spool; the numbers of each batch."""
    batches = []
    outlet = spool.outlet()
    assert outlet is not None
    with outlet:
        while batch := outlet.next(lines_max):
            batches.append(numbers_of(batch.lines))
            outlet.sent(batch, len(batch.lines))
    return batches


def files_of(folder: Path) -> list[Path]:
    """The spool's files, the oldest first."""
    return sorted(folder.glob("*.ndjson"))


def test_what_goes_in_comes_out_in_order_and_once(tmp_path: Path) -> None:
    """Reports leave the spool in the order in which they came, and are gone then."""
    spool = Spool(str(tmp_path))
    spool.append([a_line(1), a_line(2)])
    spool.append([a_line(3)])

    assert [[1, 2, 3]] == drain(spool)
    assert spool.is_empty()
    assert [] == files_of(tmp_path)


def test_no_batch_holds_two_reports_of_one_job(tmp_path: Path) -> None:
    """A batch without an answer can be sent again as it is: each of its reports is its job's last one."""
    spool = Spool(str(tmp_path))
    spool.append([a_line(1, "a"), a_line(2, "b"), a_line(3, "a"), a_line(4, "a"), a_line(5, "b")])

    assert [[1, 2], [3], [4, 5]] == drain(spool)


def test_a_batch_has_room_for_one_report_at_least() -> None:
    """A report that is larger than a batch goes alone."""
    large = Line("j1", b"x" * 300_000)

    assert [large] == prefix([large, a_line(2)])
    assert [1] == numbers_of(prefix([a_line(1), large]))


def test_the_next_one_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    """How far the spool was sent survives the process that sent it."""
    Spool(str(tmp_path)).append([a_line(1), a_line(2), a_line(3)])
    first = Spool(str(tmp_path)).outlet()
    assert first is not None
    with first:
        batch = first.next(2)
        assert batch is not None
        first.sent(batch, 1)

    assert [[2, 3]] == drain(Spool(str(tmp_path)))


def test_files_of_several_processes_are_emptied_by_age(tmp_path: Path) -> None:
    """Of reports by several senders, the older ones go first, whatever the clock says."""
    Spool(str(tmp_path)).append([a_line(1)])
    (file,) = files_of(tmp_path)
    file.rename(file.with_name("5000000000000-1-ahead.ndjson"))
    Spool(str(tmp_path)).append([a_line(2)])

    assert [[1], [2]] == drain(Spool(str(tmp_path)))


def test_one_empties_at_a_time(tmp_path: Path) -> None:
    """Two processes never send the same reports."""
    spool = Spool(str(tmp_path))
    spool.append([a_line(1)])
    first = spool.outlet()
    assert first is not None

    assert spool.outlet() is None
    with first:
        pass
    assert [[1]] == drain(spool)


def test_a_file_that_grows_meanwhile_is_not_removed(tmp_path: Path) -> None:
    """A report that is appended while the file is being emptied is sent too."""
    writer, reader = Spool(str(tmp_path)), Spool(str(tmp_path))
    writer.append([a_line(1)])
    outlet = reader.outlet()
    assert outlet is not None
    with outlet:
        first = outlet.next()
        assert first is not None
        outlet.sent(first, 1)
        writer.append([a_line(2)])
        second = outlet.next()
        assert second is not None
        outlet.sent(second, 1)
        assert outlet.next() is None
    writer.append([a_line(3)])

    assert ([1], [2]) == (numbers_of(first.lines), numbers_of(second.lines))
    assert [[3]] == drain(reader)


def test_a_torn_last_line_is_left_behind_and_counted(tmp_path: Path) -> None:
    """What a crash tore is lost alone."""
    spool = Spool(str(tmp_path))
    spool.append([a_line(1)])
    (file,) = files_of(tmp_path)
    with file.open("ab") as out:
        out.write(a_line(2).raw[:20])

    assert [[1]] == drain(spool)
    assert 1 == spool.dropped
    assert spool.is_empty()


@pytest.mark.parametrize("rubbish", [b"\n", b"\0\0\0\n", b"{}\n", b'{"body":{"job_id":7}}\n', b"[" * 9999 + b"\n"])
def test_a_damaged_line_does_not_hold_up_the_others(tmp_path: Path, rubbish: bytes) -> None:
    """A line that is no report is passed over and counted; those around it are sent."""
    spool = Spool(str(tmp_path))
    spool.append([a_line(1)])
    (file,) = files_of(tmp_path)
    with file.open("ab") as out:
        out.write(rubbish + a_line(2).raw)

    assert [[1], [2]] == drain(spool)
    assert 1 == spool.dropped


@pytest.mark.parametrize("head", [b"", b'{"jobsight', b'{"jobsight_spool": 1, "sent": %12s}\n' % b"no number"])
def test_a_damaged_head_loses_nothing_but_its_place(tmp_path: Path, head: bytes) -> None:
    """A file whose head was torn is read from its beginning, or has nothing in it."""
    whole = head.endswith(b"\n")
    tmp_path.chmod(0o700)
    (tmp_path / "0000000000001-1-a.ndjson").write_bytes(head + (a_line(1).raw if whole else b""))

    assert ([[1]] if whole else []) == drain(Spool(str(tmp_path)))
    assert [] == files_of(tmp_path)


def test_the_oldest_go_when_it_is_full(tmp_path: Path) -> None:
    """The spool keeps within its bound; what had to go is counted, and what is left is the newest, in order."""
    spool = Spool(str(tmp_path), bytes_max=8_000)
    for number in range(1, 301):
        spool.append([a_line(number)])
    size = sum(file.stat().st_size for file in files_of(tmp_path))
    left = [number for batch in drain(spool) for number in batch]

    assert size <= 8_000
    assert list(range(left[0], 301)) == left
    assert left[0] - 1 == spool.dropped


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    """Reports hold error texts and output: nobody else reads them."""
    folder = tmp_path / "a" / "b"
    Spool(str(folder)).append([a_line(1)])

    assert 0o700 == stat.S_IMODE(folder.stat().st_mode)
    assert [0o600] == [stat.S_IMODE(file.stat().st_mode) for file in files_of(folder)]


def test_a_folder_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    """In a folder open to all, anybody could forge reports."""
    tmp_path.chmod(0o777)
    kept, error = Spool(str(tmp_path)).append([a_line(1)])

    assert 0 == kept
    assert isinstance(error, PermissionError)


def test_a_file_in_the_way_is_an_error_and_not_a_crash(tmp_path: Path) -> None:
    """A spool that cannot be made says so; nothing is raised."""
    (tmp_path / "file").touch()
    spool = Spool(str(tmp_path / "file" / "spool"))
    kept, error = spool.append([a_line(1)])

    assert 0 == kept
    assert isinstance(error, OSError)
    assert spool.is_empty()
    assert spool.outlet() is None


def test_a_full_disk_takes_whole_reports_or_nothing(tmp_path: Path) -> None:
    """What a full disk took in part is taken back, so the file stays sound."""
    import resource

    spool = Spool(str(tmp_path))
    spool.append([a_line(1)])
    (file,) = files_of(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (file.stat().st_size + 10, limits[1]))
    try:
        kept, error = spool.append([a_line(2)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    again, _ = spool.append([a_line(3)])

    assert 0 == kept
    assert isinstance(error, OSError)
    assert 1 == again
    assert [[1, 3]] == drain(spool)


def test_a_full_disk_is_not_filled_with_empty_files(tmp_path: Path) -> None:
    """Where not even the head of a new file fits, nothing of it stays, however often that is tried."""
    import resource

    spool = Spool(str(tmp_path))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        tries = [spool.append([a_line(number)])[0] for number in range(3)]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert [0, 0, 0] == tries
    assert [] == files_of(tmp_path)


def test_a_file_that_vanishes_while_it_is_made_is_made_again(tmp_path: Path) -> None:
    """Somebody who empties the spool may find a new file before anything is in it, and remove it."""
    spool = Spool(str(tmp_path))
    spool.append([a_line(1)])
    drain(spool)
    spool.append([a_line(2)])

    assert [[2]] == drain(spool)


def test_an_appending_process_waits_for_nobody_long(tmp_path: Path) -> None:
    """The lock of the spool's way out does not hold up those who append."""
    spool = Spool(str(tmp_path))
    spool.append([a_line(1)])
    lock = os.open(tmp_path / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    kept, error = spool.append([a_line(2)])
    os.close(lock)

    assert (1, None) == (kept, error)
    assert [[1, 2]] == drain(spool)


def test_a_line_tells_whose_it_is() -> None:
    """The job of a line is read from its body."""
    assert job_id_of(a_line(1, 'täsk \\ "x"').raw) == 'täsk \\ "x"'
