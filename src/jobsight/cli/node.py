"""`jobsight node`: the monitor on stdin and stdout."""

from __future__ import annotations

from pathlib import Path

import click

from jobsight.app import run_node
from jobsight.cli.commands import complain
from jobsight.core.limits import MEASURE_MAX
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
@click.option("--init-new", is_flag=True, help="Start over where the log is gone; what is there is moved aside.")
@click.option("--accept-loss", is_flag=True, help="Go on where the log is damaged, without what can no longer be read.")
def command(data: Path | None, replies: str, max_retries: int | None, init_new: bool, accept_loss: bool) -> int:
    """Read JSON messages, one a line, and answer each on stdout."""
    run_node(
        data=data,
        form=ReplyForm(replies),
        retries_max=max_retries,
        complain=complain,
        init_new=init_new,
        accept_loss=accept_loss,
    )
    return 0
