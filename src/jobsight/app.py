"""The composition root: the only file that names concrete logs, views and transports, and that reads the clock."""

from __future__ import annotations

import secrets
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from jobsight.core.apply import RULES_VERSION
from jobsight.core.events import SettingsChanged
from jobsight.engine.answers import Answers
from jobsight.engine.ports import ReadModel
from jobsight.engine.recovery import recover
from jobsight.engine.writer import Writer
from jobsight.logs.base import Log
from jobsight.logs.memory import MemoryLog
from jobsight.protocol.session import ReplyForm, Session
from jobsight.transports.stdio import StdioNode, Waker
from jobsight.view.lazy import LazyView


def clock_ms() -> int:
    """Wall time in milliseconds since the epoch, UTC. The one place where the clock is read."""
    return time.time_ns() // 1_000_000


def run_node(
    *,
    data: Path | None,
    form: ReplyForm,
    retries_max: int | None,
    complain: Callable[[str], None],
    init_new: bool = False,
    accept_loss: bool = False,
) -> None:
    """
    Serve the node on stdin and stdout until the input ends or a signal comes.

    Args:
        data: The data folder; None keeps everything in memory.
        form: How replies to envelopes look.
        retries_max: The node's retry limit; None for none.
        complain: Writes one line to stderr.
        init_new, accept_loss: What the operator allows where the log is gone or damaged.

    Raises:
        JobsightError: With the command's exit code.
    """
    waker = Waker()
    if data is None:
        if sys.stderr.isatty():
            complain("no --data: everything is kept in memory, and gone at the end")
        log: Log = MemoryLog(log_id=secrets.token_hex(16), rules_version=RULES_VERSION)
        view: ReadModel = LazyView()
    else:
        raise NotImplementedError
    state = recover(log, view)
    writer = Writer(
        log=log,
        view=view,
        state=state,
        clock_ms=clock_ms,
        answer=Answers(state).answer,
        wake=None if data is None else waker.wake,
    )
    if state.retries_max != retries_max:
        writer.record([SettingsChanged(max_retries=retries_max, author="config")])
    node = StdioNode(writer, Session(form, complain), waker, complain)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, node.stop)
    node.serve()
