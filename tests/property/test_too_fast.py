"""Which runs are too fast is the rule that is written down, however little of it is worked out for most of them."""

from __future__ import annotations

from math import exp, log
from statistics import median

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from jobsight.core.check import RUNS_LEARNED_MIN, Check, EndedRun, Expectation, Origin
from jobsight.detectors.slow import detect_fast

DURATIONS_MS = st.integers(0, 10_000_000) | st.integers(0, 200_000) | st.integers(100_000, 130_000)
SPREADS = st.lists(DURATIONS_MS, max_size=100) | st.builds(
    lambda middle, some: [middle + one for one in some],
    st.integers(60_000, 900_000),
    st.lists(st.integers(0, 50_000), min_size=15, max_size=60),
)


def is_too_fast(before_ms: list[int], duration_ms: int) -> bool:
    """Below half of the median, its spread of logarithms, two thirds of the first percentile, and a minute less than the median."""
    if len(before_ms) < RUNS_LEARNED_MIN:
        return False
    middle_ms, logs = median(before_ms), [log(max(1, one)) for one in before_ms]
    spread = 1.4826 * median(abs(one - median(logs)) for one in logs)
    rising = sorted(before_ms)
    place = 0.01 * (len(rising) - 1)
    low = int(place)
    first_percentile = rising[low] + (rising[min(low + 1, len(rising) - 1)] - rising[low]) * (place - low)
    limit = min(
        middle_ms / 2, max(middle_ms * exp(-6 * spread), middle_ms / 10), first_percentile / 1.5, middle_ms - 60_000
    )
    return limit > 0 and duration_ms < round(limit)


@settings(max_examples=300)
@given(SPREADS, DURATIONS_MS | st.integers(10_000, 300_000))
@example([200_000] * 40, 99_999)
@example([200_000] * 40, 100_000)
@example([300_000] * 15 + [1_000_000] * 10 + [3_000_000] * 15, 150_000)
@example([300_000] * 15 + [1_000_000] * 10 + [3_000_000] * 15, 99_999)
@example([100_000] * 39 + [100_001], 39_999)
def test_a_run_is_too_fast_exactly_where_the_rule_says_so(before_ms: list[int], duration_ms: int) -> None:
    """With any history before it, and with what was not successful or not told among it."""
    ended = [
        EndedRun(number=number, job_id=f"j{number}", is_success=True, ended_ms=number, duration_ms=one)
        for number, one in enumerate(before_ms, 1)
    ]
    ended.append(EndedRun(number=len(ended) + 1, job_id="bad", is_success=False, ended_ms=0, duration_ms=1))
    ended.append(EndedRun(number=len(ended) + 1, job_id="untold", is_success=True, ended_ms=0))
    run = EndedRun(number=len(ended) + 1, job_id="it", is_success=True, ended_ms=0, duration_ms=duration_ms)
    check = Check(
        task="t", expected=Expectation(), origin=Origin.API, author="a", revision=1, since_ms=0, ended=(*ended, run)
    )
    expected = is_too_fast(before_ms, duration_ms)
    event(f"too fast: {expected}")

    assert expected == (detect_fast(check, run) is not None)
