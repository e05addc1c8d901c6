"""`jobsight restore`: a data folder from a backup."""

from __future__ import annotations

import tarfile
import tempfile
from pathlib import Path

import click

from jobsight.cli.options import data_option
from jobsight.core.counted import counted
from jobsight.errors import DataError


@click.command("restore")
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@data_option
def command(source: Path, data: Path) -> int:
    """Verify the backup SOURCE, and put it back as the data folder, which must not be there yet or be empty."""
    from jobsight.logs.backup import restore

    if source.is_dir():
        last = restore(source, data)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            try:
                with tarfile.open(source) as archive:
                    archive.extractall(scratch, filter="data")
            except (tarfile.TarError, OSError) as error:
                raise DataError(f"{source} is no archive that can be read ({error})") from error
            last = restore(Path(scratch) / "jobsight", data)
    click.echo(f"{data} holds {counted(last, 'batch', 'batches')} again; the view is made anew when the service starts")
    return 0
