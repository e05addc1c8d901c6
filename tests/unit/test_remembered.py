"""What came of stored buckets is remembered for as long as they are as they were, and within bounds."""

from __future__ import annotations

from jobsight.transports.http.remembered import Remembered, digest_of


def test_a_result_is_good_only_for_the_content_it_came_from() -> None:
    """Other content asks for new work, and what was known before is let go."""
    known: Remembered[str] = Remembered(10)
    known.put("backup", digest_of([b"one"]), "first", 1)

    assert "first" == known.get("backup", digest_of([b"one"]))
    assert known.get("backup", digest_of([b"two"])) is None
    assert known.get("backup", digest_of([b"one"])) is None


def test_what_was_not_asked_for_longest_gives_way() -> None:
    """The sizes say how much there is; one that is larger than all the room is not kept."""
    known: Remembered[int] = Remembered(3)
    for number in range(3):
        known.put(number, b"d", number, 1)
    known.get(0, b"d")
    known.put(3, b"d", 3, 1)
    kept = [number for number in range(4) if known.get(number, b"d") is not None]
    known.put(4, b"d", 4, 9)

    assert [0, 2, 3] == kept
    assert [None] * 5 == [known.get(number, b"d") for number in range(5)]


def test_a_result_that_is_put_again_counts_once() -> None:
    """Else the room would be used up by one bucket that changes all the time."""
    known: Remembered[int] = Remembered(3)
    known.put("other", b"d", 0, 1)
    for number in range(100):
        known.put("busy", b"%d" % number, number, 2)

    assert 0 == known.get("other", b"d")
    assert 99 == known.get("busy", b"99")


def test_contents_differ_where_their_borders_differ() -> None:
    """Two buckets are not one that reads the same."""
    assert digest_of([b"ab", b"c"]) != digest_of([b"a", b"bc"])
    assert digest_of([]) != digest_of([b""])
