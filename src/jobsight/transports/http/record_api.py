"""`/api/v1/audit` and `/api/v1/config`: who has changed what, and what is declared as a whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from jobsight.core.check import Origin
from jobsight.core.tokens import TokenScope
from jobsight.engine.declaring import plan, window_of
from jobsight.errors import UsageError
from jobsight.protocol.declared import fault_text, read_declared, written_routes, written_window
from jobsight.protocol.expectations import written_check
from jobsight.transports.http.asking import Asking
from jobsight.transports.http.operator_answers import DeclaredAnswer, DeclaredStep, DeclaredWish
from jobsight.transports.http.parameters import AuditParameters, DeclareParameters, NoParameters, moment_ms, read
from jobsight.transports.http.recorder import Recorder
from jobsight.transports.http.routes import Endpoint, caller_of, json_response
from jobsight.transports.http.wishing import carry_out, refusing, wish_of

AUDIT: Final = "/api/v1/audit"
CONFIG: Final = "/api/v1/config"

FAULT_CHARACTERS: Final = 120
"""How much of each fault a refusal repeats, so that it has room for several."""


class RecordApi:
    """
    The audit, and what is declared.

    Args:
        writer: Takes the events; its state knows what is declared.
        asking: Reads the view, which knows the audit.
        clock_ms: Wall time, ms since the epoch, UTC.
    """

    def __init__(self, writer: Recorder, asking: Asking, clock_ms: Callable[[], int]) -> None:
        self._writer = writer
        self._asking = asking
        self._clock_ms = clock_ms

    def endpoints(self) -> list[Endpoint]:
        """The routes."""
        return [
            Endpoint(method="GET", path=AUDIT, needs=TokenScope.READ, handle=self.audit),
            Endpoint(method="GET", path=CONFIG, needs=TokenScope.READ, handle=self.declared),
            Endpoint(method="PUT", path=CONFIG, needs=TokenScope.ADMIN, is_changing=True, handle=self.declare),
        ]

    async def audit(self, request: Request) -> Response:
        """A page of what was done."""
        wanted = read(request.query_params.multi_items(), AuditParameters)
        since_ms = None if wanted.since is None else moment_ms("since", wanted.since, self._clock_ms())
        page = await self._asking.ask(
            lambda source: source.view.audit(
                author=wanted.author,
                action=wanted.action,
                subject=wanted.subject,
                since_ms=since_ms,
                limit=wanted.limit,
                cursor=wanted.cursor,
            )
        )
        return json_response(page)

    async def declared(self, request: Request) -> Response:
        """What is declared now, as it could be declared again."""
        read(request.query_params.multi_items(), NoParameters)
        state = self._writer.state
        checks = {
            task: written_check(check.expected)
            for task, check in sorted(state.checks.items())
            if check.origin == Origin.CONFIG
        }
        windows = {
            name: written_window(window_of(window))
            for name, window in sorted(state.maintenance.items())
            if window.origin == Origin.CONFIG
        }
        return json_response(
            DeclaredWish(checks=checks, routes=written_routes(state.routing.routes), maintenance=windows)
        )

    async def declare(self, request: Request) -> Response:
        """Make everything as it is declared, or say what would change."""
        wanted = read(request.query_params.multi_items(), DeclareParameters)
        tables: dict[str, Any] = msgspec.to_builtins(await wish_of(request, DeclaredWish))
        state = self._writer.state
        with refusing():
            declared, faults = read_declared(tables, state.routing.channels)
            if faults:
                raise UsageError("; ".join(fault_text(fault)[:FAULT_CHARACTERS] for fault in faults))
            steps = plan(state, declared, caller_of(request).author)
            if not wanted.dry_run:
                await carry_out(self._writer, [event for step in steps for event in step.events])
        shown = [DeclaredStep(verb=one.verb, kind=one.kind, name=one.name, lines=one.lines) for one in steps]
        return json_response(DeclaredAnswer(steps=shown, is_done=not wanted.dry_run))
