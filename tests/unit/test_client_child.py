"""Whom a timeout ends, and in which order."""

from __future__ import annotations

from jobsight.client.child import eldest_first


def test_parents_come_before_their_children_whatever_their_ids() -> None:
    """A shell gets its signal before its children do, so it does not go on with its next line when a child ends."""
    parents = {2: 1, 40: 39, 7: 40, 8: 7, 9: 2, 6: 40}

    assert [40, 7, 6, 8] == eldest_first(40, parents)
    assert [39, 40, 7, 6, 8] == eldest_first(39, parents)
    assert [8] == eldest_first(8, parents)
