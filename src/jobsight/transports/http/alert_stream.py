"""`GET /api/v1/alerts/stream`: every change of an alert as it comes; a client that was away goes on where it left."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.alert import Alert
from jobsight.core.state import State
from jobsight.core.tokens import TokenScope
from jobsight.transports.http.parameters import AlertStreamParameters, read
from jobsight.transports.http.routes import Endpoint
from jobsight.transports.http.sse import EventStream, Follower, too_many
from jobsight.view.watch_reading import detail_of

PATH: Final = "/api/v1/alerts/stream"
CLIENTS_MAX: Final = 500

KEPT: Final = 1_000
"""Changes that a client may have missed; one that was away for longer is told to ask for the list again."""

RESET: Final = b"event: reset\nid: %s\ndata: {}\n\n"
"""Says that changes may have been missed: the list of alerts has to be read again."""

_ID: Final = re.compile(r"(\d{1,18})\.(\d{1,18})", re.ASCII)
_encode: Final = msgspec.json.Encoder().encode


class _Change(Struct, frozen=True):
    number: int
    alert: tuple[str | None, str, str, str | None]
    part: bytes


class _Client(Follower):
    def __init__(self, wanted: AlertStreamParameters) -> None:
        super().__init__()
        self.wanted = wanted

    def show(self, change: _Change) -> None:
        task, rule, severity, queue = change.alert
        wanted = self.wanted
        if (
            wanted.task in (None, task)
            and wanted.rule in (None, rule)
            and wanted.severity in (None, severity)
            and wanted.queue in (None, queue)
        ):
            self.add(change.part)


class AlertStream:
    """
    Shows changes of alerts to those who follow.

    Args:
        state: The writer's, at the start of the process: its place in the log tells this process's ids from others.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        self._first_seq: Final = state.applied_seq
        self._number = 0
        self._kept: deque[_Change] = deque(maxlen=KEPT)
        self._clients: set[_Client] = set()

    def endpoint(self) -> Endpoint:
        """The route."""
        return Endpoint(method="GET", path=PATH, needs=TokenScope.READ, handle=self.handle)

    async def handle(self, request: Request) -> Response:
        """Let one more client follow: from now on, or from where it left."""
        wanted = read(request.query_params.multi_items(), AlertStreamParameters)
        if len(self._clients) >= CLIENTS_MAX:
            raise too_many(CLIENTS_MAX)
        client = _Client(wanted)
        self._catch_up(client, request.headers.get("last-event-id", ""))
        self._clients.add(client)
        return EventStream(client.next_part, lambda: self._leave(client))

    def show(self, alerts: Sequence[Alert]) -> None:
        """Alerts that have just changed; one that has changed several times at once is shown as it is now."""
        for alert in {one.alert_id: one for one in alerts}.values():
            self._number += 1
            data = _encode({"alert": detail_of(alert), "as_of_seq": self._state.applied_seq})
            part = b"event: alert\nid: %s\ndata: %s\n\n" % (self._id(self._number), data)
            change = _Change(self._number, (alert.task, alert.rule, str(alert.severity), alert.queue), part)
            self._kept.append(change)
            for client in self._clients:
                client.show(change)

    def stop(self) -> None:
        """End all streams."""
        for client in self._clients:
            client.end()

    def _catch_up(self, client: _Client, last_id: str) -> None:
        if not last_id:
            client.add(b"id: %s\n\n" % self._id(self._number))
            return
        match = _ID.fullmatch(last_id)
        last = int(match[2]) if match is not None and int(match[1]) == self._first_seq else None
        oldest = self._kept[0].number if self._kept else self._number + 1
        if last is None or last > self._number or last + 1 < oldest:
            client.add(RESET % self._id(self._number))
            return
        for change in self._kept:
            if change.number > last:
                client.show(change)

    def _id(self, number: int) -> bytes:
        return b"%d.%d" % (self._first_seq, number)

    def _leave(self, client: _Client) -> None:
        self._clients.discard(client)
