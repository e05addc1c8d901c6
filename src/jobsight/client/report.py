"""`jobsight report`: one report, for shell scripts."""

from __future__ import annotations

import time

from jobsight.client import limits, reports
from jobsight.client.answers import Trouble, Verdict
from jobsight.client.options import EXIT_USAGE, FLAG, MANY, VALUE, UsageError, Words, read_words
from jobsight.client.reports import Line, line_of
from jobsight.client.settings import Settings
from jobsight.client.spool import Spool
from jobsight.client.voice import STDERR, STDOUT, keep_standard_files, put_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final

    from jobsight.client.wire import Wire

EXIT_REFUSED: Final = 1
EXIT_AWAY: Final = 69
EXIT_LOST: Final = 74

OPTIONS: Final = {
    "--progress": VALUE,
    "--task": VALUE,
    "--queue": VALUE,
    "--label": MANY,
    "--duration": VALUE,
    "--error": VALUE,
    "--message": VALUE,
    "--retries": VALUE,
    "--max-retries": VALUE,
    "--server": VALUE,
    "--token": VALUE,
    "--strict": FLAG,
    "--help": FLAG,
    "-h": FLAG,
}

HELP: Final = """\
Usage: jobsight report [OPTIONS] JOB STATUS

  Report where a job stands: queued, running, completed, failed, cancelled, or
  any other short word. Prints the monitor's reply; while the monitor is away,
  the report waits on disk and goes out with the next one.

Options:
  --progress N       How far the job is, 0 to 100.
  --task NAME        What the job does; jobs are grouped by it.
  --queue NAME       The queue from which the job came.
  --label KEY=VALUE  May be given up to 16 times.
  --duration TIME    How long it took (12.5s, 5m, 2h); with `completed`.
  --error TEXT       Why it failed; with `failed`.
  --message TEXT     What an operator should know.
  --retries N        Tries of this job before this one.
  --max-retries N    Tries that may follow the first; while some are left, a
                     failure is recorded and alerts nobody.
  --server URL       The monitor.  [JOBSIGHT_SERVER, http://127.0.0.1:8787]
  --token TOKEN      Its access token. JOBSIGHT_TOKEN keeps it out of `ps`.
  --strict           Exit with 69 when the report has to wait.
  -h, --help         Show this and exit.

Exit codes: 0 stored, or kept for later; 1 refused; 2 usage; 69 kept for later
(with --strict); 74 neither stored nor kept.
"""


def main(argv: Sequence[str]) -> int:
    """Send one report; returns the exit code."""
    keep_standard_files()
    try:
        words = read_words(argv, OPTIONS, is_mixed=True)
        if not words.flags.isdisjoint({"-h", "--help"}):
            put_out(STDOUT, HELP)
            return 0
        body = body_of(words)
        settings = Settings(server=words.server(), token=words.values.get("--token"), answer_s=limits.FLUSH_S)
    except UsageError as error:
        put_out(STDERR, f"jobsight report: {error}\n")
        return EXIT_USAGE
    if settings.is_off:
        return 0
    status = words.rest[1]
    meant = _ENDS.get(status.lower())
    if meant is not None and meant != status:
        put_out(
            STDERR,
            f"jobsight report: {status!r} is taken as a word of your own, which ends no job; for an end say {meant}\n",
        )
    return _send(settings, line_of(reports.source_name(), 1, body), is_strict="--strict" in words.flags)


def body_of(words: Words) -> dict[str, Any]:
    """The report that a command line asks for. Raises UsageError."""
    if len(words.rest) != 2 or not all(words.rest):
        raise UsageError(f"expected JOB and STATUS, got {len(words.rest)} words; see --help")
    job_id, status = words.rest
    body: dict[str, Any] = {"type": _TYPES.get(status, "update_status"), "job_id": reports.clean_job_id(job_id)}
    _only_with(words, "--duration", status, "completed")
    _only_with(words, "--error", status, "failed")
    body.update(_own_fields(words, status))
    values = {
        "task": reports.clean_name(words.values.get("--task")),
        "queue": reports.clean_name(words.values.get("--queue")),
        "labels": reports.clean_labels(words.labels("--label")),
        "message": words.values.get("--message"),
        "max_retries": words.whole("--max-retries"),
        "host": reports.host_name(),
        "at": reports.clock_ms(),
    }
    body.update((name, value) for name, value in values.items() if value is not None)
    if "message" in body:
        body["message"] = reports.clean_message(body["message"])
    return body


_ENDS: Final = {
    **dict.fromkeys(
        ("completed", "complete", "done", "success", "succeeded", "successful", "finished", "ok"), "completed"
    ),
    **dict.fromkeys(("failed", "fail", "failure", "error", "errored"), "failed"),
    **dict.fromkeys(("cancelled", "cancel", "canceled", "aborted"), "cancelled"),
}
"""Words for an end, and how the monitor calls it. Others than its own are statuses like any other, as in a pipeline's steps."""

_TYPES: Final = {"completed": "job_completed", "failed": "job_failed", "cancelled": "job_cancelled"}


def _own_fields(words: Words, status: str) -> dict[str, Any]:
    """The fields that belong to the type of the report."""
    progress, duration_s, retries = words.percent("--progress"), words.seconds("--duration"), words.whole("--retries")
    fields: dict[str, Any] = {} if retries is None else {"attempt": retries + 1}
    if status == "completed" and duration_s is not None:
        fields["duration_ms"] = round(duration_s * 1000, 3)
    elif status == "failed":
        fields["error"] = reports.clean_message(words.values.get("--error", "unknown error"))
        if retries is not None:
            fields["retries"] = retries
    elif status not in _TYPES:
        if len(status) > limits.STATUS_CHARACTERS_MAX:
            raise UsageError(f"STATUS: expected at most {limits.STATUS_CHARACTERS_MAX} characters")
        fields["status"] = reports.clean_text(status)
        if progress is not None:
            fields["progress"] = progress
    return fields


def _only_with(words: Words, option: str, status: str, wanted: str) -> None:
    if option in words.values and status != wanted:
        raise UsageError(f"{option} goes with {wanted}, not with {status}")


def _send(settings: Settings, line: Line, *, is_strict: bool) -> int:
    """Behind everything that waits: so the order of a script's reports holds."""
    from jobsight.client.wire import Wire

    spool = Spool(settings.spool, settings.spool_bytes_max)
    wire = Wire(settings)
    why = "" if spool.is_empty() else _empty(spool, wire)
    if not why:
        posted = wire.post([line.raw])
        if posted.answers and posted.answers[0].verdict is Verdict.STORED:
            put_out(STDOUT, posted.answers[0].text + "\n")
            return 0
        if posted.answers and posted.answers[0].verdict is Verdict.REFUSED:
            put_out(STDERR, f"jobsight report: refused: {posted.answers[0].text}\n")
            return EXIT_REFUSED
        if posted.failure is not None and posted.failure.trouble is Trouble.UNACCEPTABLE:
            put_out(STDERR, f"jobsight report: refused: {posted.failure.text}\n")
            return EXIT_REFUSED
        why = posted.failure.text if posted.failure is not None else posted.answers[0].text
    _, error = spool.append([line])
    if error is not None:
        put_out(STDERR, f"jobsight report: not sent ({why}), and not kept ({error}): lost\n")
        return EXIT_LOST
    put_out(STDERR, f"jobsight report: {why}\n")
    put_out(STDOUT, f"kept for later in {settings.spool}\n")
    return EXIT_AWAY if is_strict else 0


def _empty(spool: Spool, wire: Wire) -> str:
    """Send what waits, for a short time; why something is left, or nothing."""
    until = time.monotonic() + limits.FLUSH_S
    outlet = spool.outlet()
    if outlet is None:
        return "another process is sending what waits"
    lines_max = limits.BATCH_LINES_MAX
    with outlet:
        while time.monotonic() < until:
            batch = outlet.next(lines_max)
            if batch is None:
                return ""
            posted = wire.post([one.raw for one in batch.lines])
            done = 0
            for answer in posted.answers:
                if answer.verdict is Verdict.AGAIN:
                    outlet.sent(batch, done)
                    return answer.text
                if answer.verdict is Verdict.REFUSED:
                    put_out(STDERR, f"jobsight report: one that waited was refused: {answer.text}\n")
                done += 1
            outlet.sent(batch, done)
            if posted.failure is None:
                continue
            if posted.failure.trouble is not Trouble.UNACCEPTABLE:
                return posted.failure.text
            if len(batch.lines) > 1:
                lines_max = len(batch.lines) // 2
            else:
                put_out(STDERR, f"jobsight report: one that waited was refused: {posted.failure.text}\n")
                outlet.sent(batch, 1)
    return "more waits than can be sent now"
