"""`jobsight backup`: a consistent copy of the data folder, also while a service works on it."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

import click

from jobsight.cli.options import data_option
from jobsight.cli.output import progress
from jobsight.core.counted import counted
from jobsight.errors import CannotCreateError

ARCHIVES = (".tar", ".tar.gz", ".tgz")


@click.command("backup")
@click.argument("target", type=click.Path(path_type=Path))
@data_option
@click.option(
    "--secrets", "has_secrets", is_flag=True, help="Also the folder's secrets: keep such a copy as safe as they are."
)
def command(target: Path, data: Path, has_secrets: bool) -> int:
    """Copy the data folder to TARGET, a new folder or a file (.tar, .tar.gz, .tgz), and verify the copy."""
    from jobsight.logs.backup import back_up

    if not target.name.endswith(ARCHIVES):
        with progress("copying") as bar:
            last = back_up(data, target, has_secrets=has_secrets, progress=bar)
    else:
        last = _to_archive(data, target, has_secrets)
    click.echo(f"{target} holds {counted(last, 'batch', 'batches')} of {data}, all of it sound")
    return 0


def _to_archive(data: Path, target: Path, has_secrets: bool) -> int:
    from jobsight.logs.backup import back_up

    if target.exists():
        raise CannotCreateError(f"{target} is there already; name a file that is not")
    with tempfile.TemporaryDirectory(dir=target.absolute().parent) as scratch, progress("copying") as bar:
        folder = Path(scratch) / "jobsight"
        last = back_up(data, folder, has_secrets=has_secrets, progress=bar)
        unfinished = Path(scratch) / "archive"
        with tarfile.open(unfinished, "w" if target.suffix == ".tar" else "w:gz") as archive:
            archive.add(folder, arcname="jobsight")
        unfinished.chmod(0o600)
        unfinished.rename(target)
    return last
