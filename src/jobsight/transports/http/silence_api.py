"""`/api/v1/silences` and `/api/v1/maintenance`: when nobody is told. Every change is an event with its author."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.limits import NAME_CHARACTERS_MAX
from jobsight.core.silences import Maintenance, Silence
from jobsight.core.state import State
from jobsight.core.tokens import TokenScope
from jobsight.engine.declaring import window_of
from jobsight.engine.findings import window_ms
from jobsight.engine.operating import (
    maintenance_removed,
    maintenance_set,
    matchers_from,
    matching,
    silence_ended,
    silence_found,
    silence_set,
)
from jobsight.errors import UsageError
from jobsight.protocol.declared import read_duration_ms, written_window
from jobsight.protocol.matching import written_matchers
from jobsight.transports.http.alert_api import IDS_SHOWN
from jobsight.transports.http.operator_answers import SilenceAnswer, SilenceMade, SilenceWish, WindowWish
from jobsight.transports.http.parameters import NoParameters, moment_ms, read
from jobsight.transports.http.recorder import Recorder
from jobsight.transports.http.routes import Endpoint, caller_of, json_response
from jobsight.transports.http.wishing import carry_out, refusing, wish_of

SILENCES: Final = "/api/v1/silences"
WINDOWS: Final = "/api/v1/maintenance"


class SilenceApi:
    """
    Silences and maintenance windows.

    Args:
        writer: Takes the events; its state knows what there is.
        clock_ms: Wall time, ms since the epoch, UTC.
    """

    def __init__(self, writer: Recorder, clock_ms: Callable[[], int]) -> None:
        self._writer = writer
        self._state = writer.state
        self._clock_ms = clock_ms

    def endpoints(self) -> list[Endpoint]:
        """The routes."""
        needs, silence, window = TokenScope.OPERATE, SILENCES + "/{silence_id}", WINDOWS + "/{name:path}"
        return [
            Endpoint(method="GET", path=SILENCES, needs=TokenScope.READ, handle=self.silences),
            Endpoint(method="POST", path=SILENCES, needs=needs, is_changing=True, handle=self.silence),
            Endpoint(method="GET", path=silence, needs=TokenScope.READ, handle=self.one_silence),
            Endpoint(method="DELETE", path=silence, needs=needs, is_changing=True, handle=self.end),
            Endpoint(method="GET", path=WINDOWS, needs=TokenScope.READ, handle=self.windows),
            Endpoint(method="PUT", path=window, needs=needs, is_changing=True, handle=self.plan),
            Endpoint(method="DELETE", path=window, needs=needs, is_changing=True, handle=self.drop),
        ]

    async def silences(self, request: Request) -> Response:
        """Those that have not ended."""
        read(request.query_params.multi_items(), NoParameters)
        found = sorted(self._state.silences.values(), key=lambda one: (one.ends_ms, one.silence_id))
        return json_response(
            {"silences": [self._silence_answer(one) for one in found], "as_of_seq": self._state.applied_seq}
        )

    async def one_silence(self, request: Request) -> Response:
        """One of them."""
        with refusing():
            return json_response(self._silence_answer(silence_found(self._state, request.path_params["silence_id"])))

    async def silence(self, request: Request) -> Response:
        """Make one, or say what it would silence."""
        wish = await wish_of(request, SilenceWish)
        now_ms = self._clock_ms()
        with refusing():
            matchers = matchers_from(wish.match)
            starts_ms = now_ms if wish.starts is None else _at_ms("starts", wish.starts)
            event = silence_set(
                self._state,
                matchers,
                starts_ms,
                _end_ms(wish, starts_ms),
                wish.comment,
                caller_of(request).author,
                now_ms,
            )
            if not wish.dry_run:
                await carry_out(self._writer, [event])
        found = matching(self._state.open_by_id.values(), matchers)
        made = SilenceMade(
            silence_id=None if wish.dry_run else event.silence_id,
            count=len(found),
            ids=[alert.alert_id for alert in found[:IDS_SHOWN]],
        )
        return json_response(made, 200 if wish.dry_run else 201)

    async def end(self, request: Request) -> Response:
        """End one before its time; what still fires is told."""
        silence_id = request.path_params["silence_id"]
        with refusing():
            await carry_out(self._writer, [silence_ended(self._state, silence_id, caller_of(request).author)])
        return json_response({"silence_id": silence_id, "state": "ended"})

    async def windows(self, request: Request) -> Response:
        """All windows."""
        read(request.query_params.multi_items(), NoParameters)
        now_ms = self._clock_ms()
        found = [describe_window(self._state, one, now_ms) for _, one in sorted(self._state.maintenance.items())]
        return json_response({"maintenance": found, "as_of_seq": self._state.applied_seq})

    async def plan(self, request: Request) -> Response:
        """Plan a window, in the place of the one of this name."""
        wish = await wish_of(request, WindowWish)
        name = request.path_params["name"]
        with refusing():
            if not 0 < len(name) <= NAME_CHARACTERS_MAX:
                raise UsageError(f"name: expected 1 to {NAME_CHARACTERS_MAX} characters")
            is_new = name not in self._state.maintenance
            fields = msgspec.to_builtins(wish)
            await carry_out(self._writer, maintenance_set(self._state, name, fields, caller_of(request).author))
        window = describe_window(self._state, self._state.maintenance[name], self._clock_ms())
        return json_response(window, 201 if is_new else 200)

    async def drop(self, request: Request) -> Response:
        """Take a window back, and end the silence that it has made."""
        name = request.path_params["name"]
        with refusing():
            await carry_out(self._writer, maintenance_removed(self._state, name, caller_of(request).author))
        return json_response({"name": name, "state": "removed"})

    def _silence_answer(self, silence: Silence) -> SilenceAnswer:
        return SilenceAnswer(
            silence_id=silence.silence_id,
            state="active" if silence.starts_ms <= self._clock_ms() else "pending",
            match=written_matchers(silence.matchers),
            starts_ms=silence.starts_ms,
            ends_ms=silence.ends_ms,
            author=silence.author,
            comment=silence.comment,
            maintenance=silence.maintenance_id,
            alerts=len(matching(self._state.open_by_id.values(), silence.matchers)),
        )


def describe_window(state: State, window: Maintenance, now_ms: int) -> dict[str, Any]:
    """A maintenance window as it is shown."""
    made = [one for one in state.silences.values() if one.maintenance_id == window.maintenance_id]
    active = next((one for one in made if one.starts_ms <= now_ms < one.ends_ms), None)
    starts_ms = active.starts_ms if active is not None else window_ms(state, window, now_ms)
    return {
        "name": window.maintenance_id,
        "state": "active" if active is not None else "planned" if starts_ms is not None else "over",
        "origin": str(window.origin),
        "author": window.author,
        "window": written_window(window_of(window)),
        "starts_ms": starts_ms,
        "ends_ms": None if starts_ms is None else starts_ms + window.duration_ms,
    }


def _end_ms(wish: SilenceWish, starts_ms: int) -> int:
    if (wish.ends is None) is (wish.duration is None):
        raise UsageError("expected either ends or duration; a silence has an end")
    if wish.ends is not None:
        return _at_ms("ends", wish.ends)
    try:
        return starts_ms + read_duration_ms(wish.duration)
    except ValueError as error:
        raise UsageError(f"duration: {error}") from error


def _at_ms(name: str, text: str) -> int:
    """A moment by the calendar; an age would lie in the past."""
    if text[-1:] in "smhd" and text[:-1].isdigit():
        raise UsageError(f"{name}: expected RFC 3339 with a zone, or milliseconds since the epoch")
    return moment_ms(name, text, 0)
