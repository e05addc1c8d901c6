"""`jobsight serve`: the monitor as a service."""

from __future__ import annotations

from pathlib import Path

import click

from jobsight.app import run_service
from jobsight.cli.commands import complain
from jobsight.config.settings import Address, DataSettings, ServerSettings, Settings


@click.command("serve")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False))
@click.option("--listen", default="127.0.0.1:8787")
def command(data: Path | None, listen: str) -> int:
    """Serve HTTP until a signal comes."""
    host, _, port = listen.rpartition(":")
    run_service(
        Settings(server=ServerSettings(listen=Address(host, int(port))), data=DataSettings(dir=data)),
        complain,
    )
    return 0
