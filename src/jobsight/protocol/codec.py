"""
Blocks of lines into chunks of reports, and what stands between them.

Two roads lead to the same result. Whole slices go through typed decoders that take no unknown field, so that what they
accept needs no second look but at ids, labels and times. A slice that they do not take is read line by line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, cast

import msgspec
from msgspec import Struct, field

from jobsight.core.events import AnyReport
from jobsight.protocol.framing import Overlong
from jobsight.protocol.limits import LINE_BYTES_MAX, NESTING_MAX, SLICE_BYTES
from jobsight.protocol.messages import (
    REPORT_TYPES,
    AnyQuery,
    GetJob,
    Message,
    decoder_of_bodies,
    decoder_of_envelopes,
    decoder_of_half_envelopes,
)
from jobsight.protocol.reading import Form as Form
from jobsight.protocol.reading import Read, nesting_of, read_line
from jobsight.protocol.refusals import Code, Refusal, refusal
from jobsight.protocol.sources import SourceFiller
from jobsight.protocol.validation import job_id_fault, labels_fault, time_fault


class Aside(Struct, frozen=True, gc=False):
    """A query or a refusal, and its place: before the report of that index."""

    position: int
    source: str | None
    item: AnyQuery | Refusal
    form: Form = Form.BODY

    @property
    def receiver(self) -> str | None:
        """To whom an answer in an envelope goes; None where it is answered by a bare body."""
        return self.source if self.form is Form.ENVELOPE else None


class Chunk(Struct, kw_only=True, gc=False):
    """
    What was read at once.

    Attributes:
        payload: The lines of the reports as they came, each closed by a newline; what goes into the log.
        sources: Who sent each report; None for a bare body, or an envelope without `src`.
        receivers: To whom the answer to each report goes where answers are envelopes; None where it is a bare body.
        reports: In order.
        asides: Queries and refusals, in order.
    """

    payload: bytes = b""
    sources: list[str | None] = field(default_factory=list)
    receivers: list[str | None] = field(default_factory=list)
    reports: list[AnyReport] = field(default_factory=list)
    asides: list[Aside] = field(default_factory=list)


_NEXT_FORMS: Final = {
    Form.ENVELOPE: (Form.ENVELOPE, Form.BODY, Form.HALF_ENVELOPE),
    Form.BODY: (Form.BODY, Form.ENVELOPE, Form.HALF_ENVELOPE),
    Form.HALF_ENVELOPE: (Form.HALF_ENVELOPE, Form.ENVELOPE, Form.BODY),
}
"""After a slice of one form: in which order the forms are tried on the next one."""


class Codec:
    """
    Reads one connection's lines, or the log's. Keeps a message that is printed over several lines until it is whole.

    Args:
        node_id: Of this node, once an `init` has told; from then on, `astray` counts messages that are addressed to another
            one. They are processed all the same: refusing a failure over an address would lose it.
        default_source: Who has sent the reports that do not say; it is written into the payload, as if they had said it.
    """

    def __init__(self, default_source: str | None = None) -> None:
        self._filler = None if default_source is None else SourceFiller(default_source)
        self._form = Form.ENVELOPE
        self.node_id: str | None = None
        self.astray = 0
        self._astray_in_slice = 0
        self._fragment: list[bytes] = []
        self._fragment_bytes = 0
        self._fragment_objects = 0
        self._is_at_end = False

    def read(self, parts: Sequence[bytes | Overlong], *, is_rest: bool = False) -> Chunk:
        """
        Read what `LineReader` handed out.

        Args:
            parts: Blocks of lines, and marks in the place of overlong ones.
            is_rest: The last line was closed by the end of the stream, so it may stop anywhere, also within a string.
        """
        self._is_at_end = is_rest
        chunk = Chunk()
        payloads: list[bytes] = []
        for part in parts:
            if isinstance(part, Overlong):
                # What it belonged to must not go on without it: the rest may be whole by itself and mean something else.
                self._drop_fragment()
                text = f"line: expected at most {LINE_BYTES_MAX} bytes"
                self._add_refusal(chunk, refusal(Code.MALFORMED_REQUEST, text, is_anonymous=True))
                continue
            for block in slices(part):
                if self._fragment or not self._read_slice(block, chunk, payloads):
                    self._read_lines(block, chunk, payloads)
        chunk.payload = b"".join(payloads) if len(payloads) != 1 else payloads[0]
        return chunk

    def read_reports(self, lines: Sequence[bytes]) -> Chunk | None:
        """Read lines of different requests at once; None, with nothing taken, unless each of them is one plain report."""
        chunk = Chunk()
        payloads: list[bytes] = []
        if self._fragment or not self._read_slice(b"\n".join((*lines, b"")), chunk, payloads):
            return None
        if chunk.asides or len(chunk.reports) != len(lines):
            return None
        (chunk.payload,) = payloads
        return chunk

    def finish(self) -> bytes:
        """The end of the stream: what is left of a message that never became whole, for the record."""
        fragment = b" ".join(self._fragment)
        self._drop_fragment()
        return fragment

    def _read_slice(self, block: bytes, chunk: Chunk, payloads: list[bytes]) -> bool:
        """Take a slice at once. False, with nothing taken, where any line of it wants a closer look."""
        if b"\r" in block:
            block = block.replace(b"\r\n", b"\n")
        messages = self._decode_slice(block)
        if messages is None or not _is_object_a_line(block, len(messages[1])):
            return False
        sources, bodies = messages
        astray, self._astray_in_slice = self._astray_in_slice, 0
        if not set(map(type, bodies)) <= REPORT_TYPES:
            is_taken = self._take_mixed(block, sources, bodies, chunk, payloads)
            self.astray += astray if is_taken else 0
            return is_taken
        reports = cast("list[AnyReport]", bodies)
        if not _are_good(reports):
            return False
        chunk.receivers += self._receivers(sources)
        if self._filler is not None:
            block, sources = self._filler.fill(block, sources, are_bodies_bare=self._form is Form.BODY)
        chunk.sources += sources
        chunk.reports += reports
        payloads.append(block)
        self.astray += astray
        return True

    def _decode_slice(self, block: bytes) -> tuple[list[str | None], list[Message]] | None:
        """Decode a slice whose lines are all addressed alike; first in the form that the last one had."""
        for form in _NEXT_FORMS[self._form]:
            try:
                if form is Form.BODY:
                    bodies = cast("list[Message]", decoder_of_bodies.decode_lines(block))
                    sources: list[str | None] = [None] * len(bodies)
                elif form is Form.ENVELOPE:
                    envelopes = decoder_of_envelopes.decode_lines(block)
                    if self.node_id is not None:
                        self._astray_in_slice = sum(one.dest != self.node_id for one in envelopes)
                    sources, bodies = [one.src for one in envelopes], [one.body for one in envelopes]
                else:
                    halves = decoder_of_half_envelopes.decode_lines(block)
                    sources, bodies = [one.src for one in halves], [one.body for one in halves]
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            self._form = form
            return sources, bodies
        return None

    def _receivers(self, sources: list[str | None]) -> list[str | None]:
        """To whom the answers to a slice go that was just decoded."""
        return sources if self._form is Form.ENVELOPE else [None] * len(sources)

    def _take_mixed(
        self,
        block: bytes,
        sources: list[str | None],
        bodies: list[Message],
        chunk: Chunk,
        payloads: list[bytes],
    ) -> bool:
        """Take a slice that holds queries: they are answered in their place, and cut out of what is stored."""
        asked = [index for index, body in enumerate(bodies) if type(body) not in REPORT_TYPES]
        reports = [body for body in bodies if type(body) in REPORT_TYPES]
        if not _are_good(cast("list[AnyReport]", reports)) or not all(_asks_well(bodies[index]) for index in asked):
            return False
        lines = block.split(b"\n")
        start = 0
        for index in asked:
            self._take_run(bodies[start:index], sources[start:index], lines[start:index], chunk, payloads)
            query = cast("AnyQuery", bodies[index])
            chunk.asides.append(Aside(len(chunk.reports), sources[index], query, self._form))
            start = index + 1
        self._take_run(bodies[start:], sources[start:], lines[start:-1], chunk, payloads)
        return True

    def _take_run(
        self,
        bodies: list[Message],
        sources: list[str | None],
        lines: list[bytes],
        chunk: Chunk,
        payloads: list[bytes],
    ) -> None:
        """Take reports that follow each other."""
        if bodies:
            block = b"\n".join((*lines, b""))
            chunk.receivers += self._receivers(sources)
            if self._filler is not None:
                block, sources = self._filler.fill(block, sources, are_bodies_bare=self._form is Form.BODY)
            chunk.reports += cast("list[AnyReport]", bodies)
            chunk.sources += sources
            payloads.append(block)

    def _read_lines(self, block: bytes, chunk: Chunk, payloads: list[bytes]) -> None:
        """Read a slice line by line; only the bad lines are refused."""
        for line in block[:-1].split(b"\n"):
            stripped = line.strip(b" \t\r")
            if self._fragment:
                self._continue(stripped, chunk, payloads)
            elif stripped:
                self._read_line(stripped, chunk, payloads)

    def _read_line(self, line: bytes, chunk: Chunk, payloads: list[bytes]) -> None:
        read = self._decode_line(line) or read_line(line)
        if isinstance(read.message, Refusal) and read.message.is_anonymous and line.startswith(b"{"):
            nesting = nesting_of(line)
            is_cut_off = nesting.is_string_open and self._is_at_end
            is_opened = nesting.open_objects > 0 and not nesting.is_string_open
            if is_cut_off or (is_opened and nesting.deepest <= NESTING_MAX):
                self._fragment = [line]
                self._fragment_bytes = len(line)
                self._fragment_objects = nesting.open_objects
                return
        self._add(read, line, chunk, payloads)

    def _decode_line(self, line: bytes) -> Read | None:
        """The typed road for one line; None where it does not take the line."""
        found = self._decode_slice(line + b"\n")
        if found is None or len(found[1]) != 1 or not line.endswith(b"}"):
            return None
        (source,), (message,) = found
        astray, self._astray_in_slice = self._astray_in_slice, 0
        is_report = type(message) in REPORT_TYPES
        if not (_are_good([cast("AnyReport", message)]) if is_report else _asks_well(message)):
            return None
        self.astray += astray
        return Read(source, message, self._form)

    def _continue(self, line: bytes, chunk: Chunk, payloads: list[bytes]) -> None:
        """One more line of a message that is printed over several lines, unless it is a whole message itself."""
        if line.startswith(b"{") and line.endswith(b"}"):
            read = self._decode_line(line) or read_line(line)
            if read.message is None or not isinstance(read.message, Refusal):
                self._refuse_fragment(chunk, "line: expected the rest of a JSON object, got another message")
                self._add(read, line, chunk, payloads)
                return
        nesting = nesting_of(line)
        self._fragment.append(line)
        self._fragment_bytes += len(line) + 1
        self._fragment_objects += nesting.open_objects
        if self._fragment_bytes > LINE_BYTES_MAX:
            self._refuse_fragment(chunk, f"line: expected at most {LINE_BYTES_MAX} bytes")
        elif nesting.deepest > NESTING_MAX:
            self._refuse_fragment(chunk, f"line: expected at most {NESTING_MAX} levels of nesting")
        elif nesting.is_string_open and not self._is_at_end:
            self._refuse_fragment(chunk, "line: expected the rest of a JSON object, got a string without its end")
        elif not nesting.is_string_open and self._fragment_objects <= 0:
            whole = b" ".join(self._fragment)
            self._drop_fragment()
            self._add(self._decode_line(whole) or read_line(whole), whole, chunk, payloads)

    def _refuse_fragment(self, chunk: Chunk, text: str) -> None:
        self._drop_fragment()
        self._add_refusal(chunk, refusal(Code.MALFORMED_REQUEST, text, is_anonymous=True))

    def _drop_fragment(self) -> None:
        self._fragment, self._fragment_bytes, self._fragment_objects = [], 0, 0

    def _add(self, read: Read, line: bytes, chunk: Chunk, payloads: list[bytes]) -> None:
        message = read.message
        if message is None:
            return
        if self.node_id is not None and read.dest not in (None, self.node_id):
            self.astray += 1
        if type(message) in REPORT_TYPES:
            report = cast("AnyReport", message)
            block, source = line + b"\n", read.source
            chunk.receivers.append(source if read.form is Form.ENVELOPE else None)
            if self._filler is not None:
                block, source = self._filler.fill_one(line, source, report, is_bare=read.form is Form.BODY)
            chunk.sources.append(source)
            chunk.reports.append(report)
            payloads.append(block)
        else:
            item = cast("AnyQuery | Refusal", message)
            chunk.asides.append(Aside(len(chunk.reports), read.source, item, read.form))

    def _add_refusal(self, chunk: Chunk, why: Refusal) -> None:
        chunk.asides.append(Aside(len(chunk.reports), None, why))


def _are_good(reports: list[AnyReport]) -> bool:
    """
    What the typed decoders cannot check: job ids, own times, labels.

    All ids at once are looked at first: plain ones, as nearly all are, need no more.
    """
    ids = "".join([report.job_id for report in reports])
    is_plain = ids.isascii() and ids.isprintable() and " " not in ids
    if not is_plain and any(job_id_fault(report.job_id) is not None for report in reports):
        return False
    for report in reports:
        if report.at is not None and type(report.at) is not int and time_fault(report.at) is not None:
            return False
        if report.labels is not None and labels_fault(report.labels) is not None:
            return False
    return True


def _asks_well(message: Message) -> bool:
    """The same for a query: an id that no job can have is refused, not looked for."""
    return type(message) is not GetJob or job_id_fault(message.job_id) is None


_joints: Final = re.compile(rb"}\n{").findall  # faster than bytes.count


def _is_object_a_line(block: bytes, messages: int) -> bool:
    """
    Whether a slice that decoded into `messages` objects holds exactly one a line.

    The typed decoder takes two objects on a line, and one over two lines, without a word. In valid JSON a line break
    between `}` and `{` can stand between two objects only.
    """
    return (
        block.startswith(b"{")
        and block.endswith(b"}\n")
        and len(_joints(block)) == messages - 1
        and block.count(b"\n") == messages
    )


def slices(block: bytes) -> list[bytes]:
    """A block of lines, cut between lines into slices of about `SLICE_BYTES`."""
    size = len(block)
    if size <= SLICE_BYTES:
        return [block]
    cut: list[bytes] = []
    start = 0
    while start < size:
        end = block.find(b"\n", start + SLICE_BYTES) + 1 or size
        cut.append(block[start:end])
        start = end
    return cut
