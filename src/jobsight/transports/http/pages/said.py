"""What an action has done, told on the page to which it leads back. Only these sentences can stand in a URL."""

from __future__ import annotations

from typing import Final, Literal

Did = Literal[
    "acknowledged",
    "resolved",
    "silenced",
    "unsilenced",
    "dismissed",
    "revoked",
    "tested",
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
    "tested": ("The channel was sent a test.", "{n} channels were sent a test."),
    "removed": ("It is removed.", "{n} are removed."),
    "retried": ("It is sent once more.", "{n} are sent once more."),
    "saved": ("It is saved.", "{n} are saved."),
}


def sentence(did: Did | None, count: int) -> str:
    """What is told; nothing where nothing was done. A `count` of 0 or 1 speaks of one thing."""
    if did is None:
        return ""
    one, many = _SENTENCES[did]
    return one if count <= 1 else many.format(n=f"{count:,}")
