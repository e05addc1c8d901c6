"""The built files: each has its hash in its name, so a browser keeps it for ever, and lies ready in compressed forms."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from jobsight.transports.http.built import PREFIX, built_names
from jobsight.transports.http.routes import Endpoint

_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))


class Assets:
    """
    The built files of a folder, read once.

    Args:
        folder: Where the build has put them, with their manifest; a folder that is missing has none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder: Final = folder
        self._names = built_names(folder)
        self._forms: dict[str, dict[str, bytes]] = {
            name: {encoding: (folder / f"{name}{ending}").read_bytes() for encoding, ending in (("", ""), *_ENCODINGS)}
            for name in self._names.values()
        }

    @property
    def is_built(self) -> bool:
        """Whether there are any."""
        return bool(self._names)

    def url(self, source: str) -> str:
        """The path under which the built form of a source is served (`app.css`, `app.ts`)."""
        return PREFIX + self._names[source]

    def endpoints(self) -> list[Endpoint]:
        """A route for each of them; they hold nothing that is worth a token."""
        return [
            Endpoint(method="GET", path=PREFIX + name, needs=None, handle=self._handler(name)) for name in self._forms
        ]

    def _handler(self, name: str):  # type: ignore[no-untyped-def]  # the type is that of Endpoint.handle
        forms = self._forms[name]
        kind = _TYPES[Path(name).suffix]

        async def handle(request: Request) -> Response:
            encoding = accepted(request.headers.get("accept-encoding", ""))
            headers = {
                "cache-control": "public, max-age=31536000, immutable",
                "vary": "accept-encoding",
                "x-content-type-options": "nosniff",
                **({"content-encoding": encoding} if encoding else {}),
            }
            return Response(forms[encoding], media_type=kind, headers=headers)

        return handle


def accepted(header: str) -> str:
    """The best form that a client takes by its `Accept-Encoding`: br, gzip, or the plain one."""
    parts = [part.replace(" ", "").partition(";q=") for part in header.lower().split(",")]
    words = {word for word, _, weight in parts if weight.rstrip("0") not in ("0.", ".") and weight != "0"}
    return next((encoding for encoding, _ in _ENCODINGS if encoding in words), "")
