"""What is wrong with a request is said as our own validation would say it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import pytest
from msgspec import Meta, Struct

from jobsight.transports.http.faults import place_and_words

KNOWN = "known here: schedule, state, names, inner, is_on"


class Inner(Struct, forbid_unknown_fields=True):
    """Something within."""

    count: Annotated[int, Meta(ge=1, le=9)] = 1


class Wish(Struct, forbid_unknown_fields=True):
    """A body."""

    schedule: Annotated[str, Meta(min_length=3, max_length=5)] = "abc"
    state: Annotated[str, Meta(pattern="^(open|over)$")] = "open"
    names: list[str] = []
    inner: Inner | None = None
    is_on: bool = False


@pytest.mark.parametrize(
    ("given", "place", "words"),
    [
        ({"schedul": "x"}, "", f"there is no field 'schedul'; did you mean schedule? {KNOWN}"),
        ({"zzz": 1}, "", f"there is no field 'zzz'; {KNOWN}"),
        ({"schedule": "ab"}, "schedule", "expected a length of at least 3"),
        ({"schedule": "abcdef"}, "schedule", "expected a length of at most 5"),
        ({"schedule": 5}, "schedule", "expected `text`, got `whole number`"),
        ({"state": "opn"}, "state", "expected one of open|over"),
        ({"names": "a"}, "names", "expected `list`, got `text`"),
        ({"names": [True]}, "names[0]", "expected `text`, got `true or false`"),
        ({"inner": {"count": 0}}, "inner.count", "expected a number of at least 1"),
        ({"inner": {"count": 10}}, "inner.count", "expected a number of at most 9"),
    ],
)
def test_a_fault_has_its_place_and_our_words(given: dict[str, Any], place: str, words: str) -> None:
    """Nobody who sends JSON has to know the types of Python, and a slip in a field's name is answered with the nearest one."""
    with pytest.raises(msgspec.ValidationError) as refused:
        msgspec.json.decode(msgspec.json.encode(given), type=Wish)

    assert (place, words) == place_and_words(refused.value, Wish.__struct_fields__)
