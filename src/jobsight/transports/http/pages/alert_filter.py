"""Which open alerts are meant: the filter of `/alerts`, which bulk actions share."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Annotated, Final

from msgspec import Meta, Struct

from jobsight.core.alert import ACKNOWLEDGED, FIRING, PENDING, Alert
from jobsight.core.check import Severity
from jobsight.core.globs import is_match
from jobsight.core.limits import NAME_CHARACTERS_MAX
from jobsight.core.silences import Silence, silence_of
from jobsight.core.state import State
from jobsight.transports.http.pages.words import query_of
from jobsight.view.answers import AlertDetail

NAMES: Final = ("task", "queue", "rule", "severity", "owner")
"""What an alert can be filtered by; each takes a pattern."""

SILENCED: Final = "silenced"
PAIRS_MAX: Final = 200_000
"""Alerts times silences that are compared one by one; above, what was last decided about an alert has to do."""

Pattern = Annotated[str, Meta(max_length=NAME_CHARACTERS_MAX)]


class AlertWanted(Struct, frozen=True, kw_only=True):
    """Patterns over what an alert is (`*` any characters, `?` one); empty for any."""

    task: Pattern = ""
    queue: Pattern = ""
    rule: Pattern = ""
    severity: Pattern = ""
    owner: Pattern = ""

    def query(self, **further: object) -> str:
        """The filter as a query, with what else stands there."""
        named = {name: getattr(self, name) or None for name in NAMES}
        return query_of({**further, **named})

    @property
    def is_narrowed(self) -> bool:
        """Whether there is any condition."""
        return any(getattr(self, name) for name in NAMES)


def is_wanted(alert: Alert | AlertDetail, wanted: AlertWanted) -> bool:
    """Whether an alert, open or over, matches all patterns."""
    return all(fits(pattern, str(getattr(alert, name) or "")) for name in NAMES if (pattern := getattr(wanted, name)))


def fits(pattern: str, text: str) -> bool:
    """Whether a text matches a pattern, or is just that: a name may be longer than patterns may be."""
    return pattern == text or is_match(pattern, text)


def shelves(state: State, at_ms: int) -> dict[str, list[Alert]]:
    """
    Open alerts by how they stand: firing, acknowledged, silenced, pending; the newest first on each shelf.

    One that is silenced does not stand among those that fire; one that is acknowledged as well stands on both its shelves.

    Args:
        state: As of now.
        at_ms: Now, for silences, ms UTC.
    """
    found: dict[str, list[Alert]] = {FIRING: [], ACKNOWLEDGED: [], SILENCED: [], PENDING: []}
    silences = [one for one in state.silences.values() if one.starts_ms <= at_ms < one.ends_ms]
    is_much = len(silences) * len(state.open_by_id) > PAIRS_MAX
    for alert in state.open_by_id.values():
        is_quiet = alert.suppressed == "silence" if is_much else _silence(silences, alert, at_ms) is not None
        if is_quiet and alert.state != PENDING:
            found[SILENCED].append(alert)
        if not is_quiet or alert.state != FIRING:
            found.setdefault(alert.state, []).append(alert)
    return {shelf: sorted(alerts, key=_age) for shelf, alerts in found.items()}


def chosen(alerts: Iterable[Alert], wanted: AlertWanted, until_ms: int | None = None) -> list[Alert]:
    """The alerts that match, those alone that were opened up to a moment where one is given (ms UTC)."""
    return [one for one in alerts if is_wanted(one, wanted) and (until_ms is None or one.opened_ms <= until_ms)]


def _silence(silences: list[Silence], alert: Alert, at_ms: int) -> Silence | None:
    return silence_of(silences, alert, at_ms) if silences else None


def place_of(alert: Alert) -> str:
    """Where an alert stands on its shelf, as text for a URL; `following` goes on after it."""
    is_mild, age, alert_id = _age(alert)
    return f"{int(is_mild)}.{-age}.{alert_id}"


def following(alerts: list[Alert], place: str) -> list[Alert]:
    """The alerts of a shelf after a place; all of them where it is none."""
    parts = place.split(".", 2)
    if len(parts) != 3 or not (parts[0].isdecimal() and parts[1].isdecimal()):
        return alerts
    key = (parts[0] != "0", -int(parts[1]), parts[2])
    return alerts[bisect_right(alerts, key, key=_age) :]


def _age(alert: Alert) -> tuple[bool, int, str]:
    return alert.severity == Severity.WARNING, -alert.opened_ms, alert.alert_id
