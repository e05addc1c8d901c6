"""What the outside knows: what was sent, answered, delivered. It outlives every life of the monitor."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from simulation.channel import FarSide

REFUSED, UNKNOWN = 11, 13


class Ledger:
    """
    The workers' and the far sides' memory.

    Attributes:
        lines: Every report that was sent, by its `msg_id`.
        sent: How often each was sent.
        answered: Those with a reply that is no error: promised. `refused`: how often each was answered with 11; a report
            that was refused each time is promised not to be there.
        owed: Those without any reply yet, which their worker will send again after a restart, in order.
        excused: Deliveries by key: how often a repeat is allowed, as the monitor died between the yes and the mark.
    """

    def __init__(self, sides: dict[str, FarSide]) -> None:
        self.sides = sides
        self.lines: dict[int, bytes] = {}
        self.answered: dict[int, dict[str, Any]] = {}
        self.sent: Counter[int] = Counter()
        self.refused: Counter[int] = Counter()
        self.owed: list[int] = []
        self.excused: Counter[tuple[str, str]] = Counter()
        self.numbers = 0

    def write(self, worker: str, body: dict[str, Any]) -> int:
        """A new report; its number."""
        self.numbers += 1
        number = self.numbers
        self.lines[number] = json.dumps({"src": worker, "body": {**body, "msg_id": number}}).encode() + b"\n"
        return number

    def take_replies(self, replies: bytes) -> None:
        """Replies have reached the workers."""
        for line in replies.splitlines():
            reply = json.loads(line)
            number = reply.get("in_reply_to")
            if number not in self.lines:
                continue
            if number in self.owed:
                self.owed.remove(number)
            if reply["type"] != "error":
                self.answered[number] = reply
            elif reply["code"] == REFUSED:
                self.refused[number] += 1
            else:
                assert reply["code"] == UNKNOWN, f"a report that is as it should be was refused: {reply}"
                self.owed.append(number)

    def taken(self) -> Counter[tuple[str, str]]:
        """How often each far side has said yes to each notification: (channel, key of the notification)."""
        return Counter(
            (channel, f"{one.dedup_key}|{one.kind}|{one.sequence}")
            for channel, side in self.sides.items()
            for one in side.taken
        )
