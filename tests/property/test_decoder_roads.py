"""The typed decoders take whole slices at once. They may decline a slice; they may never read it differently."""

from __future__ import annotations

from random import Random
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st
from typing_extensions import override
from wire_lines import some_line

from jobsight.core.events import AnyReport
from jobsight.protocol.codec import Chunk, Codec
from jobsight.protocol.messages import Message
from jobsight.protocol.reading import nesting_of
from jobsight.protocol.validation import MESSAGES


class SlowCodec(Codec):
    """The codec without its typed decoders: every line goes through the general road."""

    @override
    def _decode_slice(self, block: bytes) -> None:
        return None


SEEDS = st.integers(0, 2**64 - 1)


def some_blocks(seed: int) -> list[bytes]:
    """Some messages, each closed by a newline of one kind or another, some of them over several lines."""
    random = Random(seed)
    newline = random.choice([b"\n", b"\n", b"\r\n", b"\n\n"])
    lines = [some_line(random) for _ in range(random.randrange(7))]
    blocks = [(line.replace(b", ", b",\n") if random.random() < 0.1 else line) + newline for line in lines]
    note(repr(blocks))
    return blocks


def readable(chunk: Chunk) -> Any:
    """All of a chunk in a form that tells 1 from 1.0 and absent from null."""
    return (
        chunk.payload,
        chunk.sources,
        chunk.receivers,
        [repr(report) for report in chunk.reports],
        [(aside.position, aside.source, aside.receiver, repr(aside.item)) for aside in chunk.asides],
    )


@pytest.mark.slow
@settings(max_examples=2_000)
@given(SEEDS)
def test_both_roads_read_the_same(seed: int) -> None:
    """For any lines, valid, nearly valid or broken, the fast road gives the chunk of the slow one."""
    block = b"".join(some_blocks(seed))

    assert readable(SlowCodec().read([block])) == readable(Codec().read([block]))


@settings(max_examples=500)
@given(SEEDS)
def test_a_line_is_read_alike_alone_and_among_others(seed: int) -> None:
    """What a line means does not depend on the lines with which it was read."""
    blocks = some_blocks(seed)
    codec = Codec()
    alone = [codec.read([block]) for block in blocks]
    together = Codec().read([b"".join(blocks)])

    assert b"".join(one.payload for one in alone) == together.payload
    assert [repr(report) for one in alone for report in one.reports] == [repr(one) for one in together.reports]
    assert [repr(aside.item) for one in alone for aside in one.asides] == [repr(one.item) for one in together.asides]


@settings(max_examples=500)
@given(SEEDS)
def test_what_is_stored_reads_as_what_was_accepted(seed: int) -> None:
    """The payload holds the accepted reports, one a line, and nothing else: replay reads the same reports from it."""
    chunk = Codec().read(some_blocks(seed))
    again = Codec().read([chunk.payload] if chunk.payload else [])

    assert [repr(report) for report in chunk.reports] == [repr(report) for report in again.reports]
    assert chunk.sources == again.sources
    assert [] == again.asides
    assert len(chunk.reports) == chunk.payload.count(b"\n")


@given(st.binary(max_size=60) | st.text(alphabet='{}[]"\\ a', max_size=40).map(str.encode))
def test_anything_at_all_can_be_read(rubbish: bytes) -> None:
    """No line stops the node: each gets at most one answer, and none of rubbish becomes a report."""
    chunk = Codec().read([rubbish.replace(b"\n", b" ") + b"\n"])

    assert [] == chunk.reports
    assert len(chunk.asides) <= 1


@given(st.recursive(st.text(alphabet='{}[]"\\', max_size=4), lambda inner: st.lists(inner, max_size=3), max_leaves=8))
def test_brackets_in_strings_do_not_nest(value: Any) -> None:
    """A whole JSON value opens nothing, whatever stands in its strings, and is as deep as it is."""
    line = msgspec.json.encode({"value": value})
    depth = 1 + depth_of(value)

    assert (0, depth, False) == msgspec.structs.astuple(nesting_of(line))
    assert nesting_of(line[:-1]).open_objects == 1


def depth_of(value: Any) -> int:
    """How deep lists stand within each other."""
    return 1 + max((depth_of(one) for one in value), default=0) if isinstance(value, list) else 0


@pytest.mark.parametrize("kind", get_args(Message), ids=lambda kind: kind.__name__)
def test_the_table_of_rules_names_every_field(kind: type) -> None:
    """The general road knows the same types and fields as the typed one."""
    tag = kind.__struct_config__.tag  # type: ignore[attr-defined]

    assert kind is MESSAGES[tag].type
    assert set(kind.__struct_fields__) == {"msg_id", *MESSAGES[tag].rules} - {"check"}  # type: ignore[attr-defined]
    assert set(get_args(AnyReport)) <= {fields.type for fields in MESSAGES.values()}
