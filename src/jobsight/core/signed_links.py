"""
Signed links: whoever holds one may acknowledge one episode of one alert for a while, and nothing else.

A link says through which channel it was told and until when it holds, and is signed with a key of the data folder. The
alert's id holds its episode, so a link is worth nothing for the next one.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error
from enum import StrEnum
from hashlib import sha256
from typing import Final

from msgspec import Struct

LINK_MS: Final = 3 * 86_400_000
"""How long a link holds after its notification was decided on."""

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 16
LINK_CHARACTERS_MAX: Final = 1_024
_PURPOSE: Final = b"jobsight acknowledge 1\x00"


class LinkFault(StrEnum):
    """Why a link opens nothing."""

    FORGED = "forged"
    EXPIRED = "expired"


class LinkClaim(Struct, frozen=True, kw_only=True):
    """What a link allows: to acknowledge this alert, as somebody who was told through this channel."""

    alert_id: str
    channel: str
    expires_ms: int


def signed(key: bytes, claim: LinkClaim) -> str:
    """The claim as it stands in a link: letters, digits, `-` and `_`."""
    payload = f"{claim.expires_ms // 1000} {claim.alert_id} {claim.channel}".encode("utf-8", "surrogatepass")
    return urlsafe_b64encode(_signature(key, payload) + payload).decode().rstrip("=")


def opened(key: bytes, token: str, at_ms: int) -> LinkClaim | LinkFault:
    """
    What a link allows at a moment (ms UTC), or why it allows nothing.

    Args:
        key: That with which it was signed.
        token: As it came; anything.
    """
    try:
        raw = urlsafe_b64decode(token[:LINK_CHARACTERS_MAX] + "=" * (-len(token) % 4))
    except (Error, ValueError):
        return LinkFault.FORGED
    signature, payload = raw[:SIGNATURE_BYTES], raw[SIGNATURE_BYTES:]
    if not hmac.compare_digest(signature, _signature(key, payload)):
        return LinkFault.FORGED
    expires_s, alert_id, channel = payload.decode("utf-8", "surrogatepass").split(" ", 2)
    if at_ms >= int(expires_s) * 1000:
        return LinkFault.EXPIRED
    return LinkClaim(alert_id=alert_id, channel=channel, expires_ms=int(expires_s) * 1000)


def _signature(key: bytes, payload: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + payload, sha256).digest()[:SIGNATURE_BYTES]
