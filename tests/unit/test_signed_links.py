"""Signed links: what one opens, and that nothing else does."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

from hypothesis import given
from hypothesis import strategies as st

from jobsight.core.signed_links import LinkClaim, LinkFault, opened, signed

KEY = bytes(range(32))
AT_MS = 1_772_323_200_000
CLAIM = LinkClaim(alert_id="28ae344bd174023f-2097152", channel="ops mail ü", expires_ms=AT_MS + 1_000)


def test_a_link_opens_what_it_was_made_for() -> None:
    """Alert, episode and channel come back, until the moment at which it expires."""
    token = signed(KEY, CLAIM)

    assert CLAIM == opened(KEY, token, AT_MS)
    assert CLAIM == opened(KEY, token, AT_MS + 999)
    assert LinkFault.EXPIRED is opened(KEY, token, AT_MS + 1_000)
    assert token.replace("-", "").replace("_", "").isalnum()


def test_another_key_opens_nothing() -> None:
    """A monitor believes only its own links."""
    assert LinkFault.FORGED is opened(bytes(32), signed(KEY, CLAIM), AT_MS)


def test_no_bit_of_a_link_can_be_changed() -> None:
    """Neither the signature nor the alert, the channel or the end."""
    token = signed(KEY, CLAIM)
    raw = urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for place in range(len(raw)):
        for bit in range(8):
            changed = bytearray(raw)
            changed[place] ^= 1 << bit
            forged = urlsafe_b64encode(bytes(changed)).decode().rstrip("=")

            assert LinkFault.FORGED is opened(KEY, forged, AT_MS)


@given(st.text(max_size=300))
def test_anything_else_is_forged(token: str) -> None:
    """Whatever comes as a link is answered, and opens nothing."""
    assert LinkFault.FORGED is opened(KEY, token, AT_MS)
