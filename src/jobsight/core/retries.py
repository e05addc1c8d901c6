"""When a delivery is tried again, and when it is given up. Arithmetic: the dice are thrown by the caller."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from msgspec import Struct

BASE_MS: Final = 1_000
PAUSE_MS_MAX: Final = 300_000
"""The longest pause of our own; a far side may ask for more."""

ASKED_PAUSE_MS_MAX: Final = 3_600_000
"""The longest pause that a far side may ask for."""

TRIES_MAX: Final = 50
AGE_MS_MAX: Final = 24 * 3_600_000
REFUSAL_TRIES_MAX: Final = 3
"""A far side that said no is asked this often."""

REFUSAL_PAUSE_MS: Final = 150_000
"""Between those: three tries within five minutes."""

BREAKER_FAILURES: Final = 5
"""After so many failures in a row a channel rests."""

BREAKER_MS: Final = 60_000
"""For so long; then one delivery tries it."""


class RetryReason(StrEnum):
    """Why a failed try is, or is not, followed by another."""

    TRY_AGAIN = "try_again"
    ASKED_TO_WAIT = "asked_to_wait"
    REFUSED_SO_FAR = "refused_so_far"
    REFUSED = "refused"
    NEVER = "never"
    TRIES_OVER = "tries_over"
    TOO_OLD = "too_old"


class RetryVerdict(Struct, frozen=True, kw_only=True):
    """`pause_ms` before the next try; None: given up, for the named reason."""

    reason: RetryReason
    pause_ms: int | None


def after_failure(
    *, tries: int, age_ms: int, retry_after_ms: int | None, is_refusal: bool, roll: float
) -> RetryVerdict:
    """
    What follows a failed try.

    Args:
        tries: So far, this one among them.
        age_ms: Since the notification was decided on.
        retry_after_ms: What the far side asks for; 0 for nothing in particular, None for never again.
        is_refusal: It said no, or does not exist.
        roll: Of the dice, from 0 to 1: pauses are spread over their whole length.
    """
    if retry_after_ms is None:
        return RetryVerdict(reason=RetryReason.NEVER, pause_ms=None)
    if is_refusal:
        if tries >= REFUSAL_TRIES_MAX:
            return RetryVerdict(reason=RetryReason.REFUSED, pause_ms=None)
        return RetryVerdict(reason=RetryReason.REFUSED_SO_FAR, pause_ms=REFUSAL_PAUSE_MS)
    if tries >= TRIES_MAX:
        return RetryVerdict(reason=RetryReason.TRIES_OVER, pause_ms=None)
    if age_ms >= AGE_MS_MAX:
        return RetryVerdict(reason=RetryReason.TOO_OLD, pause_ms=None)
    pause_ms = round(roll * min(PAUSE_MS_MAX, BASE_MS << min(tries, 20)))
    if retry_after_ms > pause_ms:
        return RetryVerdict(reason=RetryReason.ASKED_TO_WAIT, pause_ms=min(retry_after_ms, ASKED_PAUSE_MS_MAX))
    return RetryVerdict(reason=RetryReason.TRY_AGAIN, pause_ms=pause_ms)
