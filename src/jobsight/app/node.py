"""The node on stdin and stdout."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from jobsight.app.clock import Say
from jobsight.app.stores import open_store
from jobsight.app.writing import duties_of, writer_of
from jobsight.core.events import SettingsChanged
from jobsight.engine.collector import spare_the_collector
from jobsight.engine.retention import KeepTimes
from jobsight.engine.writer import Writer
from jobsight.protocol.session import ReplyForm, Session
from jobsight.transports.stdio import StdioNode, Waker


def run_node(
    *,
    data: Path | None,
    form: ReplyForm,
    retries_max: int | None,
    complain: Say,
    kept: KeepTimes | None = None,
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
        kept: How long things are kept in a data folder.
        init_new, accept_loss: What the operator allows where the log is gone or damaged.

    Raises:
        JobsightError: With the command's exit code.
    """
    if data is None and sys.stderr.isatty():
        complain("no --data: everything is kept in memory, and gone at the end")
    spare_the_collector()
    waker = Waker()
    with open_store(data, complain, init_new=init_new, accept_loss=accept_loss) as store:
        writer = writer_of(store, waker.wake if store.is_durable else None, kind=Writer)
        if store.state.retries_max != retries_max:
            kept_settings = {"silence_ms": store.state.silence_ms, "tasks_max": store.state.tasks_max}
            writer.record([SettingsChanged(max_retries=retries_max, **kept_settings, author="config")])
        duties = duties_of(writer, store, kept or KeepTimes(), complain)
        node = StdioNode(writer, Session(form, complain), waker, complain, ticker=duties)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, node.stop)
        node.serve()
