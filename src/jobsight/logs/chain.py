"""The chain of checksums: each batch vouches for itself and for all before it."""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import Final

CHECKSUM_BYTES: Final = 16

_pack_header = struct.Struct("<QqBIQ").pack


def link(
    previous: bytes, *, seq: int, accept_ms: int, kind: int, rules_version: int, count: int, stored: bytes
) -> bytes:
    """
    The checksum of a batch, blake2b-128.

    Args:
        previous: The checksum of the batch before it; `first_link` for the first.
        seq, accept_ms, kind, rules_version, count: Its header.
        stored: Its payload as the log stores it.

    Raises:
        struct.error: A number does not fit its field, so it was never written like this.
        TypeError: A value is of another type, so it was never written like this.
    """
    digest = blake2b(previous, digest_size=CHECKSUM_BYTES)
    digest.update(_pack_header(seq, accept_ms, kind, rules_version, count))
    digest.update(stored)
    return digest.digest()


def first_link(log_id: str) -> bytes:
    """What the first batch of a log is chained to, so that a batch of another log never fits."""
    return blake2b(log_id.encode(), digest_size=CHECKSUM_BYTES).digest()
