"""What is kept: jobs by when they ended, roll-ups by their age. Everything else follows from the cutoffs alone."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from jobsight.core.job import COMPLETED
from jobsight.core.rollup import WIDTHS_S, bucket_start_ms

_DAY_MS: Final = 86_400_000

ROLLUP_KEPT_MS: Final = {10: 2 * _DAY_MS, 300: 60 * _DAY_MS, 3_600: 731 * _DAY_MS}
"""How long the buckets of a width (in seconds) are kept; those of other widths for ever."""


class Kept(Struct, frozen=True, kw_only=True, gc=False):
    """
    From when on things are kept, ms UTC; 0 for everything.

    Attributes:
        completed_from_ms: Jobs that ended completed; `other_from_ms` those that ended otherwise.
        as_of_ms: The moment from which the ages of roll-ups are counted.
    """

    completed_from_ms: int = 0
    other_from_ms: int = 0
    as_of_ms: int = 0

    @property
    def latest_ms(self) -> int:
        """The later cutoff: nothing that ends from here on can be gone already."""
        return max(self.completed_from_ms, self.other_from_ms)


def is_gone(kept: Kept, status: str, ended_ms: int | None) -> bool:
    """Whether a job that stands in `status` since `ended_ms` (None: it is active) is no longer kept."""
    if ended_ms is None:
        return False
    return ended_ms < (kept.completed_from_ms if status == COMPLETED else kept.other_from_ms)


def rollups_kept_from_ms(width_s: int, as_of_ms: int) -> int:
    """
    From when on the buckets of a width are kept.

    It is the start of a bucket of the next width, so that what is left of a coarser bucket is always all or none of it.
    """
    kept_ms = ROLLUP_KEPT_MS.get(width_s)
    if kept_ms is None or as_of_ms <= kept_ms:
        return 0
    coarser_s = WIDTHS_S[WIDTHS_S.index(width_s) + 1]
    return bucket_start_ms(as_of_ms - kept_ms, coarser_s)


def kept_bucket_start_ms(at_ms: int, as_of_ms: int) -> int:
    """The start of the finest bucket around a moment that is still kept."""
    for width_s in WIDTHS_S:
        if at_ms >= rollups_kept_from_ms(width_s, as_of_ms):
            return bucket_start_ms(at_ms, width_s)
    raise AssertionError("the coarsest buckets are kept for ever")
