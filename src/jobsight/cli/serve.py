"""`jobsight serve`: the monitor as a service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from jobsight.app.service import run_service
from jobsight.cli.commands import complain
from jobsight.cli.options import default_data
from jobsight.cli.settings_options import config_option, load_settings, service_options


@click.command("serve")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder in which everything is kept.  [default: $JOBSIGHT_DATA, else the platform's data folder]",
)
@config_option
@service_options
def command(config: Path | None, **flags: Any) -> int:
    """Take reports over HTTP, and keep them, until a signal comes."""
    settings = load_settings(config, flags).settings
    run_service(settings, data=settings.data.dir or default_data(), say=complain)
    return 0
