"""
`/ack/{link}`: a signed link acknowledges an alert without a login.

GET shows what would be acknowledged, and a button; only POST does it, so that nothing that merely looks at a mail (a
scanner, a preview) takes care of an alert.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from html import escape
from typing import Final
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from jobsight.core.alert import ACKNOWLEDGED, RESOLVED, Alert
from jobsight.core.events import AlertAcknowledged
from jobsight.core.signed_links import LinkClaim, LinkFault, opened
from jobsight.core.spans import moment_text
from jobsight.engine.receipts import open_alert
from jobsight.engine.writer import Writer
from jobsight.protocol.refusals import Code
from jobsight.transports.http.asking import Asking
from jobsight.transports.http.exchange import HttpRefusal
from jobsight.transports.http.peers import Peers
from jobsight.transports.http.rate import RateLimit
from jobsight.transports.http.routes import Endpoint
from jobsight.transports.http.wishing import record

PREFIX: Final = "/ack/"
STYLE_PATH: Final = "/ack.css"
REQUESTS_PER_SECOND: Final = 5
"""Of one address."""

BODY_BYTES_MAX: Final = 4_096
COMMENT_CHARACTERS_MAX: Final = 200

_STYLE: Final = """
body { font: 17px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 2rem auto; padding: 0 1rem; color: #1b1f24;
  background: #fff; overflow-wrap: anywhere }
h1 { font-size: 1.3rem } pre { white-space: pre-wrap; background: #f3f4f6; padding: .7rem .9rem; border-radius: .4rem }
p.about { color: #57606a } label { display: block; margin: 1rem 0 } input { font: inherit; width: 100%;
  box-sizing: border-box; padding: .5rem; border: 1px solid #57606a; border-radius: .4rem }
button { font: inherit; font-weight: 600; width: 100%; min-height: 3rem; border: 0; border-radius: .5rem;
  background: #0b5cad; color: #fff; cursor: pointer }
@media (prefers-color-scheme: dark) { body { color: #e6e8eb; background: #14171a } pre { background: #22272e }
  p.about { color: #a5adb6 } input { background: #22272e; color: inherit } }
"""
_HEADERS: Final = {"cache-control": "no-store", "x-robots-tag": "noindex"}


def acknowledge_endpoints(
    writer: Writer, asking: Asking, peers: Peers, key: bytes | None, clock_ms: Callable[[], int]
) -> list[Endpoint]:
    """
    The routes; none without a key.

    Args:
        writer: Takes the acknowledgement.
        asking: Reads alerts that are over.
        peers: Who is at the other end.
        key: Of the links.
        clock_ms: Wall time, ms since the epoch, UTC.
    """
    if key is None:
        return []
    signing_key, rate = key, RateLimit(REQUESTS_PER_SECOND)

    async def claimed(request: Request) -> tuple[LinkClaim, Alert | None] | Response:
        """What the link allows and the alert that it names, or the page that says why it opens nothing."""
        address = peers.address_of(request.scope, dict(request.scope["headers"]))
        if rate.wait_seconds(address, time.monotonic()):
            text = "too many requests; wait a second"
            raise HttpRefusal(429, Code.TEMPORARILY_UNAVAILABLE, text, headers=((b"retry-after", b"1"),))
        claim = opened(signing_key, request.path_params["link"], clock_ms())
        if isinstance(claim, LinkFault):
            return _no_link(claim)
        alert = open_alert(writer.state, claim.alert_id)
        if alert is None:
            alert = await asking.ask(lambda source: source.view.find_alert(claim.alert_id))
        return claim, alert

    async def show(request: Request) -> Response:
        found = await claimed(request)
        return found if isinstance(found, Response) else _page_of(found[1])

    async def acknowledge(request: Request) -> Response:
        found = await claimed(request)
        if isinstance(found, Response):
            return found
        claim, alert = found
        if alert is None or alert.state in (ACKNOWLEDGED, RESOLVED):
            return _page_of(alert)
        comment = await _comment(request)
        await record(writer, [AlertAcknowledged(alert_id=alert.alert_id, by=f"link:{claim.channel}", comment=comment)])
        return _page_of(alert, is_done=True)

    async def style(request: Request) -> Response:
        return Response(_STYLE, media_type="text/css", headers={"cache-control": "max-age=3600"})

    path = PREFIX + "{link}"
    return [
        Endpoint(method="GET", path=path, needs=None, handle=show),
        # The link itself is what allows it: a page from elsewhere does not have it.
        Endpoint(method="POST", path=path, needs=None, handle=acknowledge),
        Endpoint(method="GET", path=STYLE_PATH, needs=None, handle=style),
    ]


async def _comment(request: Request) -> str:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > BODY_BYTES_MAX:
            raise HttpRefusal(413, Code.MALFORMED_REQUEST, f"body: expected at most {BODY_BYTES_MAX} bytes")
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    return fields.get("comment", [""])[-1].strip()[:COMMENT_CHARACTERS_MAX]


def _no_link(fault: LinkFault) -> Response:
    if fault is LinkFault.EXPIRED:
        return _page(
            "This link has expired", "<p>Open the alert in the dashboard, or use a newer notification.</p>", 410
        )
    text = "<p>It is not one that this monitor has made, or it was cut off on its way. Copy it whole.</p>"
    return _page("This link opens nothing", text, 404)


def _page_of(alert: Alert | None, *, is_done: bool = False) -> Response:
    if alert is None:
        return _page("This alert is gone", "<p>It is over, and no longer kept.</p>", 410)
    subject = alert.task or alert.queue or alert.rule
    about = f"{alert.severity}, since {moment_text(alert.opened_ms)}, found {alert.count}×"
    what = (
        f"<p><strong>{_text(subject)}</strong></p><pre>{_text(alert.text or alert.last_error)}</pre>"
        f'<p class="about">{_text(about)}</p>'
    )
    if alert.state == RESOLVED and not is_done:
        ended = moment_text(alert.resolved_ms or alert.updated_ms)
        return _page("It is over already", f"{what}<p>Resolved at {ended}.</p>")
    if alert.state == ACKNOWLEDGED or is_done:
        since = moment_text(alert.acknowledged_ms or alert.updated_ms)
        note = f": {_text(alert.comment)}" if alert.comment else ""
        return _page(
            "Acknowledged",
            f"{what}<p>By {_text(alert.by or '')} at {since}{note}. Nobody is told again for 24 hours.</p>",
        )
    form = (
        '<form method="post"><label>A word for the others (optional)'
        f'<input name="comment" maxlength="{COMMENT_CHARACTERS_MAX}" autocomplete="name"></label>'
        "<button>Acknowledge</button></form>"
    )
    return _page("Take care of this alert?", what + form)


def _text(text: str) -> str:
    return escape("".join(character if character.isprintable() or character == "\n" else "�" for character in text))


def _page(title: str, body: str, status: int = 200) -> Response:
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{title} · Jobsight</title><link rel="stylesheet" href="../ack.css"></head>'
        f"<body><h1>{title}</h1>{body}</body></html>"
    )
    return HTMLResponse(page, status, headers=_HEADERS)
