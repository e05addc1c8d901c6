"""The code and a second, slow model of the specification give the same replies, figures and open alerts."""

from __future__ import annotations

import itertools
import json
from random import Random
from typing import Any

import pytest
from core_state import NOW_MS, Applier
from hypothesis import given, note, settings
from hypothesis import strategies as st
from model import Model
from transcript_runner import Node

from jobsight.core.apply import apply, silence_deadline_ms
from jobsight.core.events import (
    AnyReport,
    Batch,
    DeadlinePassed,
    Heartbeat,
    JobCancelled,
    JobCompleted,
    JobFailed,
    StatusUpdate,
)
from jobsight.core.state import State
from jobsight.core.statistics import totals_of

Body = dict[str, Any]

KINDS: list[tuple[AnyReport, Body]] = [
    (StatusUpdate(job_id="j", status="running"), {"type": "update_status", "job_id": "j", "status": "running"}),
    (Heartbeat(job_id="j"), {"type": "heartbeat", "job_id": "j"}),
    (
        JobFailed(job_id="j", retries=0, max_retries=1),
        {"type": "job_failed", "job_id": "j", "retries": 0, "max_retries": 1},
    ),
    (JobFailed(job_id="j", retries=1), {"type": "job_failed", "job_id": "j", "retries": 1}),
    (JobCancelled(job_id="j"), {"type": "job_cancelled", "job_id": "j"}),
    (JobCompleted(job_id="j"), {"type": "job_completed", "job_id": "j"}),
]
"""The six kinds of reports about a job."""


def with_duration(position: int) -> tuple[JobCompleted, Body]:
    """A completion whose duration tells where in a sequence it stood."""
    duration = 10.5 + position if position % 2 else 2**position
    return JobCompleted(job_id="j", duration_ms=duration), {
        "type": "job_completed",
        "job_id": "j",
        "duration_ms": duration,
    }


@pytest.mark.slow
def test_every_sequence_of_up_to_six_reports() -> None:
    """Status, figures, mean and alert are those of the model after each of the 55,986 sequences of the six kinds."""
    completions = [with_duration(position) for position in range(6)]
    sequences = 0
    for length in range(1, 7):
        for kinds in itertools.product(range(6), repeat=length):
            steps = [completions[place] if kind == 5 else KINDS[kind] for place, kind in enumerate(kinds)]
            sequences += 1
            state, model = State(), Model()
            batch = Batch(seq=1, accept_ms=0, sources=[None] * length, events=[report for report, _ in steps])
            apply(state, batch)
            for _, body in steps:
                model.receive(body)
            job, expected = state.jobs["j"], model.jobs["j"]

            assert (expected.status, expected.duration) == (job.status, job.duration_ms), kinds
            assert [alert["count"] for alert in model.alerts.values()] == [
                alert.count for alert in state.open_by_id.values()
            ], kinds
            assert {job.status: 1} == {word: count for word, count in state.counters.statuses.items() if count}, kinds
            if length < 6:
                assert model.stats() == stats_of(state), kinds

    assert 55_986 == sequences


def stats_of(state: State) -> Body:
    """The four figures of a state, as they are answered."""
    totals = totals_of([state.counters])
    return {name: getattr(totals, name) for name in totals.__struct_fields__}


STATUSES = ["running", "queued", "retrying", "completed", "failed", "cancelled", "uploading"]
DURATIONS = [0, 1, 7, 0.1, 0.2, 0.3, 12.345, 60000, 1e-3, 2**53 - 1, 2.0**52 - 0.5, 86_400_000.125]


def some_report(random: Random, now_ms: int) -> Body:
    """A good report about one of three jobs."""
    kind = random.choice(["update_status", "job_completed", "job_failed", "job_failed", "heartbeat", "job_cancelled"])
    body: Body = {"type": kind}
    if random.random() < 0.7:
        body["msg_id"] = random.choice([1, 2, 3, None])
    body["job_id"] = random.choice("abc")
    own: Body = {
        "update_status": {"status": random.choice(STATUSES), "progress": random.choice([0, 50, 99.5, None])},
        "job_completed": {"duration_ms": random.choice([*DURATIONS, None]), "resource_usage": {"rows": 1}},
        "job_failed": {"error": random.choice(["e", "f", None]), "retries": random.choice([0, 1, 2, None])},
        "job_cancelled": {"reason": random.choice(["r", None])},
        "heartbeat": {},
    }[kind]
    for name, value in own.items():
        if name == "status" or random.random() < 0.8:
            body[name] = value
    for name, values in {"max_retries": [0, 1, 2], "task": ["t", "u"], "queue": ["q"], "attempt": [1, 2]}.items():
        if random.random() < 0.12:
            body[name] = random.choice(values)
    if random.random() < 0.2:
        body["at"] = now_ms - random.choice([0, 1, 500, 2_000, 60_000])
    return body


@pytest.mark.slow
@settings(max_examples=250)
@given(st.integers(0, 2**64 - 1))
def test_random_sequences_are_answered_as_the_model_says(seed: int) -> None:
    """Every reply, to the byte, and the figures after every report; repeats, late reports and lost jobs among them."""
    random = Random(seed)
    limit = random.choice([None, None, 1])
    node, model = Node(retries_max=limit), Model(limit)
    sent: list[tuple[str | None, Body]] = []
    for _ in range(25):
        passed_ms = random.choice([0, 1, 1_000])
        node.step(passed_ms)
        model.now_ms = node.clock.now_ms
        is_repeat = bool(sent) and random.random() < 0.2
        source, body = (
            sent[-1] if is_repeat else (random.choice(["w", "v", None]), some_report(random, node.clock.now_ms))
        )
        sent.append((source, body))
        note(json.dumps([passed_ms, source, body]))
        line = json.dumps(body if source is None else {"src": source, "dest": "m", "body": body})

        assert json.dumps(model.receive(body, source)) == node.ask(line)
        question = {"type": "get_stats", "msg_id": 9}
        assert json.dumps(model.receive(question)) == node.ask(json.dumps(question))


@settings(max_examples=300)
@given(st.integers(0, 2**64 - 1))
def test_random_sequences_open_the_alerts_that_the_model_opens(seed: int) -> None:
    """The same alerts are open with the same counts after every report; being lost opens none."""
    random = Random(seed)
    node, model = Node(), Model()
    for _ in range(25):
        node.step(1_000)
        model.now_ms = node.clock.now_ms
        body = some_report(random, node.clock.now_ms)
        body.pop("at", None)
        note(json.dumps(body))
        node.ask(json.dumps(body))
        model.receive(body)
        found = [
            (alert.task, alert.queue if alert.task is None else None, alert.count)
            for alert in node.state.open_by_id.values()
        ]

        assert sorted(open_in(model), key=repr) == sorted(found, key=repr)


def open_in(model: Model) -> list[tuple[str | None, str | None, int]]:
    """Task, queue and count of the model's open alerts."""
    return [
        (key[1], None, alert["count"]) if key[0] == "task" else (None, key[1] or None, alert["count"])
        for key, alert in model.alerts.items()
    ]


@settings(max_examples=200)
@given(st.integers(0, 2**64 - 1))
def test_lost_jobs_are_counted_as_the_model_counts_them(seed: int) -> None:
    """Deadlines that pass among the reports leave the figures of the model."""
    random = Random(seed)
    applier, model = Applier(), Model()
    for _ in range(30):
        applier.now_ms += 1_000
        model.now_ms = applier.now_ms
        body = {name: value for name, value in some_report(random, NOW_MS).items() if name != "at"}
        known = list(model.jobs)
        if known and random.random() < 0.4:
            job_id = random.choice(known)
            deadline = silence_deadline_ms(applier.state.jobs[job_id], applier.state.silence_ms)
            applier.tell(DeadlinePassed(subject_kind="job", subject=job_id, rule="silence", deadline_ms=deadline or 0))
            model.lose(job_id)
        else:
            applier.report(decoded(body))
            model.receive(body)

        assert model.stats() == stats_of(applier.state)
        assert {job_id: job.status for job_id, job in model.jobs.items()} == {
            job_id: job.status for job_id, job in applier.state.jobs.items()
        }


def decoded(body: Body) -> AnyReport:
    """A report as the wire gives it."""
    from jobsight.protocol.codec import Codec

    (report,) = Codec().read([json.dumps(body).encode() + b"\n"]).reports
    return report
