"""One connection: what it has said so far decides how it is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum

from msgspec import UNSET, Struct, UnsetType, field

from jobsight.protocol.codec import Chunk, Codec, Form
from jobsight.protocol.framing import LineReader
from jobsight.protocol.messages import Init
from jobsight.protocol.refusals import Code, Refusal, refusal
from jobsight.protocol.replies import answer_body, bodies_of, envelope, error_body

NODE_ID_DEFAULT = "monitor"
"""What the node calls itself before an `init` names it."""


class ReplyForm(Enum):
    """How replies to envelopes look: bare until an enveloped `init` was seen (`auto`), or always one way."""

    AUTO = "auto"
    BODY = "body"
    ENVELOPE = "envelope"


Answer = tuple[str, Mapping[str, object] | Struct] | Refusal
"""The type and the fields of a reply to a query, in order; or why there is none."""


class Outcome(Struct, kw_only=True, gc=False):
    """
    What became of a chunk.

    Attributes:
        base: Index of its first report in the batch in which it was stored.
        retrying: Index in the batch -> retry limit, of failures that raised no alert.
        answers: The reply to each of its queries, in order: its type and fields, or why there is none.
        failure: Why none of its reports was stored (11), or why that is not known (13); None when they are stored.
    """

    base: int = 0
    retrying: Mapping[int, int] = field(default_factory=dict)
    answers: Sequence[Answer] = ()
    failure: Refusal | None = None


class Session:
    """
    Reads one connection's bytes and words its replies.

    Args:
        form: How replies to envelopes look.
        report_unanswered: Told, in words, what could not be answered to anybody.
        default_source: Who has sent the reports that do not say; None where that stays unknown.
    """

    def __init__(
        self, form: ReplyForm, report_unanswered: Callable[[str], None], *, default_source: str | None = None
    ) -> None:
        self._form = form
        self._report_unanswered = report_unanswered
        self._lines = LineReader()
        self._codec = Codec(default_source)
        self._node_id: str | None = None
        self.refused: dict[Code, int] = {}
        self._is_enveloped = form is ReplyForm.ENVELOPE

    def feed(self, data: bytes) -> Chunk:
        """Bytes that came in; the chunk is empty while no line is whole."""
        return self._codec.read(self._lines.feed(data))

    def finish(self) -> Chunk:
        """The end of the connection. A message that is not whole is dropped, and said."""
        chunk = self._codec.read(self._lines.finish(), is_rest=True)
        fragment = self._codec.finish()
        if fragment:
            self._report_unanswered(f"dropped an incomplete message of {len(fragment)} bytes at the end of the input")
        return chunk

    def summary(self) -> str:
        """What was refused, by kind, and what was addressed to somebody else, in words; empty where there was neither."""
        told = []
        if self.refused:
            kinds = ", ".join(f"{code.name.lower().replace('_', ' ')} {count}" for code, count in self.refused.items())
            count = sum(self.refused.values())
            told.append(f"refused {count} line{'s' * (count > 1)} ({kinds})")
        astray = self._codec.astray
        if astray:
            were = "messages were" if astray > 1 else "message was"
            told.append(f"{astray} {were} addressed to another node, and processed all the same")
        return "; ".join(told)

    def replies(self, chunk: Chunk, outcome: Outcome) -> bytes:
        """The replies to everything in a chunk, in the order of the requests, one a line."""
        if outcome.failure is None:
            bodies = bodies_of(chunk.reports, outcome.retrying, outcome.base, chunk.payload)
        else:
            why = outcome.failure
            bodies = [
                error_body(Refusal(code=why.code, text=why.text, in_reply_to=_number(report.msg_id)))
                for report in chunk.reports
            ]
        has_asides = bool(chunk.asides)
        lines = self._interleaved(chunk, bodies, outcome) if has_asides else self._addressed(bodies, chunk.receivers)
        if not lines:
            return b""
        lines.append("")
        return "\n".join(lines).encode()

    def _addressed(self, bodies: list[str], receivers: Sequence[str | None]) -> list[str]:
        if not self._is_enveloped:
            return bodies
        node_id = self._node_id or NODE_ID_DEFAULT
        return [
            body if receiver is None else envelope(body, node_id, receiver)
            for body, receiver in zip(bodies, receivers, strict=True)
        ]

    def _interleaved(self, chunk: Chunk, bodies: list[str], outcome: Outcome) -> list[str]:
        lines: list[str] = []
        answers = iter(outcome.answers)
        position = 0
        for aside in chunk.asides:
            upto = aside.position
            lines += self._addressed(bodies[position:upto], chunk.receivers[position:upto])
            position = upto
            item = aside.item
            if isinstance(item, Refusal):
                self.refused[item.code] = self.refused.get(item.code, 0) + 1
                if item.is_anonymous and self._is_enveloped:
                    self._report_unanswered(f"refused a line: {item.text}")
                    continue
                body = error_body(item)
            elif isinstance(item, Init):
                body = self._open(item, aside.form)
            else:
                answer = next(answers)
                if isinstance(answer, Refusal):
                    body = error_body(Refusal(code=answer.code, text=answer.text, in_reply_to=_number(item.msg_id)))
                else:
                    body = answer_body(answer[0], item.msg_id, answer[1])
            lines += self._addressed([body], [aside.receiver])
        lines += self._addressed(bodies[position:], chunk.receivers[position:])
        return lines

    def _open(self, init: Init, form: Form) -> str:
        """Take the name that `init` gives; from an enveloped one on, envelopes are answered by envelopes."""
        if self._node_id is not None and self._node_id != init.node_id:
            text = f"init: this node is already called {self._node_id[:64]!r}"
            return error_body(refusal(Code.PRECONDITION_FAILED, text, in_reply_to=_number(init.msg_id)))
        self._node_id = self._codec.node_id = init.node_id
        if form is not Form.BODY and self._form is ReplyForm.AUTO:
            self._is_enveloped = True
        return answer_body("init_ok", init.msg_id, {})


def _number(msg_id: int | UnsetType | None) -> int | UnsetType:
    """A message number for a reply: null counts as absent."""
    return UNSET if msg_id is None else msg_id
