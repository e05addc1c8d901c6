"""Counts in words: one thing is never `1 things`."""

from __future__ import annotations


def counted(count: int, one: str, many: str) -> str:
    """A count, thousands set apart, and what is counted: `1 batch`, `0 batches`, `1,200 batches`."""
    return f"{count:,} {one if count == 1 else many}"
