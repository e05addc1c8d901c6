"""How many jobs have ended how within a range: of all that stored roll-ups hold, the ends alone."""

from __future__ import annotations

from jobsight.view.rollup_content import decode_ends
from jobsight.view.rollup_queries import RollupQueries
from jobsight.view.watermarks import ALL_JOBS


class EndedQueries(RollupQueries):
    """The part of a reader that answers this."""

    def ended(self, since_ms: int, until_ms: int | None = None) -> dict[str, int]:
        """
        Terminal status -> ends of all jobs within a range: what `rollup_sum` has as `ends`, without adding up durations.

        Args:
            since_ms, until_ms: Rounded down to the finest bucket that is still kept, ms UTC; None for no end.
        """
        total: dict[str, int] = {}
        with self._moment():
            for content in self._contents(since_ms, until_ms, ALL_JOBS):
                for status, count in decode_ends(content).items():
                    total[status] = total.get(status, 0) + count
        return total
