"""Title and text of a notification in plain words. Needs no template and never fails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from jobsight.notifiers.base import Member, Notification, NotificationKind
from jobsight.notifiers.harmless import cut, harmless, one_line
from jobsight.notifiers.limits import MEMBERS_SHOWN_MAX, TEXT_CHARACTERS_MAX, TITLE_CHARACTERS_MAX

ERROR_CHARACTERS_MAX: Final = 16 * 1024
_LABEL_WIDTH: Final = 19


def plain_title(notification: Notification) -> str:
    """One harmless line: what it is, of which task, what happened."""
    subject = notification.task or notification.queue
    return one_line(
        f"[{_mark(notification)}] {f'{subject}: ' if subject else ''}{notification.title}{_after(notification)}",
        TITLE_CHARACTERS_MAX,
    )


def plain_text(notification: Notification) -> str:
    """Everything that the notification knows, on harmless lines; what its maker wrote as `text`, where it did."""
    if notification.text:
        return cut(harmless(notification.text), TEXT_CHARACTERS_MAX)
    blocks = [
        harmless(notification.title),
        "\n".join(f"{label + ':':{_LABEL_WIDTH}}{one_line(value, 1_000)}" for label, value in facts(notification)),
        *(f"{heading}:\n{_indented(content)}" for heading, content in passages(notification)),
        "\n".join(_member_line(member) for member in notification.members[:MEMBERS_SHOWN_MAX]),
        _more_members(notification),
        "\n".join(f"{label + ':':{_LABEL_WIDTH}}{url}" for label, url in links(notification)),
        one_line(notification.dedup_key, TITLE_CHARACTERS_MAX),
    ]
    return cut("\n\n".join(block for block in blocks if block), TEXT_CHARACTERS_MAX)


def facts(notification: Notification) -> Iterator[tuple[str, str]]:
    """Short facts by their labels, in the order in which they are read; only those that are known."""
    known = (
        ("Task (name)", notification.task),
        ("Job (run)", notification.job_id),
        ("Queue", notification.queue),
        ("Severity", notification.severity),
        ("Rule", notification.rule),
        ("Since", moment(notification.opened_ms)),
        ("Resolved", moment(notification.resolved_ms)),
        ("Down for", duration(notification.downtime_ms)),
        ("Last success", moment(notification.last_success_ms)),
        ("Failures in a row", _number(notification.failures_in_row)),
        ("Failures in all", _number(notification.count)),
        ("Same error at", _elsewhere(notification)),
        ("By", notification.acknowledged_by),
        ("Comment", notification.comment),
        ("Owner", notification.owner),
        ("Runbook", notification.runbook_url),
    )
    yield from ((label, value) for label, value in known if value)
    yield from sorted(notification.labels.items())


def passages(notification: Notification) -> Iterator[tuple[str, str]]:
    """Long texts by their headings: errors and output. An error that says the same as another is left out."""
    seen: set[str] = set()
    for heading, content in (
        ("Error", notification.error),
        ("First error", notification.first_error),
        ("Last error", notification.last_error),
        ("Output", notification.output_tail),
    ):
        if content and content not in seen:
            seen.add(content)
            yield heading, cut(harmless(content), ERROR_CHARACTERS_MAX)


def links(notification: Notification) -> Iterator[tuple[str, str]]:
    """Where to go, by labels; an alert that is over needs neither acknowledgement nor silence."""
    yield from (("Open", url) for url in (web_url(notification.links.open),) if url)
    if notification.kind is not NotificationKind.RESOLVE:
        yield from (("Acknowledge", url) for url in (web_url(notification.links.acknowledge),) if url)
        yield from (("Silence", url) for url in (web_url(notification.links.silence),) if url)
    yield from (("Job", url) for url in (web_url(notification.links.job),) if url)
    yield from (("Task", url) for url in (web_url(notification.links.task),) if url)


def web_url(url: str | None) -> str | None:
    """A link that may be clicked: http or https, without a blank or anything that steers; None otherwise."""
    if url is None or not url.startswith(("https://", "http://")):
        return None
    return url if url == harmless(url) and not any(character in url for character in " \t\n<>\"'|") else None


def moment(at_ms: int | None) -> str | None:
    """A time as an operator reads it, UTC; None stays None."""
    if at_ms is None:
        return None
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{at_ms} ms"


def rfc3339(at_ms: int) -> str:
    """A time as RFC 3339 text, UTC, to the millisecond; the epoch for one that no calendar holds."""
    try:
        at = datetime.fromtimestamp(at_ms / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        at = datetime.fromtimestamp(0, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(duration_ms: int | None) -> str | None:
    """A duration in its two largest units; None stays None."""
    if duration_ms is None:
        return None
    seconds = max(duration_ms, 0) // 1000
    units = (("d", seconds // 86_400), ("h", seconds // 3_600 % 24), ("min", seconds // 60 % 60), ("s", seconds % 60))
    first = next((place for place, (_, amount) in enumerate(units) if amount), len(units) - 1)
    return " ".join(f"{amount} {unit}" for unit, amount in units[first : first + 2] if amount) or "0 s"


def _mark(notification: Notification) -> str:
    match notification.kind:
        case NotificationKind.TRIGGER:
            return notification.severity
        case NotificationKind.REPEAT:
            return f"{notification.severity}, still open"
        case NotificationKind.ACKNOWLEDGE:
            return "acknowledged"
        case NotificationKind.RESOLVE:
            return "resolved"
        case NotificationKind.SUMMARY:
            return "summary"
        case NotificationKind.TEST:
            return "test"


def _after(notification: Notification) -> str:
    downtime = duration(notification.downtime_ms)
    return f" (after {downtime})" if downtime and notification.kind is NotificationKind.RESOLVE else ""


def _number(value: int | None) -> str | None:
    return None if value is None else f"{value:,}"


def _elsewhere(notification: Notification) -> str | None:
    more = notification.elsewhere_count - len(notification.elsewhere)
    names = ", ".join(notification.elsewhere)
    return f"{names} and {more:,} more" if more > 0 else names or None


def _indented(content: str) -> str:
    return "\n".join(f"    {line}" for line in content.split("\n"))


def _member_line(member: Member) -> str:
    subject = member.task or member.queue
    words = one_line(f"{f'{subject}: ' if subject else ''}{member.title}", TITLE_CHARACTERS_MAX)
    return f"{member.count:>7,} × {words}"


def _more_members(notification: Notification) -> str:
    total = max(notification.members_count or 0, len(notification.members))
    more = total - min(len(notification.members), MEMBERS_SHOWN_MAX)
    return f"and {more:,} more" if more else ""
