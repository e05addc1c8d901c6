"""What stands above what: alerts that need attention, and tasks, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from msgspec.structs import replace

from jobsight.core.alert import ACKNOWLEDGED, FIRING, PENDING, Alert
from jobsight.core.apply import apply
from jobsight.core.check import Severity
from jobsight.core.events import AnyReport, Batch, JobCompleted, JobFailed
from jobsight.core.health import Health
from jobsight.core.tokens import TokenScope
from jobsight.engine.instruments import Instruments
from jobsight.engine.recent import LATEST_ENDS, Recent
from jobsight.transports.http.asking import Source
from jobsight.transports.http.pages.attention import attention_rows
from jobsight.transports.http.pages.glances import glance_of, glances
from jobsight.transports.http.pages.site import Ground, Wanted
from jobsight.transports.http.pages.standing import Standing
from jobsight.transports.http.pages.tasks import ROWS, TASKS, TaskList, TasksParameters
from jobsight.view.store import View

AT_MS = 1_795_608_000_000
NAMES = [f"task-{number:03d}" for number in range(130)]


def alert(name: str, state: str, severity: Severity, opened_ms: int, suppressed: str | None = None) -> Alert:
    """An open alert of a task."""
    return Alert(
        alert_id=f"{name}-1",
        fingerprint=name,
        rule="job_failed",
        task=name,
        queue=None,
        state=state,
        severity=severity,
        opened_ms=opened_ms,
        suppressed=suppressed,
    )


def test_what_nobody_takes_care_of_stands_first() -> None:
    """Firing before acknowledged before pending, critical before warnings, told before silenced, the latest first."""
    critical, warning = Severity.CRITICAL, Severity.WARNING
    rows = attention_rows(
        [
            alert("pending", PENDING, critical, 9),
            alert("acked", ACKNOWLEDGED, critical, 9),
            alert("mild", FIRING, warning, 9),
            alert("silenced", FIRING, critical, 9, "silence"),
            alert("old", FIRING, critical, 1),
            alert("new", FIRING, critical, 5),
        ]
    )

    assert ["new", "old", "silenced", "mild", "acked", "pending"] == [row.subject for row in rows]
    assert [False, False, True, False, False, False] == [row.is_quiet for row in rows]


@pytest.fixture(scope="module")
def scene() -> Iterator[tuple[Ground, Source]]:
    """Every seventh task has failed, the others are well."""
    view = View.open(None)
    state, recent = view.load_state(), Recent()
    for number, name in enumerate(NAMES):
        event: AnyReport = JobCompleted(job_id=name, task=name, duration_ms=5)
        if number % 7 == 3:
            event = JobFailed(job_id=name, task=name, error="boom", retries=0)
        apply(state, Batch(seq=number + 1, accept_ms=AT_MS + number, sources=["w"], events=[event]))
    recent.note(state.changes)
    view.flush(state, b"c")
    ground = Ground(state=state, recent=recent, instruments=Instruments(), clock_ms=lambda: AT_MS)
    yield ground, Source(view=view.reader(), log=None, log_bytes=lambda: 0, close=view.close)  # type: ignore[arg-type]
    view.close()


def page_of(scene: tuple[Ground, Source], **query: str | None) -> TaskList:
    """A page of the list of tasks."""
    ground, source = scene
    wanted = Wanted(at_ms=AT_MS, query=TasksParameters(**query), path={}, scope=TokenScope.READ)  # type: ignore[arg-type]
    found = TASKS.look(ground, wanted)(source)
    assert isinstance(found, TaskList)
    return found


def test_the_pages_of_the_tasks_hold_each_of_them_once_the_worst_first(scene: tuple[Ground, Source]) -> None:
    """Page by page, by the place of the last one and not by a number: what changes meanwhile shifts nothing."""
    shown, page = [], page_of(scene)
    while True:
        assert len(page.rows) <= ROWS
        shown += [row.glance.name for row in page.rows]
        if page.next is None:
            break
        page = page_of(scene, cursor=parse_qs(urlsplit(page.next).query)["cursor"][0])

    failing = [name for number, name in enumerate(NAMES) if number % 7 == 3]
    assert sorted(failing, reverse=True) == shown[: len(failing)], "the latest failure first"
    assert sorted(NAMES) == sorted(shown)
    assert shown == [name for _, _, name, _ in scene[0].standing.all(scene[0].state, scene[0].recent)]


def test_a_filter_goes_on_from_page_to_page(scene: tuple[Ground, Source]) -> None:
    """The next page's address holds it too, and the way back to the first."""
    first = page_of(scene, health="healthy", name="TASK-0")
    following = page_of(
        scene, health="healthy", name="TASK-0", cursor=parse_qs(urlsplit(first.next or "").query)["cursor"][0]
    )

    assert {"health": ["healthy"], "name": ["TASK-0"]} == {
        name: value for name, value in parse_qs(urlsplit(first.next or "").query).items() if name != "cursor"
    }
    assert first.first is None
    assert "/tasks?name=TASK-0&health=healthy" == following.first
    assert {"failing": 14, "healthy": 86} == {facet.word: facet.count for facet in first.facets}


def ended(ground: Ground, view: View, *ends: AnyReport) -> None:
    """Some more jobs end."""
    state = ground.state
    for event in ends:
        apply(state, Batch(seq=state.applied_seq + 1, accept_ms=AT_MS, sources=["w"], events=[event]))
    ground.recent.note(state.changes)
    view.flush(state, b"c")


def test_a_task_with_a_failure_among_its_latest_ends_is_shaky_wherever_it_is_counted() -> None:
    """In its row, in the count of its health and in the list of that, also after a restart; until thirty ends went well."""
    view = View.open(None)
    ground = Ground(state=view.load_state(), recent=Recent(), instruments=Instruments(), clock_ms=lambda: AT_MS)
    source = Source(view=view.reader(), log=None, log_bytes=lambda: 0, close=view.close)  # type: ignore[arg-type]
    good = [JobCompleted(job_id=f"good-{n}", task="export", duration_ms=5) for n in range(30)]
    ended(ground, view, JobFailed(job_id="bad", task="export", error="boom", retries=0), good[0])
    again = Recent()
    again.restore("export", AT_MS, "completed", AT_MS)
    again.restore_spoilt("export", [job.status for job in source.view.latest("export", LATEST_ENDS)])

    for recent in (ground.recent, again):
        page = page_of((replace(ground, recent=recent, standing=Standing()), source), health="shaky")
        assert [("export", Health.SHAKY)] == [(row.glance.name, row.health) for row in page.rows]
        assert [("shaky", 1)] == [(facet.word, facet.count) for facet in page.facets]
    ended(ground, view, *good[1:])
    assert Health.HEALTHY == page_of((replace(ground, standing=Standing()), source)).rows[0].health
    view.close()


def test_jobs_without_a_task_stand_under_their_queue() -> None:
    """Healthy once one has completed; an open alert makes the queue failing."""
    view = View.open(None)
    ground = Ground(state=view.load_state(), recent=Recent(), instruments=Instruments(), clock_ms=lambda: AT_MS)
    source = Source(view=view.reader(), log=None, log_bytes=lambda: 0, close=view.close)  # type: ignore[arg-type]
    ended(ground, view, JobCompleted(job_id="a", queue="adhoc", duration_ms=5))
    fine = page_of((replace(ground, standing=Standing()), source))
    ended(ground, view, JobFailed(job_id="b", queue="adhoc", error="boom", retries=0))
    ill = page_of((replace(ground, standing=Standing()), source))

    assert [("queue adhoc", Health.HEALTHY)] == [(row.glance.name, row.health) for row in fine.rows]
    assert [("queue adhoc", Health.FAILING)] == [(row.glance.name, row.health) for row in ill.rows]
    view.close()


def test_jobs_are_counted_in_each_queue_of_a_task_also_in_one_that_came_later(scene: tuple[Ground, Source]) -> None:
    """A task is one row, wherever its jobs wait; and nothing of another task is counted with it."""
    view = View.open(None)
    state = view.load_state()
    ground = replace(scene[0], state=state, standing=Standing())
    seen = []
    for number, (task, queue) in enumerate([("a", "q"), ("b", "q"), ("a", None), (None, "q"), ("a", "r"), ("b", "r")]):
        event = JobCompleted(job_id=f"job-{number}", task=task, queue=queue, duration_ms=5)
        apply(state, Batch(seq=number + 1, accept_ms=AT_MS, sources=["w"], events=[event]))
        seen.append([glance.total for glance in glances(ground, [("a", None), ("b", None), (None, "q")])])
    view.close()

    assert [[1, 0, 0], [1, 1, 0], [2, 1, 0], [2, 1, 1], [3, 1, 1], [3, 2, 1]] == seen
    assert glance_of(ground, "b") is not None
    assert glance_of(ground, "c") is None
