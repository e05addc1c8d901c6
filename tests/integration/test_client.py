"""The client and the monitor together: what a job tells arrives once, in order, and the job never notices how."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.client_monitor import Monitor, answers, breaks_off, is_full, loses_the_answer, waits_for

import jobsight
from jobsight.client.settings import Settings
from jobsight.client.voice import Voice

SOON_S = 20
Bodies = list[dict[str, Any]]


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Monitor]:
    """A monitor that answers."""
    one = Monitor(tmp_path / "monitor")
    yield one
    one.stop()


class Said:
    """Everything that a client said."""

    def __init__(self) -> None:
        self.troubles: list[str] = []
        self.notes: list[str] = []
        self.voice = Voice(self.troubles.append, self.notes.append)


@pytest.fixture
def said() -> Said:
    """What the client of `a_client` says."""
    return Said()


MakeClient = Callable[..., jobsight.Client]


@pytest.fixture
def a_client(tmp_path: Path, said: Said) -> Iterator[MakeClient]:
    """Makes clients that try again soon, and closes them."""
    made = []

    def make(url: str, **settings: Any) -> jobsight.Client:
        settings = {"spool": tmp_path / "spool", "retry_first_s": 0.02, "retry_max_s": 0.05, **settings}
        client = jobsight.Client(settings=Settings(server=url, **settings), voice=said.voice, flush_s=5)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close(0)


def told(bodies: Bodies) -> list[tuple[str, Any]]:
    """What each report says, in short."""
    words = {
        "update_status": "progress",
        "job_completed": "duration_ms",
        "job_failed": "error",
        "job_cancelled": "reason",
    }
    return [
        (body["type"], None if body["type"] == "job_completed" else body.get(words.get(body["type"], "")))
        for body in bodies
    ]


def spooled(folder: Path) -> list[Path]:
    """Files with reports that wait."""
    return list(folder.glob("spool/*/*.ndjson"))


# ------------------------------------------------------------------------------------------------------ what is told


def test_a_block_is_told_from_start_to_end(monitor: Monitor, a_client: MakeClient) -> None:
    """Start, last progress and completion arrive, with names, times and figures."""
    client = a_client(monitor.url)
    before_ms = time.time_ns() // 1_000_000
    with jobsight.monitor("nightly", client=client, queue="q", labels={"env": "test"}, max_retries=3) as job:
        job.progress(10)
        job.progress(25, "copying")
        job.measure(rows=12)
    assert client.flush(SOON_S)
    start, progress, end = monitor.reports()

    assert [("update_status", None), ("update_status", 25), ("job_completed", None)] == told([start, progress, end])
    assert ("nightly", "q", {"env": "test"}, 3) == tuple(
        start[key] for key in ("task", "queue", "labels", "max_retries")
    )
    assert [job.job_id] * 3 == [body["job_id"] for body in (start, progress, end)]
    assert [1, 2, 3] == [body["msg_id"] for body in (start, progress, end)]
    assert "copying" == progress["message"]
    assert before_ms <= start["at"] <= progress["at"] <= end["at"]
    assert 0 < end["duration_ms"] < 10_000
    assert {"cpu_percent", "memory_mb", "cpu_seconds", "rows"} == set(end["resource_usage"])
    assert 5 < end["resource_usage"]["memory_mb"] < 4_000
    assert 12 == end["resource_usage"]["rows"]
    assert 1 == monitor.stats()["completed"]


def test_a_failure_is_told_and_raised_on_unchanged(monitor: Monitor, a_client: MakeClient) -> None:
    """The block's own exception comes out as it went in; its type, text and traceback are reported."""
    client = a_client(monitor.url)
    error = ValueError("no such table")
    with pytest.raises(ValueError, match="no such table") as caught, jobsight.monitor("load", client=client, retries=2):
        raise error
    assert client.flush(SOON_S)
    start, end = monitor.reports()

    assert error is caught.value
    assert ("job_failed", "ValueError: no such table", 2, 3) == (
        end["type"],
        end["error"],
        end["retries"],
        start["attempt"],
    )
    assert "raise error" in end["message"]
    assert 1 == monitor.stats()["failed"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (SystemExit(0), ("job_completed", None)),
        (SystemExit(3), ("job_failed", "SystemExit: 3")),
        (KeyboardInterrupt(), ("job_cancelled", "KeyboardInterrupt")),
        (asyncio.CancelledError(), ("job_cancelled", "CancelledError")),
        (RecursionError(), ("job_failed", "RecursionError")),
    ],
    ids=repr,
)
def test_each_way_to_end_has_its_report(
    monitor: Monitor, a_client: MakeClient, error: BaseException, expected: tuple[str, Any]
) -> None:
    """`sys.exit(0)` ends a job well; who presses Ctrl-C cancels it."""
    client = a_client(monitor.url)
    with pytest.raises(type(error)), jobsight.monitor("t", client=client):
        raise error
    assert client.flush(SOON_S)

    assert expected == told(monitor.reports())[-1]


def test_an_error_that_cannot_say_its_name_is_still_reported(monitor: Monitor, a_client: MakeClient) -> None:
    """An exception whose text raises does not hide the failure."""

    class Rude(Exception):
        def __str__(self) -> str:
            raise ZeroDivisionError

    client = a_client(monitor.url)
    with pytest.raises(Rude), jobsight.monitor("t", client=client):
        raise Rude
    assert client.flush(SOON_S)

    assert "job_failed" == monitor.reports()[-1]["type"]
    assert "Rude" in monitor.reports()[-1]["error"]


def test_functions_are_watched_call_by_call(monitor: Monitor, a_client: MakeClient) -> None:
    """As a decorator, each call is a job of its own, with its own result; functions of all kinds keep theirs."""
    client = a_client(monitor.url)

    @jobsight.monitor("plain", client=client)
    def plain(number: int) -> int:
        """Its docstring."""
        return number + 1

    @jobsight.monitor("coroutine", client=client)
    async def coroutine(number: int) -> int:
        await asyncio.sleep(0)
        return number + 1

    @jobsight.monitor("generator", client=client)
    def generator() -> Iterator[int]:
        yield 1
        yield 2

    async def both() -> list[int]:
        return await asyncio.gather(coroutine(1), coroutine(2))

    assert [2, 3] == [plain(1), plain(2)]
    assert [2, 3] == asyncio.run(both())
    assert [1, 2] == list(generator())
    assert ("plain", "Its docstring.") == (plain.__name__, plain.__doc__)
    assert client.flush(SOON_S)
    assert 5 == monitor.stats()["completed"]
    assert 5 == len({body["job_id"] for body in monitor.reports()})


def test_an_async_block_does_not_hold_up_the_loop(monitor: Monitor, a_client: MakeClient) -> None:
    """`async with` never blocks the event loop, even while the monitor takes its time."""
    release = threading.Event()
    monitor.faults.append(waits_for(release))
    client = a_client(monitor.url)

    async def work() -> float:
        began = time.monotonic()
        async with jobsight.monitor("t", client=client) as job:
            job.progress(50)
            await asyncio.sleep(0)
        return time.monotonic() - began

    assert asyncio.run(work()) < 1
    release.set()
    assert client.flush(SOON_S)
    assert ["update_status", "update_status", "job_completed"] == [body["type"] for body in monitor.reports()]


def test_progress_is_sent_once_a_second_and_the_last_one_always(monitor: Monitor, a_client: MakeClient) -> None:
    """A job that reports its progress all the time costs a report a second; where it stopped is known."""
    client = a_client(monitor.url)
    with jobsight.monitor("t", client=client) as job:
        for percent in range(100):
            job.progress(percent)
        assert monitor.wait_for(lambda: any(body.get("progress") == 99 for body in monitor.reports()))
        assert [99] == [body["progress"] for body in monitor.reports() if "progress" in body]


def test_a_quiet_job_has_a_heartbeat(monitor: Monitor, a_client: MakeClient) -> None:
    """While a job has nothing to say, it is known to be alive; after its end there are no more heartbeats."""
    client = a_client(monitor.url)
    with jobsight.monitor("t", client=client, heartbeat_s=0.02):
        assert monitor.wait_for(lambda: [body["type"] for body in monitor.reports()].count("heartbeat") >= 3)
    assert client.flush(SOON_S)

    assert "job_completed" == monitor.reports()[-1]["type"]


def test_jobs_of_many_threads_keep_their_order(monitor: Monitor, a_client: MakeClient) -> None:
    """Many jobs at once share one client; each arrives whole and in order."""
    client = a_client(monitor.url)

    def work(number: int) -> None:
        for _ in range(5):
            with jobsight.monitor(f"t{number}", client=client) as job:
                job.message("half")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.flush(SOON_S)
    by_job: dict[str, list[str]] = {}
    for body in monitor.reports():
        by_job.setdefault(body["job_id"], []).append(body["type"])

    assert [["update_status", "update_status", "job_completed"]] * 40 == list(by_job.values())
    assert 40 == monitor.stats()["completed"]


# ------------------------------------------------------------------------------------------- when things do not go well


@pytest.mark.parametrize(
    "fault",
    [
        answers(500),
        answers(429, Retry_After="0"),
        answers(503, Retry_After="0"),
        answers(200, b"<html>login</html>"),
        answers(200, b""),
        answers(401),
        answers(404),
        is_full,
        loses_the_answer,
        breaks_off,
    ],
    ids=[
        "500",
        "429",
        "503",
        "a login page",
        "no answer",
        "401",
        "404",
        "full",
        "the answer is lost",
        "half an answer",
    ],
)
def test_after_every_trouble_each_report_counts_once(monitor: Monitor, a_client: MakeClient, fault: Any) -> None:
    """Whatever the monitor answers, and whether or not it had stored the reports: once, in order, nothing lost."""
    monitor.faults.extend([fault] * 7)
    client = a_client(monitor.url)
    for number in range(3):
        with jobsight.monitor(f"t{number}", client=client) as job:
            job.progress(10 * number)
    assert client.flush(SOON_S)

    assert [("update_status", None), ("update_status", 0), ("job_completed", None)] == told(monitor.reports()[:3])
    assert list(range(1, 10)) == [body["msg_id"] for body in monitor.reports()]
    assert 3 == monitor.stats()["completed"]


def test_half_an_answer_is_an_absence_and_no_other_program(monitor: Monitor, a_client: MakeClient, said: Said) -> None:
    """A monitor that dies while it answers passes by itself: nobody is told to look for a wrong address."""
    monitor.faults.append(breaks_off)
    client = a_client(monitor.url)
    client.report("update_status", "j1", status="running")
    assert client.flush(SOON_S)

    assert [] == said.troubles
    assert ["j1"] == [body["job_id"] for body in monitor.reports()]


def test_a_lost_answer_is_followed_by_the_same_lines(monitor: Monitor, a_client: MakeClient) -> None:
    """What got no answer is sent again word for word, and nothing of the same job before it."""
    monitor.faults.append(loses_the_answer)
    client = a_client(monitor.url)
    with jobsight.monitor("t", client=client) as job:
        job.progress(5)
    assert client.flush(SOON_S)

    assert monitor.requests[0] == monitor.requests[1]
    assert all(len({line["body"]["job_id"] for line in lines}) == len(lines) for lines in monitor.requests)


def test_a_refused_report_is_dropped_and_said(monitor: Monitor, a_client: MakeClient, said: Said) -> None:
    """A report that the monitor will never take holds up nothing, and somebody is told."""
    client = a_client(monitor.url)
    client.report("update_status", "j1", status="x" * 100)
    client.report("update_status", "j2", status="running")
    assert client.flush(SOON_S)

    assert ["j2"] == [body["job_id"] for body in monitor.reports()]
    assert 1 == len(said.troubles)
    assert "j1 was refused: body.status" in said.troubles[0]


def test_a_request_that_is_too_large_is_cut_into_smaller_ones(
    monitor: Monitor, a_client: MakeClient, said: Said
) -> None:
    """A proxy with a small limit costs requests, not reports; a single report that is refused is dropped and said."""
    too_large = answers(413, b'{"type":"error","code":12,"text":"too large"}')
    release = threading.Event()
    monitor.faults.append(waits_for(release))
    client = a_client(monitor.url)
    client.report("heartbeat", "first")
    assert monitor.wait_for(lambda: monitor.arrived == 1)
    for number in range(8):
        client.report("heartbeat", f"j{number}")
    monitor.faults.extend([too_large] * 4)
    release.set()
    assert client.flush(SOON_S)

    assert ["first", *(f"j{number}" for number in range(1, 8))] == [body["job_id"] for body in monitor.reports()]
    assert 1 == len(said.troubles)


def test_a_wrong_token_is_said_once_and_nothing_is_lost(
    tmp_path: Path, a_client: MakeClient, said: Said, monitor: Monitor
) -> None:
    """Without a valid token the reports wait; with it, they go out."""
    monitor.token = "right"
    client = a_client(monitor.url, token="wrong")
    client.report("update_status", "j1", status="running")
    assert monitor.wait_for(lambda: bool(said.troubles))
    client.report("job_completed", "j1")
    client.close(SOON_S)
    other = a_client(monitor.url, token="right")
    other.report("update_status", "j2", status="running")
    assert other.flush(SOON_S)

    assert 1 == len(said.troubles)
    assert "JOBSIGHT_TOKEN" in said.troubles[0]
    assert ["j1", "j1", "j2"] == [body["job_id"] for body in monitor.reports()]


def test_a_slow_monitor_does_not_slow_the_job(monitor: Monitor, a_client: MakeClient) -> None:
    """While an answer is awaited, a thousand reports cost the job no time to speak of; one request is under way."""
    release = threading.Event()
    monitor.faults.append(waits_for(release))
    client = a_client(monitor.url)
    client.report("heartbeat", "first")
    assert monitor.wait_for(lambda: monitor.arrived == 1)
    began = time.monotonic()
    for number in range(1_000):
        client.report("update_status", f"j{number}", status="running")
    took_s = time.monotonic() - began
    assert [] == monitor.requests
    release.set()
    assert client.flush(SOON_S)

    assert took_s < 1
    assert 1_001 == len(monitor.reports())
    assert [1, 500, 500] == [len(lines) for lines in monitor.requests]


def test_no_answer_in_time_counts_as_away(monitor: Monitor, a_client: MakeClient) -> None:
    """A request that hangs is given up and sent again; processed late after all, it counts for nothing."""
    release = threading.Event()
    monitor.faults.append(waits_for(release))
    client = a_client(monitor.url, answer_s=0.05)
    with jobsight.monitor("t", client=client):
        pass
    assert client.flush(SOON_S)
    before = [body["type"] for body in monitor.reports()]
    release.set()
    assert monitor.wait_for(lambda: len(monitor.requests) == monitor.arrived)

    assert ["update_status", "job_completed"] == before
    assert 1 == monitor.stats()["completed"]


def test_reports_of_an_outage_arrive_later_with_their_times(tmp_path: Path, a_client: MakeClient, said: Said) -> None:
    """A running program rides out an outage: everything arrives afterwards, in order, with the time when it happened."""
    first = Monitor(tmp_path / "monitor")
    client = a_client(first.url)
    with jobsight.monitor("t", client=client):
        assert client.flush(SOON_S)
        first.stop()
    for number in range(20):
        with jobsight.monitor(f"t{number}", client=client):
            pass
    last_ms = time.time_ns() // 1_000_000
    assert not client.flush(0)
    second = Monitor(tmp_path / "monitor", first.port)
    assert client.flush(SOON_S)
    bodies = second.reports()
    stats = second.stats()
    client.close()
    second.stop()

    assert list(range(1, 43)) == [body["msg_id"] for body in bodies]
    assert all(body["at"] <= last_ms + 1 for body in bodies)
    assert 21 == stats["completed"]
    assert [] == spooled(tmp_path)
    assert [] == said.troubles
    assert "takes reports again" in said.notes[-1]


def test_the_next_program_sends_what_the_last_one_left(tmp_path: Path, a_client: MakeClient) -> None:
    """Reports of a program that ended during an outage go out first with the next one, under their own sender."""
    monitor = Monitor(tmp_path / "monitor")
    monitor.stop()
    for number in range(3):
        client = a_client(monitor.url)
        with jobsight.monitor(f"t{number}", client=client):
            pass
        assert client.close()
    assert 3 == len(spooled(tmp_path))
    monitor = Monitor(tmp_path / "monitor", monitor.port)
    client = a_client(monitor.url)
    with jobsight.monitor("t3", client=client):
        pass
    assert client.flush(SOON_S)
    client.close()
    monitor.stop()

    assert ["t0", "t0", "t1", "t1", "t2", "t2", "t3", "t3"] == [body["task"] for body in monitor.reports()]
    assert 4 == len({line["src"] for lines in monitor.requests for line in lines})
    assert [] == spooled(tmp_path)


def test_a_full_spool_drops_the_oldest_and_says_so(tmp_path: Path, a_client: MakeClient, said: Said) -> None:
    """However long the outage, the disk does not fill up; the newest reports are kept."""
    monitor = Monitor(tmp_path / "monitor")
    monitor.stop()
    client = a_client(monitor.url, spool_bytes_max=20_000)
    for number in range(500):
        client.report("update_status", f"j{number}", status="running")
    client.close()
    size = sum(file.stat().st_size for file in spooled(tmp_path))
    monitor = Monitor(tmp_path / "monitor", monitor.port)
    client = a_client(monitor.url)
    client.report("update_status", "j500", status="running")
    assert client.flush(SOON_S)
    client.close()
    monitor.stop()
    numbers = [int(body["job_id"][1:]) for body in monitor.reports()]

    assert size <= 20_000
    assert list(range(numbers[0], 501)) == numbers
    assert "of its oldest reports are dropped" in said.troubles[0]


def test_without_a_spool_reports_wait_in_memory(tmp_path: Path, a_client: MakeClient, said: Said) -> None:
    """A spool that cannot be written is said once; while the program runs, nothing is lost."""
    (tmp_path / "file").touch()
    monitor = Monitor(tmp_path / "monitor")
    monitor.stop()
    client = a_client(monitor.url, spool=tmp_path / "file" / "spool")
    with jobsight.monitor("t", client=client):
        pass
    monitor = Monitor(tmp_path / "monitor", monitor.port)
    assert client.flush(SOON_S)
    client.close()
    monitor.stop()

    assert ["update_status", "job_completed"] == [body["type"] for body in monitor.reports()]
    assert all("cannot be written" in text for text in said.troubles)


def test_reports_for_one_monitor_never_reach_another(tmp_path: Path, a_client: MakeClient) -> None:
    """What waits for one server is not sent to the next one that is configured."""
    gone, there = Monitor(tmp_path / "gone"), Monitor(tmp_path / "there")
    gone.stop()
    client = a_client(gone.url)
    client.report("update_status", "secret", status="running")
    client.close()
    client = a_client(there.url)
    client.report("update_status", "j1", status="running")
    assert client.flush(SOON_S)
    client.close()
    there.stop()

    assert ["j1"] == [body["job_id"] for body in there.reports()]
    assert 1 == len(spooled(tmp_path))


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://example.org", "http://", "http://[", "http://127.0.0.1:x", "http://\ud800"]
)
def test_a_wrong_address_is_said_and_harms_nobody(a_client: MakeClient, said: Said, tmp_path: Path, url: str) -> None:
    """A mistake in the settings does not touch the job; its reports are kept."""
    client = a_client(url)
    with jobsight.monitor("t", client=client):
        pass

    assert client.close(SOON_S)
    assert 1 == len(said.troubles)
    assert 1 == len(spooled(tmp_path))


def test_a_server_and_a_token_from_a_file_may_end_with_a_newline(tmp_path: Path, a_client: MakeClient) -> None:
    """`open(path).read()` is how a token gets in; the newline belongs to the file."""
    there = Monitor(tmp_path / "there", token="js_ingest_1")
    client = a_client(there.url + "\r\n", token=" js_ingest_1\n")
    with jobsight.monitor("t", client=client):
        pass
    assert client.flush(SOON_S)
    there.stop()

    assert 2 == len(there.reports())


@pytest.mark.parametrize("token", ["js_ingest_secret\u2192", "js_ingest_secret\nX-More: 1", "js_ingest_secret\x00"])
def test_a_token_that_cannot_be_sent_is_named_and_not_shown(
    monitor: Monitor, a_client: MakeClient, said: Said, tmp_path: Path, token: str
) -> None:
    """Logs are read by many: the word about a wrong token says which setting, and holds nothing of the token."""
    client = a_client(monitor.url, token=token)
    with jobsight.monitor("t", client=client):
        pass

    assert client.close(SOON_S)
    assert ["JOBSIGHT_TOKEN" in text for text in said.troubles] == [True]
    assert "secret" not in said.troubles[0]
    assert 1 == len(spooled(tmp_path))


@pytest.mark.parametrize("heartbeat_s", [1e11, float("inf"), float("nan"), -5, None])
def test_a_strange_heartbeat_is_none_and_reports_go_on(
    monitor: Monitor, a_client: MakeClient, said: Said, heartbeat_s: Any
) -> None:
    """A time that no wait takes ends no thread, and one in the past floods nobody."""
    client = a_client(monitor.url)
    with jobsight.monitor("t", client=client, heartbeat_s=heartbeat_s):
        assert client.flush(float("inf"))
        first = client.sender._thread
    assert client.flush(SOON_S)

    assert first is client.sender._thread
    assert ["update_status", "job_completed"] == [body["type"] for body in monitor.reports()]
    assert [] == said.troubles


def test_a_server_called_off_gets_and_keeps_nothing(a_client: MakeClient, tmp_path: Path) -> None:
    """Tests of a watched program switch the client off."""
    client = a_client("off")
    with jobsight.monitor("t", client=client):
        pass

    assert client.close()
    assert [] == spooled(tmp_path)


def test_misuse_is_logged_and_not_raised(monitor: Monitor, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nonsense handed to the client is a line in the log, never an exception in the job."""
    client = jobsight.Client(monitor.url, spool=tmp_path / "spool")
    with caplog.at_level(logging.WARNING, "jobsight"), jobsight.monitor("t", client=client, labels=7) as job:  # type: ignore[arg-type]
        job.progress("many")  # type: ignore[arg-type]
        job.progress(float("nan"))
        job.measure(rows="many")  # type: ignore[arg-type]
        job.message(None)  # type: ignore[arg-type]
    assert client.flush(SOON_S)
    client.close()

    assert "a fault in the client itself" in caplog.text
    assert "update_status" == monitor.reports()[0]["type"]


@pytest.mark.parametrize(
    ("given", "attempt", "max_retries"),
    [
        ({"retries": "2", "max_retries": "3"}, 3, 3),
        ({"retries": -1, "max_retries": -1}, 1, 0),
        ({"retries": 10**20, "max_retries": True}, 2**53 - 1, 1),
        ({"retries": "many", "max_retries": 3.0}, None, 3),
        ({"retries": 1, "max_retries": float("inf")}, 2, None),
        ({"heartbeat_s": "often", "labels": 7, "retries": 1}, 2, None),
        ({"heartbeat_s": None}, None, None),
    ],
)
def test_a_wrong_setting_does_not_hide_the_job(
    monitor: Monitor, a_client: MakeClient, given: dict[str, Any], attempt: int | None, max_retries: int | None
) -> None:
    """Tries read from an environment variable, or counted down below 0: the job's failure is reported all the same."""
    client = a_client(monitor.url)
    with pytest.raises(KeyError), jobsight.monitor("t", client=client, **given):
        raise KeyError("x")
    assert client.flush(SOON_S)
    bodies = monitor.reports()

    assert ["update_status", "job_failed"] == [body["type"] for body in bodies]
    assert [(attempt, max_retries)] * 2 == [(body.get("attempt"), body.get("max_retries")) for body in bodies]


def test_reports_under_a_clock_that_was_never_set_are_taken(monitor: Monitor, a_client: MakeClient, said: Said) -> None:
    """A small machine starts in 1970 until it hears of the time: its reports come without one, instead of being refused."""
    client = a_client(monitor.url)
    client.report("update_status", "j1", status="running", at=12_345)
    client.report("job_failed", "j1", error="x", at=100_000_000_000)
    assert client.flush(SOON_S)

    assert [] == said.troubles
    assert [None, 100_000_000_000] == [body.get("at") for body in monitor.reports()]


def test_a_decorator_without_its_task_is_said_where_it_is_written() -> None:
    """Else the first call of the function would fail, in the middle of the night."""
    with pytest.raises(TypeError, match=r'expected the name of a task: @jobsight.monitor\("nightly-backup"\)'):

        @jobsight.monitor  # type: ignore[arg-type]  # the mistake
        def backup() -> None: ...


def test_the_end_of_a_job_is_told_once(monitor: Monitor, a_client: MakeClient) -> None:
    """Whatever is called after the end says nothing any more."""
    client = a_client(monitor.url)
    job = client.job("t", job_id="j1")
    job.start()
    job.complete()
    job.fail("late")
    job.progress(5)
    job.cancel("later")
    assert client.flush(SOON_S)

    assert ["update_status", "job_completed"] == [body["type"] for body in monitor.reports()]
