"""`/settings`: who may come in, who is told, what is silenced, what is kept, and how the monitor itself does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from jobsight.core.alert import Alert
from jobsight.core.check import Origin
from jobsight.core.gaps import Gap
from jobsight.core.outbox import Delivery, DeliveryState
from jobsight.core.silences import Silence
from jobsight.core.tokens import TokenScope
from jobsight.core.users import User
from jobsight.engine.instruments import Instruments
from jobsight.engine.operating import matching
from jobsight.engine.tokens import TokenRegistry, describe
from jobsight.protocol.declared import written_routes
from jobsight.protocol.matching import written_matchers
from jobsight.transports.http.asking import Source
from jobsight.transports.http.channel_api import channel_answer
from jobsight.transports.http.operator_answers import ChannelAnswer
from jobsight.transports.http.pages.site import Ground, Page, Wanted
from jobsight.transports.http.silence_api import describe_window
from jobsight.view.answers import AuditAnswer

PATH: Final = "/settings"
ROWS: Final = 20
GAPS_SHOWN: Final = 5


class SilenceRow(Struct, frozen=True, kw_only=True):
    """A silence that has not ended: what it matches as it is written, and how many open alerts that are."""

    silence: Silence
    match: str
    alerts: int
    has_begun: bool


class WindowRow(Struct, frozen=True, kw_only=True):
    """A maintenance window as it is shown; `is_declared`: it stands in the configuration file."""

    name: str
    state: str
    match: str
    schedule: str
    duration_ms: int
    starts_ms: int | None
    is_declared: bool
    author: str


class RouteRow(Struct, frozen=True, kw_only=True):
    """A route by name, as it is written."""

    name: str
    text: str


class HealthLine(Struct, frozen=True, kw_only=True):
    """A figure of the monitor itself; `is_bad` where somebody should look."""

    name: str
    value: str
    is_bad: bool = False


class SettingsView(Struct, frozen=True, kw_only=True):
    """
    The settings, as their template shows them.

    Attributes:
        tokens, users: For admins alone; None for others. Of a token what `describe` says.
        dead: Notifications that were given up, the latest ones.
        completed_from_ms, other_from_ms: From when on ended jobs are kept, ms UTC; 0 for all of them.
        health: The monitor's own figures; `problems` its own open alerts, `gaps` when it was blind lately.
        audit: Who has changed what, the latest ones; for admins alone.
    """

    tokens: list[dict[str, Any]] | None
    users: list[User] | None
    channels: list[ChannelAnswer]
    routes: list[RouteRow]
    dead: list[Delivery]
    silences: list[SilenceRow]
    windows: list[WindowRow]
    completed_from_ms: int
    other_from_ms: int
    health: list[HealthLine]
    problems: list[Alert]
    gaps: list[Gap]
    audit: list[AuditAnswer]
    at_ms: int


def look(ground: Ground, wanted: Wanted) -> Callable[[Source], SettingsView]:
    """Take what the state knows; the view adds what was given up, and the audit."""
    state, at_ms, is_admin = ground.state, wanted.at_ms, wanted.scope >= TokenScope.ADMIN
    registry = TokenRegistry(state)
    tokens = [describe(one, registry, at_ms) for one in registry.all()] if is_admin else None
    users = sorted(state.users.values(), key=lambda one: one.name) if is_admin else None
    channels = [channel_answer(state, ground.telling, name) for name in state.routing.channels]
    routes = [RouteRow(name=name, text=_text(one)) for name, one in written_routes(state.routing.routes).items()]
    silences = [
        SilenceRow(
            silence=one,
            match=", ".join(written_matchers(one.matchers)),
            alerts=len(matching(state.open_by_id.values(), one.matchers)),
            has_begun=one.starts_ms <= at_ms,
        )
        for one in sorted(state.silences.values(), key=lambda one: (one.ends_ms, one.silence_id))[:200]
    ]
    windows = [
        _window(describe_window(state, one, at_ms), one.duration_ms) for _, one in sorted(state.maintenance.items())
    ]
    kept = state.kept
    health = _health(ground.instruments, len(state.jobs), state.jobs_total)
    problems = [alert for alert in state.open_by_id.values() if alert.rule.startswith("self.")]
    gaps, applied_seq = list(state.gaps)[-GAPS_SHOWN:], state.applied_seq

    def finish(source: Source) -> SettingsView:
        behind = max(0, applied_seq - source.view.applied().applied_seq)
        further = [
            HealthLine(name="lists are behind", value="not at all" if not behind else f"{behind:,} batches"),
            HealthLine(name="log on disk", value=f"{source.log_bytes() / 1e6:,.1f} MB"),
        ]
        return SettingsView(
            tokens=tokens,
            users=users,
            channels=channels,
            routes=routes,
            dead=source.view.list_deliveries(state=str(DeliveryState.DEAD), limit=ROWS).deliveries,
            silences=silences,
            windows=windows,
            completed_from_ms=kept.completed_from_ms,
            other_from_ms=kept.other_from_ms,
            health=[*health, *further],
            problems=problems,
            gaps=gaps,
            audit=source.view.audit(limit=ROWS).entries if is_admin else [],
            at_ms=at_ms,
        )

    return finish


def _window(shown: dict[str, Any], duration_ms: int) -> WindowRow:
    window = shown["window"]
    return WindowRow(
        name=shown["name"],
        state=shown["state"],
        match=", ".join(window["match"]),
        schedule=f"{window['schedule']} ({window.get('tz', 'UTC')})",
        duration_ms=duration_ms,
        starts_ms=shown["starts_ms"],
        is_declared=shown["origin"] == Origin.CONFIG,
        author=shown["author"],
    )


def _text(route: dict[str, Any]) -> str:
    return (
        ", ".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in route.items()) or "everything"
    )


def _health(instruments: Instruments, active: int, jobs_total: int) -> list[HealthLine]:
    mean_ms = 1000 * instruments.commit_seconds / instruments.commits if instruments.commits else None
    refused = sum(instruments.refused.values())
    return [
        HealthLine(name="jobs ever seen", value=f"{jobs_total:,}"),
        HealthLine(name="jobs in memory", value=f"{active:,}"),
        HealthLine(name="reports since the start", value=f"{instruments.reports:,}"),
        HealthLine(name="commits", value=f"{instruments.commits:,}"),
        HealthLine(name="a commit takes", value="–" if mean_ms is None else f"{mean_ms:.1f} ms"),
        HealthLine(
            name="failed commits", value=f"{instruments.failed_commits:,}", is_bad=instruments.failed_commits > 0
        ),
        HealthLine(name="refused", value=f"{refused:,}", is_bad=instruments.dropped > 0),
    ]


SETTINGS: Final = Page(path=PATH, template="settings.html", section="settings", look=look)
