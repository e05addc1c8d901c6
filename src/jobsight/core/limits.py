"""Every limit of what a report may carry and of what the core keeps, by name. Sizes in bytes unless the name says otherwise."""

from __future__ import annotations

from typing import Final

JOB_ID_BYTES_MAX: Final = 256
STATUS_CHARACTERS_MAX: Final = 64
NAME_CHARACTERS_MAX: Final = 256
"""Task, queue and host names."""

TEXT_BYTES_KEPT: Final = 16 * 1024
"""What is kept of an error or a message; the rest is cut with a mark."""

LABELS_MAX: Final = 16
LABEL_KEY_BYTES_MAX: Final = 64
LABEL_VALUE_BYTES_MAX: Final = 256
MEASURES_MAX: Final = 64
"""Entries of `resource_usage`."""

MEASURE_MAX: Final = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""

MSG_ID_MAX: Final = 2**63 - 1
EPOCH_MS_MIN: Final = 100_000_000_000
"""A smaller number is not an epoch time in milliseconds (it would lie before March 1973: seconds, most likely)."""

AHEAD_MS_MAX: Final = 5 * 60_000
"""A report's own time further ahead than this is clamped to the accept time."""

HISTORY_REFS_MAX: Final = 1_000
"""Events of a job that its history points to, beside the first one."""

PAIRS_MAX: Final = 5_000
"""(task, queue) pairs with counters of their own; further ones count under `OTHER`."""

TASKS_MAX: Final = 200_000
"""Names of tasks, unless set otherwise; the jobs of further ones are jobs of `OTHER`."""

STATUS_WORDS_MAX: Final = 1_000
"""Different status words counted by name; further ones count under `OTHER`."""

OTHER: Final = "(other)"
"""Where names above a cardinality limit are counted."""

BATCH_EVENTS_MAX: Final = 2**20
"""An event's place in the log packs into one integer: sequence number and, in 20 bits, its index."""

SILENCE_MS: Final = 24 * 3_600_000
"""An active job that was silent for so long becomes `lost`, unless set otherwise."""

CHECKS_BY_REPORT_MAX: Final = 100_000
"""Checks that reports may define; the config file and the API may go beyond."""
