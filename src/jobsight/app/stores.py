"""A log, its view, and the state that they give together: on disk or in memory, for writing and for reading beside a node."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from jobsight.app.clock import Say, clock_ms
from jobsight.core.apply import RULES_VERSION
from jobsight.core.state import State
from jobsight.engine.answers import Reading
from jobsight.engine.ports import ReadModel
from jobsight.engine.recovery import recover
from jobsight.errors import DamagedViewError
from jobsight.logs.base import Log
from jobsight.logs.memory import MemoryLog
from jobsight.view.lazy import LazyView

if TYPE_CHECKING:
    from jobsight.logs.sqlite_reader import SqliteReader
    from jobsight.view.queries import Reader
    from jobsight.view.store import View

VERIFY_HEAD_ONLY: Final = 1 << 62


class Store(Struct, frozen=True, kw_only=True):
    """
    A log, its view, and the state that they give together.

    `reader` answers queries as of the last flush; `began_ms` says when the log was made, ms UTC; `closing` is done first
    at the end; `data` is the folder.
    """

    log: Log
    view: ReadModel
    state: State
    reader: Callable[[], Reading]
    is_durable: bool
    began_ms: int = 0
    data: Path | None = None
    closing: ExitStack = ExitStack()


@contextmanager
def open_store(
    data: Path | None, say: Say, *, init_new: bool = False, accept_loss: bool = False, copies_beside: bool = False
) -> Iterator[Store]:
    """
    Everything that is kept, recovered and ready; closed at the end of the block.

    Args:
        data: The data folder; None keeps everything in memory.
        say: Told what was repaired or given up on the way.
        init_new, accept_loss: What the operator allows where the log is gone or damaged.
        copies_beside: Whether a thread copies the view's write-ahead file, so that no answer waits for the disk meanwhile.

    Raises:
        JobsightError: The folder cannot be used; the text says why, and the exit code of the error is the command's.
    """
    if data is None:
        log = MemoryLog(log_id=secrets.token_hex(16), rules_version=RULES_VERSION)
        view = LazyView(log.log_id)
        yield Store(log=log, view=view, state=recover(log, view), reader=view.reader, is_durable=False)
        view.close()
        return
    with ExitStack() as stack:
        yield _open_folder(stack, data, say, init_new, accept_loss, copies_beside)


def _open_folder(
    stack: ExitStack, data: Path, say: Say, init_new: bool, accept_loss: bool, copies_beside: bool
) -> Store:
    from jobsight.engine.checkpoints import renew_view
    from jobsight.logs.folder import open_folder
    from jobsight.view.queries import open_reader

    os.umask(0o077)  # whatever is made in the folder is the owner's alone
    folder = open_folder(data, init_new=init_new, accept_loss=accept_loss, now_ms=clock_ms())
    stack.callback(folder.close)
    if folder.lost:
        say(folder.lost)
    # The head is verified here, what the view has not seen yet by `recover`; everything by `jobsight log verify`.
    log = folder.open_log(rules_version=RULES_VERSION, verify_after_seq=VERIFY_HEAD_ONLY)
    stack.callback(log.close)
    try:
        view, state = _open_view(folder.view_path, log)
    except DamagedViewError as error:
        say(f"{error}; making it anew")
        renew_view(data, folder.view_path, log)
        view, state = _open_view(folder.view_path, log)
    stack.callback(view.close)
    if copies_beside:
        view.checkpoint_beside()
    reader = open_reader(folder.view_path)
    stack.callback(reader.close)
    began_ms = folder.marker.created_ms
    store = Store(log=log, view=view, state=state, reader=lambda: reader, is_durable=True)
    return replace(store, began_ms=began_ms, data=data, closing=stack)


def _open_view(path: Path, log: Log, on_progress: Callable[[int], None] = lambda _: None) -> tuple[View, State]:
    from jobsight.engine.checkpoints import renew_view
    from jobsight.view.store import View

    if log.bounds()[0] > 1 and not path.exists():
        renew_view(path.parent, path, log)
    view = View.open(path, log.log_id)
    try:
        return view, recover(log, view, on_progress)
    except BaseException:
        view.close()
        raise


@contextmanager
def read_log(data: Path) -> Iterator[SqliteReader]:
    """The log of a data folder, read beside a node that may be running on it. Raises NotFoundError, DataError."""
    from jobsight.logs.folder import open_log_reader

    reader = open_log_reader(data)
    try:
        yield reader
    finally:
        reader.close()


@contextmanager
def read_view(data: Path) -> Iterator[Reader]:
    """The view of a data folder, read beside a node that may be running on it. Raises NotFoundError, DataError."""
    from jobsight.logs.folder import VIEW, open_log_reader
    from jobsight.view.queries import open_reader

    open_log_reader(data).close()
    reader = open_reader(data / VIEW)
    try:
        yield reader
    finally:
        reader.close()


def folder_holder(data: Path) -> int | None:
    """The process that uses a data folder; None for none."""
    from jobsight.logs.lock import holder_of

    return holder_of(data)


def rebuild_view(data: Path, on_progress: Callable[[int, int], None]) -> tuple[int, int]:
    """
    Make the view of a data folder anew from its log.

    Args:
        data: The folder; no other process may use it.
        on_progress: Told the place reached, and the last one.

    Returns:
        Batches that were replayed, and jobs that the view holds.
    """
    from jobsight.engine.checkpoints import renew_view
    from jobsight.logs.folder import open_folder

    os.umask(0o077)  # whatever is made in the folder is the owner's alone
    with ExitStack() as stack:
        folder = open_folder(data, now_ms=clock_ms())
        stack.callback(folder.close)
        log = folder.open_log(rules_version=RULES_VERSION)
        stack.callback(log.close)
        renew_view(data, folder.view_path, log)
        last = log.head().seq
        view, state = _open_view(folder.view_path, log, lambda seq: on_progress(seq, last))
        stack.callback(view.close)
        return last, state.jobs_total
