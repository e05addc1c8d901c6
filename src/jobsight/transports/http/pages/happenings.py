"""What has changed lately: problems that began and ended, and checks that were set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from jobsight.core.alert import RULE_JOB_FAILED
from jobsight.core.state import State
from jobsight.transports.http.asking import Source
from jobsight.transports.http.pages.attention import KINDS, NAMES, subject_of

SHOWN: Final = 10
ALERTS_READ: Final = 60
"""Episodes that are looked at: the newest ones, by when they were opened."""

CHECKS_READ: Final = 5
_INDEX_BITS: Final = 20

Revision = tuple[int, str, str]
"""Place in the log, task, author."""


class Happening(Struct, frozen=True, kw_only=True):
    """Something that has changed: when, the icon, about what, what, and where it is explained."""

    at_ms: int
    kind: str
    subject: str
    what: str
    href_alert: str | None = None
    href_task: str | None = None


def check_revisions(state: State) -> list[Revision]:
    """The checks that were set last. Reads the state: on the loop's thread."""
    found = [(check.revision, check.task, check.author) for check in state.checks.values()]
    return sorted(found, reverse=True)[:CHECKS_READ]


def happenings(source: Source, revisions: Sequence[Revision]) -> list[Happening]:
    """The latest changes, the newest first."""
    found: list[Happening] = []
    for alert in source.view.alerts(limit=ALERTS_READ).alerts:
        subject = subject_of(alert.task, alert.queue)
        what = "failed" if alert.rule == RULE_JOB_FAILED else NAMES.get(alert.rule, alert.rule)
        kind = KINDS.get(alert.rule, "warning")
        found.append(Happening(at_ms=alert.opened_ms, kind=kind, subject=subject, what=what, href_alert=alert.alert_id))
        if alert.resolved_ms is not None:
            found.append(
                Happening(
                    at_ms=alert.resolved_ms,
                    kind="completed",
                    subject=subject,
                    what="recovered",
                    href_alert=alert.alert_id,
                )
            )
    for place, task, author in revisions:
        record = source.log.record(place >> _INDEX_BITS)
        if record is not None:
            what = f"check set by {author}"
            found.append(Happening(at_ms=record.accept_ms, kind="changed", subject=task, what=what, href_task=task))
    return sorted(found, key=lambda one: -one.at_ms)[:SHOWN]
