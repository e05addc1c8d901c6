"""What came of stored buckets, remembered by their content: a bucket that has not changed is not worked through again."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Sequence
from hashlib import blake2b
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """
    Results by what they are of, each good for as long as the content it was made from. For any thread.

    Args:
        size_max: Sum of the sizes that are given with the results; those not asked for longest give way.
    """

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._size = 0
        self._known: dict[Hashable, tuple[bytes, Value, int]] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, digest: bytes) -> Value | None:
        """The result for a key if it was made from this content; None otherwise."""
        with self._lock:
            found = self._known.pop(key, None)
            if found is None:
                return None
            if found[0] != digest:
                self._size -= found[2]
                return None
            self._known[key] = found
            return found[1]

    def put(self, key: Hashable, digest: bytes, value: Value, size: int) -> None:
        """Remember a result of a content."""
        with self._lock:
            before = self._known.pop(key, None)
            self._size += size - (0 if before is None else before[2])
            self._known[key] = (digest, value, size)
            while self._size > self._size_max:
                self._size -= self._known.pop(next(iter(self._known)))[2]


def digest_of(contents: Sequence[bytes]) -> bytes:
    """Of some stored buckets; other bytes have another one."""
    digest = blake2b(digest_size=16)
    for content in contents:
        digest.update(len(content).to_bytes(4, "big"))
        digest.update(content)
    return digest.digest()
