"""Counts of single classes as the cumulative buckets that Prometheus wants."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from prometheus_client.utils import floatToGoString


def cumulative(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """The upper bound of each bucket, as it is written, and how many lie at or below it; one more count than bounds."""
    names = [floatToGoString(bound) for bound in (*bounds, float("inf"))]  # type: ignore[no-untyped-call]
    return list(zip(names, map(float, accumulate(counts)), strict=True))
