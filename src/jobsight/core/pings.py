"""What events do to ping URLs."""

from __future__ import annotations

from jobsight.core.events import PingUrlCreated, PingUrlRevoked
from jobsight.core.ping_urls import PingUrl
from jobsight.core.state import State


def create_ping_url(state: State, event: PingUrlCreated, at_ms: int) -> None:
    """Pings to it are taken from here on."""
    url = PingUrl(
        ping_id=event.ping_id,
        secret=event.secret,
        task=event.task,
        note=event.note,
        created_ms=at_ms,
        author=event.author,
    )
    state.ping_urls[url.ping_id] = url
    state.ping_secrets[url.secret] = url
    state.changes.ping_urls[url.ping_id] = url


def revoke_ping_url(state: State, event: PingUrlRevoked, at_ms: int) -> None:
    """Pings to it are refused from here on."""
    url = state.ping_urls.get(event.ping_id)
    if url is None or url.revoked_ms is not None:
        return
    url.revoked_ms = at_ms
    if state.ping_secrets.get(url.secret) is url:
        del state.ping_secrets[url.secret]
    state.changes.ping_urls[url.ping_id] = url
