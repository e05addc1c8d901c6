"""What every reply but those of the hot paths tells a browser, in one place."""

from __future__ import annotations

from typing import Final

from jobsight.transports.http.exchange import Scope, Send

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)
"""Scripts, styles, pictures and data from here alone, none of them inline; nobody frames a page, or posts a form elsewhere."""

PAGE_HEADERS: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    # Not `no-referrer`: with that, a browser says `Origin: null` for a form of our own, and every change would be refused.
    (b"referrer-policy", b"same-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


def with_page_headers(send: Send) -> Send:
    """The same channel, on which each reply begins with these headers as well."""

    async def sending(message: Scope) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *PAGE_HEADERS]
        await send(message)

    return sending
