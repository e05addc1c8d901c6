"""How the forms of pages are carried out: their fields are read, events are stored and shown, the browser is led back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.responses import RedirectResponse, Response

from jobsight.core.events import InternalEvent
from jobsight.core.spans import span_ms
from jobsight.engine.writer import Writer
from jobsight.errors import UsageError
from jobsight.transports.http.local_paths import local_path
from jobsight.transports.http.pages.said import IN_ADDRESSES, Did, Told, cookie_of
from jobsight.transports.http.wishing import record

EVENTS_MAX: Final = 1_000
"""Events that are stored at once; more of them go one lot after the other."""

COMMENT_CHARACTERS_MAX: Final = 200

Form = dict[str, str]


class Doing:
    """
    Stores what forms ask for.

    Args:
        writer: Takes the events.
        on_change: Called once something is changed.
    """

    def __init__(self, writer: Writer, on_change: Callable[[], None]) -> None:
        self._writer = writer
        self._on_change = on_change

    async def store(self, events: Sequence[InternalEvent]) -> None:
        """Store events, and show them. Raises HttpRefusal where they were not stored."""
        for begin in range(0, len(events), EVENTS_MAX):
            await record(self._writer, list(events[begin : begin + EVENTS_MAX]))
        self.show()

    def show(self) -> None:
        """Bring the view up to date, so that whoever has changed something finds it so on the next page."""
        self._writer.flush()
        self._on_change()


def comment_of(form: Form) -> str:
    """What somebody said with it."""
    return form.get("comment", "").strip()[:COMMENT_CHARACTERS_MAX]


def length_of(form: Form) -> int:
    """For how long, in milliseconds. Raises UsageError."""
    length_ms = span_ms(form.get("for", "1h"))
    if not length_ms:
        raise UsageError("for: expected a length of time, like 4h")
    return length_ms


def back(form: Form, did: Did, otherwise: str, count: int = 1) -> Response:
    """Lead back to the page from which the form came, its filter kept, which tells what was done."""
    wanted = form.get("return_to", "")
    parts = urlsplit(local_path(wanted) if wanted else otherwise)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name not in IN_ADDRESSES]
    filters = f"?{urlencode(query)}" if query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return RedirectResponse(
        f"{parts.path}{filters}{fragment}", 303, headers={"set-cookie": cookie_of(Told(did=did, n=count))}
    )
