"""The data folder: one process, the right log, and no way to lose it by starting (F6, F12, F13, F14)."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from jobsight.errors import (
    CannotCreateError,
    DataError,
    InUseError,
    NoPermissionError,
    NotFoundError,
    StorageError,
    StorageFullError,
)
from jobsight.logs.folder import Folder, open_folder, open_log_reader
from jobsight.logs.reserve import RESERVE_BYTES, FolderReserve
from jobsight.logs.system_errors import system_translated
from jobsight.testing.logs import an_entry

NOW_MS = 1_790_000_000_000


def opened(path: Path, *, init_new: bool = False, accept_loss: bool = False, now_ms: int = NOW_MS) -> Folder:
    return open_folder(path, init_new=init_new, accept_loss=accept_loss, now_ms=now_ms)


def fill(path: Path, batches: int) -> None:
    """A folder with so many batches in its log."""
    folder = opened(path)
    log = folder.open_log(rules_version=1)
    for number in range(batches):
        log.append([an_entry(number)])
    log.close()
    folder.close()


def seqs(path: Path) -> list[int]:
    """What a reading command finds."""
    reader = open_log_reader(path)
    try:
        return [record.seq for record in reader.read()]
    finally:
        reader.close()


def contents(path: Path) -> dict[str, bytes]:
    """Every file that says something, below a folder; what SQLite makes beside a file that is being read says nothing."""
    return {
        str(file.relative_to(path)): file.read_bytes()
        for file in sorted(path.rglob("*"))
        if file.is_file() and not file.name.endswith("-shm") and file.name != "lock" and file.stat().st_size
    }


def test_a_new_folder_is_made_for_its_owner_only(tmp_path: Path) -> None:
    """Folders that are missing are made; nobody else can read what is in them."""
    path = tmp_path / "a" / "data"
    folder = opened(path)

    assert folder.is_new
    assert 0o700 == path.stat().st_mode & 0o777
    assert {"jobsight.json", "lock", "log.db", "reserve"} == {
        file.name for file in path.iterdir() if not file.name.startswith("log.db-")
    }
    assert {0o600} == {file.stat().st_mode & 0o777 for file in path.iterdir()}
    assert {"format": 1, "log_id": folder.marker.log_id, "created_ms": NOW_MS} == json.loads(
        (path / "jobsight.json").read_bytes()
    )
    assert f"{os.getpid()}\n" == (path / "lock").read_text()
    folder.close()


def test_a_folder_is_found_as_it_was_left(tmp_path: Path) -> None:
    """The second start opens the same log, and makes nothing new."""
    fill(tmp_path, 3)
    folder = opened(tmp_path, now_ms=NOW_MS + 1)

    assert not folder.is_new
    assert NOW_MS == folder.marker.created_ms
    assert "" == folder.lost
    assert [1, 2, 3] == seqs(tmp_path)
    folder.close()
    folder.close()


def test_a_second_process_is_locked_out_with_the_pid_of_the_first(tmp_path: Path) -> None:
    """Two nodes on one folder cannot be; the second is told which process to look at, and reading commands still work."""
    fill(tmp_path, 2)
    folder = opened(tmp_path)
    code = f"""
from pathlib import Path
from jobsight.errors import InUseError
from jobsight.logs.folder import open_folder, open_log_reader
path = Path({str(tmp_path)!r})
print(len(list(open_log_reader(path).read())))
try:
    open_folder(path, now_ms=1)
except InUseError as error:
    print(error.exit_code, error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()

    assert "2" == said[0]
    assert f"69 {tmp_path} is in use by process {os.getpid()}; stop that process, or name another folder" == said[1]
    with pytest.raises(InUseError):
        opened(tmp_path)
    folder.close()
    opened(tmp_path).close()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    """A killed node leaves a lock file and no lock."""
    code = f"""
import os, signal
from pathlib import Path
from jobsight.logs.folder import open_folder
from jobsight.testing.logs import an_entry
folder = open_folder(Path({str(tmp_path)!r}), now_ms=1)
folder.open_log(rules_version=1).append([an_entry(1)])
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code], check=False)

    assert (tmp_path / "log.db-wal").stat().st_size > 0
    opened(tmp_path).close()
    assert [1] == seqs(tmp_path)


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [remove, empty])
def test_a_log_that_is_gone_is_not_begun_anew(harm: Callable[[Path], None], tmp_path: Path) -> None:
    """Where the marker says that there was a log, a missing or empty one stops the start, and nothing is made in its place."""
    fill(tmp_path, 3)
    harm(tmp_path / "log.db")
    log_id = json.loads((tmp_path / "jobsight.json").read_bytes())["log_id"]
    before = contents(tmp_path)

    for accept_loss in (False, True):
        with pytest.raises(DataError, match=f"expected log {log_id}, found none; --init-new starts over"):
            opened(tmp_path, accept_loss=accept_loss)
    with pytest.raises(DataError, match="found none"):
        open_log_reader(tmp_path)
    assert before == contents(tmp_path)


def test_another_log_is_refused(tmp_path: Path) -> None:
    """The log of another folder is refused by both ids, also with --accept-loss."""
    fill(tmp_path / "a", 1)
    fill(tmp_path / "b", 1)
    shutil.copy(tmp_path / "b" / "log.db", tmp_path / "a" / "log.db")
    before = contents(tmp_path)

    for accept_loss in (False, True):
        with pytest.raises(DataError, match=r"expected log .*, found log "):
            opened(tmp_path / "a", accept_loss=accept_loss)
    assert before == contents(tmp_path)


def newer_marker(path: Path) -> None:
    marker = json.loads((path / "jobsight.json").read_bytes())
    (path / "jobsight.json").write_text(json.dumps(marker | {"format": 2}))


def newer_log(path: Path) -> None:
    connection = apsw.Connection(str(path / "log.db"))
    connection.pragma("user_version", 2)
    connection.close()


@pytest.mark.parametrize("accept_loss", [False, True])
@pytest.mark.parametrize("age", [newer_marker, newer_log])
def test_a_newer_folder_is_refused_and_not_touched(
    age: Callable[[Path], None], accept_loss: bool, tmp_path: Path
) -> None:
    """A folder from a newer version stays byte for byte as it is."""
    fill(tmp_path, 3)
    age(tmp_path)
    (tmp_path / "lock").write_bytes(b"as it was")
    before = contents(tmp_path)

    with pytest.raises(DataError, match="written by a newer version of Jobsight") as caught:
        opened(tmp_path, accept_loss=accept_loss)
    assert 65 == caught.value.exit_code
    assert before == contents(tmp_path)
    assert age is newer_log or b"as it was" == (tmp_path / "lock").read_bytes()


def test_starting_over_moves_the_old_files_aside(tmp_path: Path) -> None:
    """--init-new deletes nothing: a folder named by the time keeps all of it, and can be used again."""
    fill(tmp_path, 3)
    (tmp_path / "view.db").write_bytes(b"a view")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "token").write_bytes(b"a secret")
    marker = tmp_path / "jobsight.json"
    marker.write_text(re.sub("[0-9a-f]{32}", "0" * 32, marker.read_text()))
    before = contents(tmp_path)
    folder = opened(tmp_path, init_new=True, now_ms=NOW_MS + 5)
    aside = tmp_path / f"replaced-{NOW_MS + 5}"

    assert folder.is_new
    assert [] == seqs(tmp_path)
    assert {name: content for name, content in before.items() if name != "reserve"} == contents(aside)
    assert {"jobsight.json", "lock", "log.db", "reserve", aside.name} <= {file.name for file in tmp_path.iterdir()}
    assert not folder.view_path.exists()
    folder.close()


def test_starting_over_leaves_a_sound_folder_alone(tmp_path: Path) -> None:
    """--init-new may stand in a service's command for ever: it acts only where the log is gone, damaged or another one."""
    fill(tmp_path, 3)

    opened(tmp_path, init_new=True).close()

    assert [1, 2, 3] == seqs(tmp_path)
    assert [] == list(tmp_path.glob("replaced-*"))


def test_starting_over_works_where_starting_does_not(tmp_path: Path) -> None:
    """--init-new is the way out of a lost log and of a damaged marker, and harmless in a new folder."""
    opened(tmp_path / "new", init_new=True).close()
    fill(tmp_path / "lost", 1)
    (tmp_path / "lost" / "log.db").unlink()
    opened(tmp_path / "lost", init_new=True).close()
    fill(tmp_path / "broken", 1)
    (tmp_path / "broken" / "jobsight.json").write_bytes(b"{")
    with pytest.raises(DataError, match="made anew from the log"):
        opened(tmp_path / "broken")
    opened(tmp_path / "broken", init_new=True).close()

    assert [] == seqs(tmp_path / "new") == seqs(tmp_path / "lost") == seqs(tmp_path / "broken")
    assert not list((tmp_path / "new").glob("replaced-*"))


def test_a_lost_marker_is_made_anew_from_the_log(tmp_path: Path) -> None:
    """A log without marker, as after a restore or a start that was cut short, is taken as it is."""
    fill(tmp_path, 2)
    marker = (tmp_path / "jobsight.json").read_bytes()
    (tmp_path / "jobsight.json").unlink()
    with pytest.raises(NotFoundError):
        open_log_reader(tmp_path)
    folder = opened(tmp_path, now_ms=1)

    assert not folder.is_new
    assert marker == (tmp_path / "jobsight.json").read_bytes()
    assert [1, 2] == seqs(tmp_path)
    folder.close()


@pytest.mark.parametrize("left", ["log.db", "log.db.new", "log.db.new-wal", "log.db.new-journal", "jobsight.json.new"])
def test_a_first_start_that_was_cut_short_is_begun_again(left: str, tmp_path: Path) -> None:
    """Half-made files of a folder without a marker are no obstacle."""
    (tmp_path / left).write_bytes(b"" if left == "log.db" else b"half")

    folder = opened(tmp_path)
    assert folder.is_new
    assert [] == seqs(tmp_path)
    folder.close()


def damage(path: Path, seq: int) -> None:
    connection = apsw.Connection(str(path / "log.db"))
    connection.execute("UPDATE batches SET payload = CAST(payload || x'00' AS BLOB) WHERE seq = ?", (seq,))
    connection.close()


def test_accepting_loss_keeps_what_is_sound_and_the_damaged_files(tmp_path: Path) -> None:
    """--accept-loss goes on from the last sound batch, says what is lost, and keeps the damaged log and the view aside."""
    fill(tmp_path, 400)
    damage(tmp_path, 301)
    (tmp_path / "view.db").write_bytes(b"a view")
    damaged = contents(tmp_path)
    folder = opened(tmp_path)
    with pytest.raises(DataError, match="batch 301 is damaged"):
        folder.open_log(rules_version=1)
    folder.close()

    folder = opened(tmp_path, accept_loss=True, now_ms=NOW_MS + 7)
    aside = tmp_path / f"damaged-{NOW_MS + 7}"

    assert (
        "300 batches with 600 events are sound; batch 301 is bad: its checksum differs from what is stored; "
        f"lost with it: 100 batches with about 200 events in all; the damaged files are kept in {aside}"
    ) == folder.lost
    assert damaged["log.db"] == (aside / "log.db").read_bytes()
    assert b"a view" == (aside / "view.db").read_bytes()
    assert not folder.view_path.exists()
    log = folder.open_log(rules_version=1)
    assert [301] == [head.seq for head in log.append([an_entry(1)])]
    assert None is log.verify().damage
    log.close()
    folder.close()
    assert "" == opened(tmp_path, accept_loss=True, now_ms=NOW_MS + 8).lost
    assert not (tmp_path / f"damaged-{NOW_MS + 8}").exists()


def test_accepting_loss_of_a_damaged_write_ahead_file(tmp_path: Path) -> None:
    """Batches behind a damaged page of the write-ahead file are given up only with --accept-loss, and kept aside."""
    fill(tmp_path / "living", 5)
    folder = opened(tmp_path / "living")
    log = folder.open_log(rules_version=1)
    for number in range(5):
        log.append([an_entry(number)])
    path = tmp_path / "killed"
    shutil.copytree(tmp_path / "living", path, ignore=shutil.ignore_patterns("*-shm"))
    log.close()
    folder.close()
    wal = bytearray((path / "log.db-wal").read_bytes())
    wal[32 + 24 + 100] ^= 1
    (path / "log.db-wal").write_bytes(wal)

    folder = opened(path)
    with pytest.raises(DataError, match=r"batch 6 is damaged: .* in log.db-wal"):
        folder.open_log(rules_version=1)
    folder.close()
    folder = opened(path, accept_loss=True)
    assert "5 batches with 10 events are sound; batch 6 is bad" in folder.lost
    assert "how much is lost with it cannot be told" in folder.lost
    assert bytes(wal) == (path / f"damaged-{NOW_MS}" / "log.db-wal").read_bytes()
    folder.close()
    assert [1, 2, 3, 4, 5] == seqs(path)


def test_accepting_loss_takes_the_marker_for_a_damaged_meta_row(tmp_path: Path) -> None:
    """What the log says of itself can be restored from the marker; no batch is lost."""
    fill(tmp_path, 5)
    connection = apsw.Connection(str(tmp_path / "log.db"))
    connection.execute("UPDATE meta SET created_ms = 0")
    connection.close()
    with pytest.raises(DataError, match="what the log says of itself is damaged"):
        opened(tmp_path)

    folder = opened(tmp_path, accept_loss=True)
    assert "no batch was lost" in folder.lost
    folder.close()
    assert [1, 2, 3, 4, 5] == seqs(tmp_path)


def test_accepting_loss_of_everything_is_refused(tmp_path: Path) -> None:
    """Where nothing can be read, the files stay as they are; starting over is another word."""
    fill(tmp_path, 5)
    (tmp_path / "log.db").write_bytes(b"\xff" * 50_000)
    before = contents(tmp_path)

    with pytest.raises(DataError, match="damaged"):
        opened(tmp_path, accept_loss=True)
    assert before == contents(tmp_path)


def test_the_reserve_is_kept_freed_and_made_again(tmp_path: Path) -> None:
    """The room is really taken, given back at once, and taken again by the next start."""
    folder, kept = opened(tmp_path), FolderReserve(tmp_path)
    reserve = tmp_path / "reserve"
    assert RESERVE_BYTES == reserve.stat().st_size
    assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES
    kept.free()
    kept.free()
    assert not reserve.exists()
    assert kept.make()
    assert RESERVE_BYTES == reserve.stat().st_size
    folder.close()


def test_a_start_without_room_says_so(tmp_path: Path) -> None:
    """A process that may write only small files, as on a full disk, ends with 75 and leaves no lie behind."""
    code = f"""
import resource, signal
from pathlib import Path
from jobsight.errors import JobsightError
from jobsight.logs.folder import open_folder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    open_folder(Path({str(tmp_path)!r}), now_ms=1)
except JobsightError as error:
    print(error.exit_code, error)
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert said.startswith(f"75 {tmp_path / 'reserve'}: there is no room left")
    folder = opened(tmp_path)
    assert [] == seqs(tmp_path)
    folder.close()


def test_a_place_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    """A file in the way is said with the code of what cannot be created."""
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CannotCreateError) as caught:
            opened(path)
        assert 73 == caught.value.exit_code


@pytest.mark.skipif(os.geteuid() == 0, reason="the system refuses nothing to the superuser")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """Without the right to write there, the code is that of permission."""
    fill(tmp_path / "data", 1)
    (tmp_path / "data").chmod(0o500)
    try:
        with pytest.raises(NoPermissionError):
            opened(tmp_path / "data" / "new")
    finally:
        (tmp_path / "data").chmod(0o700)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("EACCES", NoPermissionError),
        ("EPERM", NoPermissionError),
        ("ENOSPC", StorageFullError),
        ("EDQUOT", StorageFullError),
        ("EIO", StorageError),
        ("EROFS", CannotCreateError),
    ],
)
def test_what_the_system_says_has_its_exit_code(code: str, expected: type[Exception], tmp_path: Path) -> None:
    """Every refusal of the system becomes the error with the exit code that the manual names."""
    number = getattr(__import__("errno"), code)

    assert type(system_translated(OSError(number, os.strerror(number)), tmp_path, "it was tested")) is expected


def test_no_folder_is_not_found(tmp_path: Path) -> None:
    """Reading commands make nothing."""
    with pytest.raises(NotFoundError) as caught:
        open_log_reader(tmp_path / "none")

    assert 66 == caught.value.exit_code
    assert not (tmp_path / "none").exists()
