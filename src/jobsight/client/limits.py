"""Every limit of the client, by name."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

QUEUE_REPORTS_MAX: Final = 10_000
"""Reports that wait in memory. From half of it on, progress and heartbeats are left out; starts and ends never before it."""

BATCH_LINES_MAX: Final = 500
BATCH_BYTES_MAX: Final = 256 * 1024
"""What goes into one request."""

REPLY_BYTES_MAX: Final = 4 * 1024 * 1024
"""A longer answer does not come from Jobsight."""

SPOOL_BYTES_MAX: Final = 64 * 1024 * 1024
"""What the spool holds on disk for one server; beyond it, the oldest reports go."""

SEGMENT_BYTES_MAX: Final = 1024 * 1024
"""One file of the spool; the spool is emptied, and cut, by whole files."""

CONNECT_S: Final = 1.0
ANSWER_S: Final = 10.0
"""How long an answer may take; after it the same lines are sent again."""

FLUSH_S: Final = 2.0
"""How long the end of a program waits for what is still to be sent; the rest goes to the spool."""

HEARTBEAT_S: Final = 30.0
WAIT_S_MAX: Final = 100 * 365 * 86400.0
"""A longer time is as good as never; not much above it, the system's own waits refuse it."""

PROGRESS_S: Final = 1.0
"""A job's progress is sent at most this often; the last one always."""

RETRY_FIRST_S: Final = 1.0
RETRY_MAX_S: Final = 30.0
RETRY_AFTER_MAX_S: Final = 300.0
"""Pauses while the monitor is away: doubled from the first to the longest; a pause that the monitor asks for may be longer."""

SPOOL_RETRY_S: Final = 5.0
"""How long a spool that could not be written is left alone."""

OTHER_DRAINS_S: Final = 0.1
"""How often to look again while another process empties the spool."""

DRAIN_TURN_S: Final = 0.5
"""How long the spool is emptied without a look at what else there is to do."""

JOB_ID_BYTES_MAX: Final = 256
NAME_CHARACTERS_MAX: Final = 256
STATUS_CHARACTERS_MAX: Final = 64
TEXT_BYTES_MAX: Final = 16 * 1024
LABELS_MAX: Final = 16
LABEL_KEY_BYTES_MAX: Final = 64
LABEL_VALUE_BYTES_MAX: Final = 256
MEASURES_MAX: Final = 64
MEASURE_MAX: Final = 2**53 - 1
"""What the monitor takes; reports are cut to fit, since a refused report is lost."""

EPOCH_MS_MIN: Final = 100_000_000_000
"""An earlier time than this one, of March 1973, is refused by the monitor."""

TAIL_BYTES_MAX: Final = 4 * 1024
"""What is kept of a traceback or of a command's output."""

TRACEBACK_FRAMES_MAX: Final = 20
