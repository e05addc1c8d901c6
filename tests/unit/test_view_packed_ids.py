"""Ids are stored shorter where that is possible, and come back letter by letter."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsight.view.migrations import migrate, scripts
from jobsight.view.packed_ids import packed_id

UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"

FIRST = (
    "INSERT INTO jobs (number, {names}, created_ms, status, updated_after_ms, moved_before_ms, is_end_told_by_update, events, \
last_digest, history) VALUES (?, {places}, 0, 1, 0, 0, 0, 0, 0, x'')"
)


def as_read(connection: apsw.Connection, job_id: str) -> str:
    """An id, stored and read."""
    connection.execute("DELETE FROM jobs")
    connection.execute(FIRST.format(names="id_start, id_uuid", places="?, ?"), (1, *packed_id(job_id)))
    return str(connection.execute("SELECT job_id FROM jobs").get)


@pytest.fixture(scope="module")
def view() -> apsw.Connection:
    connection = apsw.Connection(":memory:")
    migrate(connection, None, scripts())
    return connection


nearly_uuids = st.tuples(
    st.text(max_size=3),
    st.lists(st.text(alphabet="0123456789abcdefA- \n\x00é", min_size=4, max_size=12), min_size=5, max_size=5).map(
        "-".join
    ),
).map("".join)


@given(job_id=st.one_of(st.text(max_size=60), st.uuids().map(str), st.uuids().map("job-{}".format), nearly_uuids))
def test_every_id_comes_back_as_it_was(view: apsw.Connection, job_id: str) -> None:
    """Whatever a worker calls its job."""
    assert job_id == as_read(view, job_id)


@pytest.mark.parametrize("start", ["", "job-", "nightly/", "й-"])
def test_a_uuid_takes_sixteen_bytes(view: apsw.Connection, start: str) -> None:
    """Alone, or after any words."""
    assert (start, bytes.fromhex(UUID.replace("-", ""))) == packed_id(start + UUID)
    assert start + UUID == as_read(view, start + UUID)


@pytest.mark.parametrize(
    "job_id",
    [UUID.upper(), UUID.replace("-", ""), UUID + ".1", UUID[:-1] + "g", UUID[:-1] + " ", UUID.replace("-", "_")],
)
def test_what_is_no_plain_uuid_stays_text(job_id: str) -> None:
    """Another way of writing one would not come back as it was."""
    assert (job_id, None) == packed_id(job_id)


def test_ids_of_an_older_view_stay_readable() -> None:
    """The new columns are added beside rows that are not touched."""
    connection = apsw.Connection(":memory:")
    migrate(connection, None, scripts()[:9])
    connection.execute(FIRST.format(names="job_id", places="?"), (1, "job-" + UUID))
    migrate(connection, None, scripts())

    assert "job-" + UUID == connection.execute("SELECT job_id FROM jobs").get
    assert len(scripts()) == connection.pragma("user_version")
