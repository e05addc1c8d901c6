"""F19: valid input, changed byte by byte: the node lives, answers what can be answered, and refused lines change nothing."""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest
from faults.length import IS_LONG
from transcript_runner import Node
from wire_lines import some_line

from jobsight.core.statistics import totals_of

MUTATIONS = 100_000 if IS_LONG else 8_000
AT_ONCE = 2_000


def mutated(line: bytes, dice: Random) -> bytes:
    """A line in which some bytes were turned over, lost, repeated, or replaced by what means something in JSON."""
    raw = bytearray(line)
    for _ in range(dice.choice((1, 1, 2, 5))):
        place = dice.randrange(len(raw) + 1)
        match dice.randrange(5):
            case 0 if place < len(raw):
                raw[place] ^= 1 << dice.randrange(8)
            case 1:
                del raw[place : place + dice.choice((1, 1, 4, 40))]
            case 2:
                raw[place:place] = raw[place : place + dice.choice((1, 8, 60))]
            case 3:
                raw[place:place] = dice.choice(
                    (b'"', b"{", b"}", b"[", b"\\", b"\\u", b"\x00", b"\xff", b",", b":", b"1e999", b"null")
                )
            case _:
                raw[place : place + 1] = dice.randbytes(1)
    return bytes(raw).replace(b"\n", b" ").replace(b"\r", b" ")


def body_of(answer: bytes) -> dict[str, Any]:
    """The body of a reply, in an envelope or without."""
    reply: dict[str, Any] = json.loads(answer)
    found: dict[str, Any] = reply.get("body", reply)
    return found


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("first", range(0, MUTATIONS, AT_ONCE))
def test_no_mutation_breaks_the_node(first: int) -> None:
    """One answer a line at most, each of them JSON; a line that is refused changes no figure and stores nothing."""
    node = Node()
    dice = Random(first)
    refused = 0
    for number in range(first, first + AT_ONCE):
        line = mutated(some_line(dice), dice)
        state = node.state
        before = (state.applied_seq, totals_of([state.counters]))
        node.send(line + b"\n")
        answers = node.take_replies().splitlines()

        if line.lstrip()[:1] == b"{" and not line.rstrip().endswith(b"}"):
            # The object may go on in the next line; a blank one and a whole one end the waiting.
            node.send(b'\n{"type": "get_stats"}\n')
            answers += node.take_replies().splitlines()[:-1]
        kinds = [body_of(answer)["type"] for answer in answers]
        after = (node.state.applied_seq, totals_of([node.state.counters]))
        if kinds == ["error"] or not kinds:
            refused += 1
            assert before == after, f"mutation {number}: {line!r}"
    node.send(b'{"type": "get_stats", "msg_id": 1}\n')
    *_, last = node.take_replies().splitlines()
    node.close()

    assert "job_stats" == body_of(last)["type"]
    assert 0 < refused < AT_ONCE
