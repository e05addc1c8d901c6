"""`jobsight config`: look at the settings before anything runs on them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from jobsight.cli.commands import complain
from jobsight.cli.desk import API, changing
from jobsight.cli.options import data_option, json_option
from jobsight.cli.output import plain, print_json
from jobsight.cli.remote import server_options
from jobsight.cli.settings_options import config_option, load_settings, service_options
from jobsight.config.load import declared_tables
from jobsight.config.show import lines_of


@click.group("config", context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Check and show the settings, and apply what a file declares."""


@command.command("validate")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
def validate(file: Path | None) -> int:
    """
    Check the configuration FILE (that of the service by default) and the environment; 78 when anything is wrong. A variable
    to which a channel refers may be missing here: it is named, and the rest of the channel is checked.
    """
    load_settings(file, {}, passes_over=complain)
    sys.stdout.write("all settings are good\n")
    return 0


@command.command("show")
@click.option("--origin", is_flag=True, help="Say for each value where it was set.")
@click.option("--data", metavar="DIR", help="As for `serve`.")
@config_option
@service_options
def show(origin: bool, config: Path | None, **flags: Any) -> int:
    """Print every setting that holds, without secrets."""
    for line in lines_of(load_settings(config, flags, passes_over=lambda _: None), has_origin=origin):
        sys.stdout.write(plain(line) + "\n")
    return 0


_SIGNS = {"add": "+", "change": "~", "remove": "-"}


@command.command("apply")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@data_option
@server_options
@json_option
def apply(file: Path, dry_run: bool, data: Path, server: str | None, token: str | None, as_json: bool) -> int:
    """
    Make the checks, routes and maintenance windows as FILE declares them, without a restart; what it declared before and
    declares no more is removed. Its settings and channels are read at a start.
    """
    tables = declared_tables(file)
    with changing(data, server, token, is_new=True) as desk:
        answer = desk.call("PUT", f"{API}config{'?dry_run=1' if dry_run else ''}", tables)
    if as_json:
        print_json(answer)
        return 0
    for step in answer["steps"]:
        name = "" if step["kind"] == step["name"] else f" {step['name']}"
        sys.stdout.write(plain(f"{_SIGNS[step['verb']]} {step['kind']}{name}") + "\n")
        sys.stdout.writelines(plain(f"    {line}") + "\n" for line in step["lines"])
    count = len(answer["steps"])
    changes = "1 change" if count == 1 else f"{count} changes"
    verdict = (
        "all is as it is declared" if not count else f"{changes} made" if answer["is_done"] else f"{changes} to make"
    )
    sys.stdout.write(verdict + "\n")
    return 0
