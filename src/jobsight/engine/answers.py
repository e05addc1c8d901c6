"""Answers to queries, from the state in memory first and from the view where it has left the memory."""

from __future__ import annotations

from jobsight.core.state import State
from jobsight.core.statistics import totals_of
from jobsight.protocol.messages import AnyQuery, GetStats
from jobsight.protocol.refusals import Code, refusal
from jobsight.protocol.session import Answer


class Answers:
    """Answers queries as of the last applied event."""

    def __init__(self, state: State) -> None:
        self._state = state

    def answer(self, query: AnyQuery) -> Answer:
        """The type and the fields of the reply, or why there is none."""
        if isinstance(query, GetStats) and query.is_plain:
            return ("job_stats", totals_of([self._state.counters]))
        return refusal(Code.NOT_SUPPORTED, "not yet")
