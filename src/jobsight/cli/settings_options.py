"""The options that are settings, and how a command gets its settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import click

from jobsight.config.load import Loaded, find_file, load
from jobsight.config.settings import Settings
from jobsight.errors import UnsetReferenceError

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option("--listen", metavar="HOST:PORT", help="Address and port of the service.  [default: 127.0.0.1:8787]"),
    click.option(
        "--notify", metavar="URL", multiple=True, help="A channel that is told of every alert; may be repeated."
    ),
    click.option("--tls-cert", metavar="FILE", help="PEM file of the certificate; the service speaks https."),
    click.option("--tls-key", metavar="FILE", help="PEM file of its key, without a password."),
    click.option(
        "--trusted-proxy",
        metavar="NETWORK",
        multiple=True,
        help="A proxy whose X-Forwarded-* are believed; may be repeated.",
    ),
    click.option(
        "--keep-completed", metavar="TIME", help="How long completed jobs are kept; 0 for ever.  [default: 30d]"
    ),
    click.option("--keep-failed", metavar="TIME", help="How long jobs that ended otherwise are kept.  [default: 90d]"),
    click.option("--keep-log", metavar="TIME", help="How long events are kept in the log at least.  [default: 90d]"),
    click.option("--insecure-no-auth", is_flag=True, default=None, help="Let everybody in who reaches the address."),
    click.option("--log-requests", is_flag=True, default=None, help="One line for each request on stderr."),
)
_PATHS = {
    "data": "data.dir",
    "listen": "server.listen",
    "notify": "notify",
    "tls_cert": "server.tls_cert",
    "tls_key": "server.tls_key",
    "trusted_proxy": "server.trusted_proxies",
    "insecure_no_auth": "server.insecure_no_auth",
    "log_requests": "server.log_requests",
    "max_retries": "jobs.max_retries",
    "keep_completed": "retention.completed",
    "keep_failed": "retention.failed",
    "keep_log": "retention.log",
}


def service_options(command: Command) -> Command:
    """The options of a command that serves."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def config_option(command: Command) -> Command:
    """`--config FILE`."""
    return click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="The configuration file.  [default: $JOBSIGHT_CONFIG, else jobsight.toml here, in the user's configuration "
        "folder, or in /etc/jobsight]",
    )(command)


def load_settings(
    config: Path | None, flags: dict[str, Any], *, passes_over: Callable[[str], None] | None = None
) -> Loaded:
    """
    The settings that hold for a command, its channels looked at too.

    Args:
        config: The file that `--config` names.
        flags: The command's other options, by their parameter names; None, and an empty list, were not given.
        passes_over: Told of a channel that refers to a variable which is not set here; by default that is a fault.

    Raises:
        ConfigError: See `config.load`.
    """
    named = {_PATHS[name]: _plain(value) for name, value in flags.items() if value is not None and value != ()}

    def faults(settings: Settings) -> Iterator[str]:
        if not (settings.channels or settings.notify or settings.smtp):
            return
        from jobsight.notifiers.registry import channel_faults

        for error in channel_faults(settings.channels, settings.notify, settings.smtp, os.environ):
            if passes_over is not None and isinstance(error, UnsetReferenceError):
                passes_over(str(error))
            else:
                yield str(error)

    return load(named, os.environ, find_file(config, os.environ, _folders()), faults)


def _folders() -> list[Path]:
    from platformdirs import user_config_path

    return [Path(), user_config_path("jobsight"), Path("/etc/jobsight")]


def _plain(value: Any) -> object:
    return str(value) if isinstance(value, Path) else value
