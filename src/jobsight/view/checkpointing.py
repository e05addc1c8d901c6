"""
Copying the write-ahead file into the view beside the writer, so that no answer waits for the disk that this keeps busy.

A commit of its own accord copies once the file is long enough, and syncs twice. Here the commit only says that it is time,
and a thread with a connection of its own copies. What a copy fails with is no error of a commit: nothing is lost, since
the pages stay where they are, and the next commit asks again. What became of it is noted; see `write_ahead`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Final

import apsw

from jobsight.errors import JobsightError
from jobsight.view.database import CHECKPOINT_PAGES

Note = Callable[[apsw.Error | None, bool], None]
"""Told how a copy ended: with which error, and whether it is whole."""

LAGGING_PAGES: Final = 8 * CHECKPOINT_PAGES
"""Pages in the write-ahead file at which a commit copies by itself: the thread does not keep up."""


class Checkpointing:
    """
    Looks after the write-ahead file of one writing connection. The thread begins with the first copy.

    Args:
        connection: The writer's; its own copying is switched off.
        connect: Opens one more to the same file, for the thread.
        note: Told of each copy, also from the thread.
    """

    def __init__(
        self,
        connection: apsw.Connection,
        connect: Callable[[], apsw.Connection],
        note: Note = lambda error, is_whole: None,
    ) -> None:
        self._connect: Final = connect
        self._note: Final = note
        self._asked: SimpleQueue[bool] = SimpleQueue()
        self._thread: Thread | None = None
        connection.set_wal_hook(self._on_commit)

    def close(self) -> None:
        """End the thread; before the writer's connection is closed, whose end copies what is left."""
        if self._thread is not None:
            self._asked.put(False)
            self._thread.join()
            self._thread = None

    def _on_commit(self, connection: apsw.Connection, name: str, pages: int) -> int:
        if pages >= LAGGING_PAGES:
            self._copy(connection)
        elif pages >= CHECKPOINT_PAGES and self._asked.empty():
            self._asked.put(True)
            if self._thread is None:
                self._thread = Thread(target=self._run, name="jobsight-view", daemon=True)
                self._thread.start()
        return apsw.SQLITE_OK

    def _run(self) -> None:
        with suppress(apsw.Error, JobsightError):  # a commit copies by itself then, once the file is long
            connection = self._connect()
            while self._asked.get():
                self._copy(connection)
            connection.close()

    def _copy(self, connection: apsw.Connection) -> None:
        """Copy what no reader stands in the way of; see above for what becomes of errors."""
        try:
            frames, copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.Error as error:
            self._note(error, False)
        else:
            self._note(None, frames == copied)
