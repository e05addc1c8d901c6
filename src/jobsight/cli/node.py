"""`jobsight node`: the monitor on stdin and stdout."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import click

from jobsight.app.node import run_node
from jobsight.cli.commands import complain
from jobsight.core.limits import MEASURE_MAX
from jobsight.engine.retention import KeepTimes
from jobsight.errors import UsageError
from jobsight.protocol.session import ReplyForm


@click.command("node")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder in which everything is kept; without it, everything is in memory and gone at the end.",
)
@click.option(
    "--replies",
    type=click.Choice([form.value for form in ReplyForm]),
    default=ReplyForm.AUTO.value,
    show_default=True,
    help="How envelopes are answered: by bare bodies until an enveloped `init` was seen (auto), or always one way.",
)
@click.option(
    "--max-retries",
    type=click.IntRange(0, MEASURE_MAX),
    help="Retry limit of jobs that tell none. Without any limit, `job_failed` means that the retries are over.",
)
@click.option("--listen", metavar="HOST:PORT", help="Serve HTTP there as well, until the input ends.")
@click.option("--keep-completed", metavar="TIME", default="30d", help="How long completed jobs are kept; 0 for ever.")
@click.option("--keep-failed", metavar="TIME", default="90d", help="How long jobs that ended otherwise are kept.")
@click.option("--keep-log", metavar="TIME", default="90d", help="How long events are kept in the log at least.")
@click.option("--init-new", is_flag=True, help="Start over where the log is gone; what is there is moved aside.")
@click.option("--accept-loss", is_flag=True, help="Go on where the log is damaged, without what can no longer be read.")
def command(
    data: Path | None,
    replies: str,
    max_retries: int | None,
    listen: str | None,
    keep_completed: str,
    keep_failed: str,
    keep_log: str,
    init_new: bool,
    accept_loss: bool,
) -> int:
    """Read JSON messages, one a line, and answer each on stdout."""
    if listen is not None:
        if init_new or accept_loss:
            raise UsageError("--listen: start without it once where --init-new or --accept-loss is wanted")
        keep = {"completed": keep_completed, "failed": keep_failed, "log": keep_log}
        _serve_too(listen, data, ReplyForm(replies), max_retries, keep)
        return 0
    run_node(
        data=data,
        form=ReplyForm(replies),
        retries_max=max_retries,
        kept=KeepTimes(
            completed_ms=_kept_ms("--keep-completed", keep_completed),
            other_ms=_kept_ms("--keep-failed", keep_failed),
            log_ms=_kept_ms("--keep-log", keep_log),
        ),
        complain=complain,
        init_new=init_new,
        accept_loss=accept_loss,
    )
    return 0


def _kept_ms(option: str, text: str) -> int:
    from jobsight.config.values import keep_ms

    try:
        return keep_ms(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error


def _serve_too(
    listen: str, data: Path | None, form: ReplyForm, max_retries: int | None, keep: Mapping[str, str]
) -> None:
    """HTTP and stdio in one process; without a data folder, in one that is gone at the end."""
    from tempfile import TemporaryDirectory

    from jobsight.app.service import run_service
    from jobsight.config.load import load

    flags: dict[str, object] = {"server.listen": listen, **{f"retention.{name}": text for name, text in keep.items()}}
    if max_retries is not None:
        flags["jobs.max_retries"] = max_retries
    settings = load(flags, {}, None).settings
    with ExitStack() as stack:
        folder = data or Path(stack.enter_context(TemporaryDirectory(prefix="jobsight-"))) / "data"
        run_service(settings, data=folder, say=complain, stdio=form)
