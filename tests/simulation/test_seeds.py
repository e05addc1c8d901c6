"""The whole monitor on a machine that fails, as the dice fall: whatever happens, the promises hold."""

from __future__ import annotations

import pytest
from simulation.run import live

SEEDS = 1_000
AT_ONCE = 10
"""Seeds of one test: enough that starting it costs nothing, few enough to share them out."""

ONCE_BROKEN = (51720, 60132, 60386, 100847, 102021, 107095, 107760, 104102, 104404, 108719, 108783)
"""Seeds of the long runs that have found something."""


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1, SEEDS, AT_ONCE))
def test_whatever_happens_the_promises_hold(first: int) -> None:
    """Kills, power cuts, full disks, dead channels, set clocks, repeats: nothing answered is lost, everybody is told."""
    for seed in range(first, first + AT_ONCE):
        live(seed)


@pytest.mark.slow
def test_what_long_runs_have_found_is_mended() -> None:
    """The seeds that broke a promise in a long run hold now."""
    for seed in ONCE_BROKEN:
        live(seed)
