"""What has changed lately: problems that began and ended, and what somebody has changed in the monitor."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from jobsight.core.alert import RULE_JOB_FAILED
from jobsight.core.routing import Matcher
from jobsight.protocol.matching import written_matchers
from jobsight.transports.http.pages.attention import KINDS, NAMES, subject_of
from jobsight.transports.http.pages.words import span
from jobsight.view.answers import AuditAnswer
from jobsight.view.queries import Reader

SHOWN: Final = 10
ALERTS_READ: Final = 60
"""Episodes that are looked at: the newest ones, by when they were opened."""

ACTIONS_READ: Final = 100
CHANGES_READ: Final = 12
"""Changes of one check that are shown."""

ACTIONS: Final = {
    "check_set": "check set",
    "check_removed": "check removed",
    "silence_set": "silence set",
    "silence_ended": "silence ended",
    "maintenance_set": "maintenance set",
    "routing_set": "routes set",
    "alert_acknowledged": "acknowledged",
    "alert_resolved": "resolved by hand",
}
"""What somebody has done -> how it is said; other actions do not change what is watched or told."""

_OF_ALERTS: Final = ("alert_acknowledged", "alert_resolved")
_OF_TASKS: Final = ("check_set", "check_removed")


class Happening(Struct, frozen=True, kw_only=True):
    """Something that has changed: when, the icon, about what, what, and where it is explained."""

    at_ms: int
    kind: str
    subject: str
    what: str
    href_alert: str | None = None
    href_task: str | None = None


class CheckChange(Struct, frozen=True, kw_only=True):
    """A change of a check: when (ms UTC), by whom, and what differs from the one before, in words."""

    at_ms: int
    author: str
    words: str


def happenings(view: Reader) -> list[Happening]:
    """The latest changes, the newest first."""
    latest = sorted([*_of_alerts(view), *_of_people(view)], key=lambda one: -one.at_ms)[:SHOWN]
    return [_named(view, one) for one in latest]


def check_changes(view: Reader, task: str) -> list[CheckChange]:
    """What was changed at a task's check, the newest first."""
    entries = [one for one in view.audit(subject=task, limit=CHANGES_READ + 1).entries if one.action in _OF_TASKS]
    before = [*entries[1:], None][: len(entries)]
    changes = [
        CheckChange(at_ms=one.at_ms, author=one.author, words=_difference(one, earlier))
        for one, earlier in zip(entries, before, strict=True)
    ]
    return changes[:CHANGES_READ]


def _of_alerts(view: Reader) -> Iterator[Happening]:
    for alert in view.episodes(ALERTS_READ):
        subject, alert_id = subject_of(alert.task, alert.queue), alert.alert_id
        what = "failed" if alert.rule == RULE_JOB_FAILED else NAMES.get(alert.rule, alert.rule)
        kind = KINDS.get(alert.rule, "warning")
        yield Happening(at_ms=alert.opened_ms, kind=kind, subject=subject, what=what, href_alert=alert_id)
        if alert.resolved_ms is not None:
            at_ms = alert.resolved_ms
            yield Happening(at_ms=at_ms, kind="completed", subject=subject, what="recovered", href_alert=alert_id)


def _named(view: Reader, one: Happening) -> Happening:
    """What was done to an alert, told of its task or queue: the audit knows its id alone."""
    alert = view.find_alert(one.href_alert) if one.href_alert == one.subject else None
    return one if alert is None else replace(one, subject=subject_of(alert.task, alert.queue))


def _of_people(view: Reader) -> Iterator[Happening]:
    """What was done by one hand at one moment is one line."""
    entries = [one for one in view.audit(limit=ACTIONS_READ).entries if one.action in ACTIONS]
    silenced: dict[str | None, str] = {one.subject: _matched(one) for one in entries if one.action == "silence_set"}
    for (_, author, action), group in groupby(entries, key=lambda one: (one.seq, one.author, one.action)):
        yield _deed(list(group), author, action, silenced)


def _matched(entry: AuditAnswer) -> str:
    """What a silence matches, as it is typed."""
    matchers = msgspec.convert(entry.detail.get("matchers", []), list[Matcher])
    return ", ".join(written_matchers(matchers))


def _deed(entries: Sequence[AuditAnswer], author: str, action: str, silenced: Mapping[str | None, str]) -> Happening:
    first = entries[0]
    what = f"{ACTIONS[action]} by {author}"
    if len(entries) > 1:
        return Happening(at_ms=first.at_ms, kind="changed", subject=f"{len(entries)} at once", what=what)
    return Happening(
        at_ms=first.at_ms,
        kind="acknowledged" if action in _OF_ALERTS else "silenced" if action.startswith("silence") else "changed",
        subject=str(first.detail.get("task") or silenced.get(first.subject) or first.subject or "all"),
        what=what,
        href_alert=first.subject if action in _OF_ALERTS else None,
        href_task=first.subject if action in _OF_TASKS else None,
    )


def _difference(entry: AuditAnswer, earlier: AuditAnswer | None) -> str:
    if entry.action == "check_removed":
        return "removed"
    after = _fields(entry)
    if earlier is None or earlier.action == "check_removed":
        return "set: " + ("; ".join(f"{name} {value}" for name, value in after.items()) or "nothing yet")
    before = _fields(earlier)
    names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return (
        "; ".join(f"{name} {before.get(name, 'none')} → {after.get(name, 'none')}" for name in names)
        or "set again, the same"
    )


def _fields(entry: AuditAnswer) -> dict[str, Any]:
    """What was expected, in words: `start_grace_ms: 900000` is a start grace of 15 m."""
    expected = entry.detail.get("expected")
    return {
        name.removesuffix("_ms").replace("_", " "): span(value)
        if name.endswith("_ms") and isinstance(value, int)
        else value
        for name, value in (expected if isinstance(expected, dict) else {}).items()
    }
