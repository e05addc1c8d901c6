"""Names and jobs are bounded: what comes beyond is counted together or refused, an end never is."""

from __future__ import annotations

from pathlib import Path

from core_state import Applier

from jobsight.core.check import Expectation
from jobsight.core.events import CheckSet, JobCompleted, JobFailed, SettingsChanged, StatusUpdate
from jobsight.core.limits import OTHER
from jobsight.core.state import State
from jobsight.engine.admission import Admission
from jobsight.protocol.codec import Chunk, Codec
from jobsight.protocol.refusals import Refusal
from jobsight.view.store import View


def bounded(tasks_max: int) -> Applier:
    """A state that takes so many names of tasks."""
    applier = Applier()
    applier.tell(SettingsChanged(max_retries=None, tasks_max=tasks_max, author="config"))
    return applier


def task_of(applier: Applier, job_id: str) -> str | None:
    """The task under which a job stands."""
    return applier.state.jobs[job_id].task


def running(job_id: str, task: str | None) -> StatusUpdate:
    """A job that has begun."""
    return StatusUpdate(job_id=job_id, status="running", task=task)


# --------------------------------------------------------------------------------------------------------------- tasks


def test_new_tasks_above_the_bound_are_one_task() -> None:
    """Those that are known keep their names, and a job without a task has none."""
    applier = bounded(2)
    applier.report(running("a", "one"), running("b", "two"), running("c", "three"), running("d", "four"))
    applier.report(running("e", "one"), running("f", None))

    assert ["one", "two", OTHER, OTHER, "one", None] == [task_of(applier, job) for job in "abcdef"]
    assert {"one", "two"} == applier.state.tasks
    assert applier.state.tasks_folded > 0


def test_a_job_that_names_its_task_later_is_bounded_as_well() -> None:
    """Nor does a name of its own come by a change of the name."""
    applier = bounded(1)
    applier.report(running("a", "one"), running("b", None), running("b", "two"), running("a", "three"))

    assert [OTHER, OTHER] == [task_of(applier, job) for job in "ab"]


def test_a_failure_of_a_task_above_the_bound_raises_its_alert() -> None:
    """Nothing that has failed is lost for want of a name: it is told apart by queue and error, as without a task."""
    applier = bounded(1)
    applier.report(running("a", "one"), JobFailed(job_id="b", task="two", queue="q", error="boom", retries=0))

    assert [(None, "q", "boom")] == [(alert.task, alert.queue, alert.last_error) for alert in applier.alerts()]


def test_tasks_above_the_bound_do_not_end_each_others_alerts() -> None:
    """Two that fail otherwise are two alerts, and the success of a third one ends neither; that of its own job does."""
    applier = bounded(1)
    applier.report(
        running("a", "one"),
        JobFailed(job_id="b", task="two", error="boom", retries=0),
        JobFailed(job_id="c", task="three", error="no room", retries=0),
        JobCompleted(job_id="d", task="four", duration_ms=1),
    )
    both = [alert.last_error for alert in applier.alerts()]
    applier.report(JobCompleted(job_id="b", task="two", duration_ms=1))

    assert ["boom", "no room"] == both
    assert ["no room"] == [alert.last_error for alert in applier.alerts()]


def test_a_task_that_is_watched_has_its_name_whatever_the_bound() -> None:
    """Somebody has said what is expected of it."""
    applier = bounded(1)
    applier.report(running("a", "one"))
    applier.tell(CheckSet(task="backup", expected=Expectation(schedule="every 1h"), origin="config", author="config"))
    applier.report(running("b", "backup"))

    assert "backup" == task_of(applier, "b")


def test_a_report_defines_no_check_for_a_task_above_the_bound() -> None:
    """Else it would have its own name by that."""
    applier = bounded(1)
    line = b'{"type":"update_status","job_id":"%b","task":"%b","status":"running","check":{"schedule":"every 1h"}}\n'
    applier.report(*Codec().read([line % (b"a", b"one") + line % (b"b", b"two")]).reports)

    assert ["one"] == list(applier.state.checks)


def test_the_names_are_known_again_after_a_restart(tmp_path: Path) -> None:
    """With the bound, and with how often a name was not taken."""
    applier = bounded(2)
    applier.report(running("a", "one"), running("b", "two"), running("c", "three"))
    view = View.open(tmp_path / "view.db")
    view.flush(applier.state, b"x")
    view.close()
    again = View.open(tmp_path / "view.db")
    loaded = again.load_state()
    again.close()

    assert ({"one", "two"}, 2) == (loaded.tasks, loaded.tasks_max)
    assert applier.state.tasks_folded == loaded.tasks_folded > 0


# ---------------------------------------------------------------------------------------------------------- active jobs


def chunk_of(*job_ids: str, kind: str = "heartbeat") -> Chunk:
    """Reports of some jobs."""
    lines = [b'{"type":"%s","job_id":"%s"}\n' % (kind.encode(), job_id.encode()) for job_id in job_ids]
    return Codec().read([b"".join(lines)])


def refused(chunk: Chunk) -> int:
    """How many of its reports were refused."""
    return sum(isinstance(aside.item, Refusal) for aside in chunk.asides)


def test_what_is_on_its_way_counts_as_active() -> None:
    """However much comes in before the first of it is applied, there are never more than the bound."""
    admission = Admission(State(), 5)
    chunks = [chunk_of(f"a{n}", f"b{n}") for n in range(4)]
    claims = [admission.admit(chunk) for chunk in chunks]

    assert [0, 0, 1, 2] == [refused(chunk) for chunk in chunks]
    assert 5 == sum(claim.jobs for claim in claims)


def test_room_comes_back_when_nothing_came_of_what_was_on_its_way() -> None:
    """It was not stored; the next ones are let in."""
    admission = Admission(State(), 2)
    claims = [admission.admit(chunk_of("a")), admission.admit(chunk_of("b"))]
    full = chunk_of("c")
    claims.append(admission.admit(full))
    for claim in claims:
        admission.settle(claim)
    chunk = chunk_of("c")
    admission.admit(chunk)

    assert (1, 0) == (refused(full), refused(chunk))


def test_a_job_that_is_on_its_way_is_known() -> None:
    """Its second report is not refused because the first one is not applied yet."""
    admission = Admission(State(), 3)
    admission.admit(chunk_of("a", "b", "c", "d"))
    further = chunk_of("a", "e")
    admission.admit(further)

    assert (1, ["a"]) == (refused(further), [report.job_id for report in further.reports])


def test_an_end_is_never_refused() -> None:
    """Losing a failure would be worse than one job too many."""
    admission = Admission(State(), 1)
    admission.admit(chunk_of("a"))
    chunks = [chunk_of("x", "y", kind=kind) for kind in ("job_failed", "job_completed", "job_cancelled")]
    for chunk in chunks:
        admission.admit(chunk)

    assert [0, 0, 0] == [refused(chunk) for chunk in chunks]


def test_ended_jobs_make_room() -> None:
    """The bound is on what is active."""
    applier = Applier()
    applier.report(running("a", None), running("b", None), JobCompleted(job_id="a"))
    admission = Admission(applier.state, 2)
    chunk = chunk_of("c", "d")
    admission.admit(chunk)

    assert 1 == refused(chunk)
