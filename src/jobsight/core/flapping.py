"""A problem that comes and goes: after many changes it is told once more, and then kept quiet until it is stable."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct, field

CHANGES_MIN: Final = 6
"""Openings and endings within a window from which a problem flaps."""

WINDOW_MS: Final = 3_600_000
QUIET_MS: Final = 30 * 60_000
"""So long nothing may change before it is stable again."""

FLAPS_MAX: Final = 1_000
"""Problems whose changes are remembered; beyond, those that have changed first are forgotten."""


class Flap(Struct, kw_only=True):
    """
    The latest changes of a problem.

    Attributes:
        changes: When it was opened or ended within the last window, ms UTC.
        alert_id: The episode with which it began to flap, and of which people are told; None while it does not.
    """

    changes: list[int] = field(default_factory=list)
    alert_id: str | None = None


def note_change(flaps: dict[str, Flap], fingerprint: str, alert_id: str, at_ms: int, *, is_opened: bool) -> bool:
    """
    A problem was opened, or is over.

    Returns:
        Whether it begins to flap with that. It only does when it is opened: then there is something to tell.
    """
    flap = flaps.pop(fingerprint, None) or Flap()
    flaps[fingerprint] = flap
    if len(flaps) > FLAPS_MAX:
        del flaps[next(iter(flaps))]
    flap.changes = [*(one for one in flap.changes if at_ms - WINDOW_MS < one <= at_ms), at_ms][-2 * CHANGES_MIN :]
    if not is_opened or flap.alert_id is not None or len(flap.changes) < CHANGES_MIN:
        return False
    flap.alert_id = alert_id
    return True


def is_kept_quiet(flaps: Mapping[str, Flap], fingerprint: str, alert_id: str) -> bool:
    """Whether nobody is told of this episode because its problem flaps."""
    flap = flaps.get(fingerprint)
    return flap is not None and flap.alert_id is not None and flap.alert_id != alert_id


def stable_ms(flap: Flap | None) -> int | None:
    """When a flapping problem is stable if nothing changes any more, ms UTC; None where it does not flap."""
    return None if flap is None or flap.alert_id is None else flap.changes[-1] + QUIET_MS
