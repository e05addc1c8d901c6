"""`jobsight config`: look at the settings before anything runs on them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from jobsight.cli.output import plain
from jobsight.cli.settings_options import config_option, load_settings, service_options
from jobsight.config.show import lines_of


@click.group("config", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Check and show the settings."""


@command.command("validate")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
def validate(file: Path | None) -> int:
    """Check the configuration FILE (that of the service by default) and the environment; 78 when anything is wrong."""
    load_settings(file, {})
    sys.stdout.write("all settings are good\n")
    return 0


@command.command("show")
@click.option("--origin", is_flag=True, help="Say for each value where it was set.")
@click.option("--data", metavar="DIR", help="As for `serve`.")
@config_option
@service_options
def show(origin: bool, config: Path | None, **flags: Any) -> int:
    """Print every setting that holds, without secrets."""
    for line in lines_of(load_settings(config, flags), has_origin=origin):
        sys.stdout.write(plain(line) + "\n")
    return 0
