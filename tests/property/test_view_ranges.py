"""Ranges of time and packed places: arithmetic that holds for every input."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from jobsight.core.rollup import WIDTHS_S, bucket_start_ms
from jobsight.view.history import kept, pack, unpack
from jobsight.view.ranges import stretches

FINEST_MS = WIDTHS_S[0] * 1000
DAY_MS = WIDTHS_S[-1] * 1000
BASE_MS = 1_790_000_000_000

moments = st.integers(BASE_MS, BASE_MS + 5 * DAY_MS)
places = st.builds(lambda seq, index: seq << 20 | index, st.integers(1, 2**44 - 1), st.integers(0, 2**20 - 1))


@given(moments, st.one_of(st.none(), moments))
def test_a_range_is_covered_once_and_by_few_buckets(since_ms: int, until_ms: int | None) -> None:
    """No bucket is left out, none counted twice, and a long range does not cost a look at each ten seconds."""
    found = stretches(since_ms, until_ms)
    at_ms = bucket_start_ms(since_ms, WIDTHS_S[0])
    for stretch in found:
        assert at_ms == stretch.since_ms
        assert stretch.until_ms > stretch.since_ms
        assert 0 == stretch.since_ms % (stretch.width_s * 1000)
        at_ms = stretch.until_ms
    if until_ms is None:
        assert at_ms > BASE_MS * 1000
    elif found:
        assert bucket_start_ms(until_ms, WIDTHS_S[0]) == at_ms
    else:
        assert bucket_start_ms(until_ms, WIDTHS_S[0]) <= bucket_start_ms(since_ms, WIDTHS_S[0])
    buckets = [(one.until_ms - one.since_ms) // (one.width_s * 1000) for one in found if one.until_ms < BASE_MS * 1000]
    assert sum(buckets) <= 2 * (30 + 12 + 24) + 5


@given(st.lists(st.lists(places, max_size=5, unique=True).map(sorted), max_size=5))
def test_packed_places_come_back(refs_of_jobs: list[list[int]]) -> None:
    """Whatever one flush holds, each job gets its own places back, in pieces that can follow each other."""
    pieces = pack(refs_of_jobs)

    assert refs_of_jobs == [unpack(piece) for piece in pieces]
    assert [ref for refs in refs_of_jobs for ref in refs] == unpack(b"".join(pieces))


@given(st.integers(1_002, 3_000), st.integers(1, 2**43))
def test_of_very_many_places_the_first_and_the_last_are_kept(count: int, seq: int) -> None:
    """One talkative job between two flushes takes bounded room."""
    refs = [seq + n // 7 << 20 | n % 7 for n in range(count)]

    assert kept(refs) == unpack(pack([refs])[0])


def test_a_history_is_small() -> None:
    """Seven events of a job among twenty thousand of a flush take two bytes each, and six more for all."""
    others = [[(150_000 + n // 500) << 20 | n % 500] for n in range(20_000)]
    job = [(150_000 + n * 5) << 20 | n * 70 for n in range(7)]

    assert len(pack([*others, job])[-1]) <= 7 * 2 + 6
