"""When a delivery is tried again, and when it is given up."""

from __future__ import annotations

from typing import Any

import pytest

from jobsight.core.retries import (
    AGE_MS_MAX,
    ASKED_PAUSE_MS_MAX,
    PAUSE_MS_MAX,
    REFUSAL_PAUSE_MS,
    REFUSAL_TRIES_MAX,
    TRIES_MAX,
    RetryReason,
    after_failure,
)

AGAIN, ASKED, REFUSED = RetryReason.TRY_AGAIN, RetryReason.ASKED_TO_WAIT, RetryReason.REFUSED


def verdict(**fields: Any) -> tuple[RetryReason, int | None]:
    """What follows a first failure with nothing particular about it, but for these fields."""
    usual = {"tries": 1, "age_ms": 0, "retry_after_ms": 0, "is_refusal": False, "roll": 1.0}
    found = after_failure(**{**usual, **fields})
    return found.reason, found.pause_ms


# fmt: off
CASES: list[tuple[dict[str, Any], tuple[RetryReason, int | None]]] = [
    # a pause of up to twice the last one, spread over its whole length, never above five minutes
    ({},                                                       (AGAIN, 2_000)),
    ({"tries": 2},                                             (AGAIN, 4_000)),
    ({"tries": 8},                                             (AGAIN, 256_000)),
    ({"tries": 9},                                             (AGAIN, PAUSE_MS_MAX)),
    ({"tries": 40},                                            (AGAIN, PAUSE_MS_MAX)),
    ({"tries": 9, "roll": 0.5},                                (AGAIN, PAUSE_MS_MAX // 2)),
    ({"roll": 0.0},                                            (AGAIN, 0)),
    # the far side may ask for a longer pause, of an hour at most; a shorter one than ours changes nothing
    ({"retry_after_ms": 30_000},                               (ASKED, 30_000)),
    ({"retry_after_ms": 86_400_000},                           (ASKED, ASKED_PAUSE_MS_MAX)),
    ({"tries": 9, "retry_after_ms": 1_000},                    (AGAIN, PAUSE_MS_MAX)),
    # a no is asked three times in five minutes
    ({"is_refusal": True},                                     (RetryReason.REFUSED_SO_FAR, REFUSAL_PAUSE_MS)),
    ({"is_refusal": True, "tries": REFUSAL_TRIES_MAX - 1},     (RetryReason.REFUSED_SO_FAR, REFUSAL_PAUSE_MS)),
    ({"is_refusal": True, "tries": REFUSAL_TRIES_MAX},         (REFUSED, None)),
    # some things are never asked again, and nothing is asked for ever
    ({"retry_after_ms": None},                                 (RetryReason.NEVER, None)),
    ({"tries": TRIES_MAX - 1},                                 (AGAIN, PAUSE_MS_MAX)),
    ({"tries": TRIES_MAX},                                     (RetryReason.TRIES_OVER, None)),
    ({"age_ms": AGE_MS_MAX - 1},                               (AGAIN, 2_000)),
    ({"age_ms": AGE_MS_MAX},                                   (RetryReason.TOO_OLD, None)),
]
# fmt: on


@pytest.mark.parametrize(("fields", "expected"), CASES)
def test_what_follows_a_failed_try(fields: dict[str, Any], expected: tuple[RetryReason, int | None]) -> None:
    """An outage of hours loses nothing, a wrong address does not go on for ever, and nobody is asked too often."""
    assert expected == verdict(**fields)
