"""What an action over jobs looks for, and where it does not look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import apsw
import pytest
from view_of import view_of

from jobsight.core.alert import RULE_JOB_FAILED, fingerprint_of
from jobsight.core.events import JobFailed
from jobsight.transports.http.asking import Source
from jobsight.transports.http.pages.bulk import Latest, gather
from jobsight.view import explorer
from jobsight.view.job_filter import read_filter
from jobsight.view.store import View

AT_MS = 1_790_000_000_000
OTHERS = 300


@pytest.fixture(scope="module")
def view() -> Iterator[View]:
    """A task has failed on two hosts, and before, between and after it many others have, on the first of them; one fails often."""
    jobs = [("rare", "w1"), *[(f"other-{number}", "w1") for number in range(OTHERS)], ("rare", "w2")]
    jobs += [("often", "w9")] * OTHERS
    view = view_of(
        (
            JobFailed(job_id=f"job-{number}", task=task, host=host, error="boom", retries=0)
            for number, (task, host) in enumerate(jobs)
        ),
        AT_MS,
        1,
    )
    yield view
    view.close()


def acknowledged(view: View, text: str, firing: dict[str, Latest]) -> tuple[list[str], int]:
    """The fingerprints of what a filter over jobs means, and the steps of SQLite's machine in searches for them."""
    steps: list[int] = []

    def note(event: dict[str, Any]) -> None:
        if event["sql"] in (explorer.SEARCH_BY_STATUS, explorer.SEARCH_BY_TASK, explorer.SEARCH_BY_NUMBER):
            steps.append(event["stmt_status"]["SQLITE_STMTSTATUS_VM_STEP"])

    source = Source(view=view.reader(), log=None, log_bytes=lambda: 0, close=view.close)  # type: ignore[arg-type]
    wanted, _ = read_filter(text)
    view.connection.trace_v2(apsw.SQLITE_TRACE_PROFILE, note)
    met = gather(source, wanted, AT_MS + 1_000_000, "acknowledge", firing)
    view.connection.trace_v2(0)
    return met.problems, sum(steps)


def of(task: str) -> str:
    """The fingerprint of the alert that failures of a task open."""
    return fingerprint_of(RULE_JOB_FAILED, task, None, "boom")


def test_what_fires_is_met_by_an_older_job_without_going_through_what_others_have_failed_at(view: View) -> None:
    """Its latest failure was elsewhere; one before it matches the filter."""
    firing = {of("rare"): Latest(task="rare", job_id=f"job-{OTHERS + 1}")}
    problems, steps = acknowledged(view, "host:w1", firing)

    assert [of("rare")] == problems
    assert steps < 6 * OTHERS
    assert ([], True) == (
        acknowledged(view, "host:w3", firing)[0],
        acknowledged(view, "host:w3", firing)[1] < 6 * OTHERS,
    )


def test_a_failure_that_is_not_stored_yet_costs_a_look_at_the_few_before_it(view: View) -> None:
    """The view is a fifth of a second behind: what fires by then is met by what its task has failed at before."""
    problems, steps = acknowledged(view, "", {of("often"): Latest(task="often", job_id="just now")})

    assert [of("often")] == problems
    assert steps < 2 * OTHERS


def test_a_task_that_fails_often_hides_none_that_seldom_does(view: View) -> None:
    """Both are met by a few of their own jobs, where together hundreds of the first would come before the other."""
    firing = {of(task): Latest(task=task, job_id="just now") for task in ("often", "other-3", "other-5")}
    problems, steps = acknowledged(view, "", firing)

    assert set(firing) == set(problems)
    assert steps < 6 * OTHERS


def test_what_does_not_fire_is_not_meant_whatever_has_failed(view: View) -> None:
    """Of two that fire the one without a job that matches is left out, and so are all that are over."""
    firing = {of(f"other-{number}"): Latest(task=f"other-{number}", job_id=f"job-{number + 1}") for number in (3, 5)}

    assert [of("other-3"), of("other-5")] == acknowledged(view, "host:w1", firing)[0]
    assert [of("other-5")] == acknowledged(view, "job-6", firing)[0]
    assert ([], 0) == acknowledged(view, "", {})
