"""What came of a batch."""

from __future__ import annotations

from msgspec import Struct, field

from jobsight.core.alert import Alert


class Applied(Struct, kw_only=True):
    """
    What came of a batch.

    Attributes:
        retrying: Index of each failure that was recorded without an alert -> the retry limit that decided it.
        alerts: Alerts that were opened, counted up, acknowledged or resolved, in order.
    """

    retrying: dict[int, int] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
