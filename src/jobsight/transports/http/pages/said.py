"""What an action has done, told on the page to which it leads back. Only these sentences can stand in a URL."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

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


class Told(Struct, frozen=True, kw_only=True):
    """What stands in the URL of any page beside its own parameters: what was done, and to how many."""

    did: Did | None = None
    n: Annotated[int, Meta(ge=0)] = 0


TOLD: Final = Told.__struct_fields__


def sentence(told: Told) -> str:
    """What is told; nothing where nothing was done."""
    if told.did is None:
        return ""
    one, many = _SENTENCES[told.did]
    return one if told.n <= 1 else many.format(n=f"{told.n:,}")
