"""What an answer is made of."""

from __future__ import annotations

import msgspec

from jobsight.protocol.replies import text_of


def test_half_a_character_breaks_no_answer() -> None:
    """A log of before half characters were refused can be asked as any other; what has no bytes is shown as a mark."""
    told = {"error": "up\ud800down", "history": [{"message": msgspec.Raw(b'{"a":1.50}')}]}

    assert '{"error": "up?down", "history": [{"message": {"a": 1.5}}]}' == text_of(told)
