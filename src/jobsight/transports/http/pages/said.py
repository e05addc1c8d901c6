"""
What an action has done, told once on the page to which it leads back.

A cookie brings it there, and is taken away with that page: a reload says nothing again, and neither does a link that is shared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, get_args

from msgspec import Struct

Did = Literal[
    "acknowledged",
    "resolved",
    "silenced",
    "unsilenced",
    "dismissed",
    "revoked",
    "tested",
    "untested",
    "removed",
    "retried",
    "saved",
]

_SENTENCES: Final = {
    "acknowledged": ("Acknowledged: nobody is told again for 24 hours.", "{n} alerts are acknowledged."),
    "resolved": ("Resolved by hand.", "{n} alerts are resolved."),
    "silenced": ("Silenced: it is recorded, and told to nobody.", "{n} silences are set."),
    "unsilenced": ("The silence has ended: what still fires is told.", "{n} silences have ended."),
    "dismissed": (
        "One lost job is dismissed: it stands cancelled now.",
        "{n} lost jobs are dismissed: they stand cancelled now.",
    ),
    "revoked": ("Revoked: it opens nothing any more.", "{n} tokens are revoked."),
    "tested": ("The channel has taken a test.", "{n} channels have taken a test."),
    "untested": ("The channel did not take the test; its last answer says why.", "{n} channels did not take the test."),
    "removed": ("It is removed.", "{n} are removed."),
    "retried": ("It is sent once more.", "{n} are sent once more."),
    "saved": ("It is saved.", "{n} are saved."),
}


COOKIE: Final = "jobsight_told"
KEPT_S: Final = 30
"""For so long the browser may take to ask for the page."""

IN_ADDRESSES: Final = ("did", "n")
"""What addresses of before hold; it is not told again."""

_TOLD: Final = re.compile(r"([a-z]+)\.([0-9]{1,9})")


class Told(Struct, frozen=True, kw_only=True):
    """What was done, and to how many."""

    did: Did | None = None
    n: int = 0


NOTHING: Final = Told()


def told_in(cookies: Mapping[str, str]) -> Told:
    """What a browser brings to the page; nothing where that is none of the sentences."""
    match = _TOLD.fullmatch(cookies.get(COOKIE, ""))
    if match is None or match[1] not in get_args(Did):
        return NOTHING
    return Told(did=match[1], n=int(match[2]))  # type: ignore[arg-type]  # it is one of them


def cookie_of(told: Told) -> str:
    """The header's value that lets a browser bring this to the next page; of nothing, one that takes it away."""
    value, age_s = ("", 0) if told.did is None else (f"{told.did}.{told.n}", KEPT_S)
    return f"{COOKIE}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age_s}"


def sentence(told: Told) -> str:
    """What is told; nothing where nothing was done."""
    if told.did is None:
        return ""
    one, many = _SENTENCES[told.did]
    return one if told.n <= 1 else many.format(n=f"{told.n:,}")
