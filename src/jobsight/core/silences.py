"""Silences and maintenance windows: what matches is recorded, and told to nobody for a while."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from jobsight.core.alert import Alert
from jobsight.core.check import Origin
from jobsight.core.routing import Matcher, matches

SILENCE_MS_MAX: Final = 90 * 86_400_000
"""A silence has an end, and not later than this."""

SILENCES_MAX: Final = 1_000
"""Silences that have not ended, at once."""

WINDOWS_MAX: Final = 1_000
"""Maintenance windows."""


class Silence(Struct, kw_only=True):
    """
    Alerts that match are not told between `starts_ms` and `ends_ms`, ms UTC.

    `maintenance_id` names the window that has made it, if one has; `ended_by` who ended it, None while it is to come or holds.
    """

    silence_id: str
    matchers: list[Matcher]
    starts_ms: int
    ends_ms: int
    author: str
    comment: str = ""
    maintenance_id: str | None = None
    created_ms: int = 0
    ended_ms: int | None = None
    ended_by: str | None = None


class Maintenance(Struct, kw_only=True):
    """
    A silence that begins with each slot of a schedule and lasts `duration_ms`.

    `done_ms` is the beginning of the last one that is over, ms UTC: what was ended by hand does not begin anew.
    """

    maintenance_id: str
    matchers: list[Matcher]
    schedule: str
    tz: str
    duration_ms: int
    author: str
    comment: str = ""
    origin: Origin = Origin.API
    done_ms: int = 0


def silence_of(silences: Iterable[Silence], alert: Alert, at_ms: int) -> Silence | None:
    """The silence that holds for an alert at a moment; of several the one that ends last."""
    found: Silence | None = None
    for silence in silences:
        if silence.starts_ms <= at_ms < silence.ends_ms and silence.matchers and matches(alert, silence.matchers):
            found = silence if found is None or silence.ends_ms > found.ends_ms else found
    return found
