"""`jobsight job ID`: one job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from jobsight.app.stores import read_log, read_view
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import duration, moment, plain, print_fields, print_json, print_table
from jobsight.cli.remote import chosen_server, get, job_path, server_options
from jobsight.cli.server import Server
from jobsight.engine.answers import history
from jobsight.errors import NotFoundError
from jobsight.view.answers import JobAnswer


@click.command("job")
@click.argument("job_id", metavar="ID")
@data_option
@click.option("--history", "has_history", is_flag=True, help="Also every event, as it came.")
@server_options
@json_option
def command(job_id: str, data: Path, has_history: bool, server: str | None, token: str | None, as_json: bool) -> None:
    """Show one job: where it stands, how it went, and with --history every event (exit code 66 where there is none)."""
    asked = chosen_server(server, token)
    if asked is not None:
        job, events = _asked(asked, job_id, has_history)
    else:
        with read_view(data) as view, read_log(data) as log:
            found = view.job(job_id)
            if found is None:
                raise NotFoundError(f"no job is called {plain(job_id)!r} in {data}")
            job, events = found, history(log, view.history_refs(job_id)) if has_history else []
    if as_json:
        fields: dict[str, Any] = msgspec.to_builtins(job)
        print_json({**fields, "history": events} if has_history else fields)
        return
    print_fields(_fields(job))
    if has_history:
        click.echo("")
        rows = [(f"{e['seq']}.{e['index']}", moment(e["accept_ms"]), bytes(e["message"]).decode()) for e in events]
        print_table(("PLACE", "ACCEPTED", "MESSAGE"), rows, empty="the log no longer holds its events")


def _asked(server: Server, job_id: str, has_history: bool) -> tuple[JobAnswer, list[dict[str, Any]]]:
    """A job and its latest events, from a service."""
    told = get(server, job_path(job_id), history=1 if has_history else None)
    events = [
        {**event, "message": msgspec.Raw(msgspec.json.encode(event["message"]))} for event in told.pop("history", [])
    ]
    return msgspec.convert(told, JobAnswer), events


def _fields(job: JobAnswer) -> list[tuple[str, str]]:
    """What is known of a job, a line each."""
    known = {
        "job": job.job_id,
        "status": job.status,
        "task": job.task,
        "queue": job.queue,
        "host": job.host,
        "progress": None if job.progress is None else f"{job.progress:g} %",
        "duration": None if job.duration_ms is None else duration(job.duration_ms),
        "retries": _of(job.retries, job.max_retries),
        "attempt": None if job.attempt is None else str(job.attempt),
        "error": job.error,
        "message": job.message,
        "resource usage": _pairs(job.resource_usage),
        "labels": _pairs(job.labels),
        "first heard of": moment(job.created_ms),
        "started": None if job.started_ms is None else moment(job.started_ms),
        "last heard of": moment(job.updated_ms),
        "ended": None if job.ended_ms is None else moment(job.ended_ms),
        "events": str(job.events),
    }
    return [(name, value) for name, value in known.items() if value is not None]


def _of(retries: int | None, limit: int | None) -> str | None:
    if retries is None:
        return None if limit is None else f"0 of {limit}"
    return str(retries) if limit is None else f"{retries} of {limit}"


def _pairs(values: dict[str, Any] | None) -> str | None:
    return None if not values else ", ".join(f"{name} {value}" for name, value in values.items())
