"""The next deadline of every subject, the nearest first. An entry may be too early, never too late: it is looked at anew."""

from __future__ import annotations

from collections import defaultdict
from heapq import heappop, heappush

Subject = tuple[str, str]
"""What a deadline belongs to: its kind (job, unconfirmed, check, alert, group, silence, maintenance) and its name."""


class DeadlineHeap:
    """At most one entry a subject that counts; the ones that it had before are passed over."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, str, str]] = []
        self._due: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def __len__(self) -> int:
        return sum(map(len, self._due.values()))

    def __contains__(self, subject: Subject) -> bool:
        kind, name = subject
        return name in self._due[kind]

    def put(self, kind: str, name: str, deadline_ms: int | None) -> None:
        """Look at a subject at this moment (ms UTC) at the latest; None changes nothing."""
        if deadline_ms is None:
            return
        due = self._due[kind]
        known = due.get(name)
        if known is None or deadline_ms < known:
            due[name] = deadline_ms
            heappush(self._heap, (deadline_ms, kind, name))

    def next_ms(self) -> int | None:
        """When the first subject is due, ms UTC; None without any."""
        heap = self._heap
        while heap:
            due_ms, kind, name = heap[0]
            if self._due[kind].get(name) == due_ms:
                return due_ms
            heappop(heap)
        return None

    def take(self, now_ms: int) -> Subject | None:
        """Take out the subject whose deadline was the first to pass by now; None where none has."""
        next_ms = self.next_ms()
        if next_ms is None or next_ms > now_ms:
            return None
        _, kind, name = heappop(self._heap)
        del self._due[kind][name]
        return kind, name
