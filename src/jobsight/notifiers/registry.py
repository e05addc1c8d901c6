"""Every kind of channel on one line, and the way from a URL or a table of the configuration to a channel."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, Final

from msgspec import Struct

from jobsight.core.routing import notify_names
from jobsight.errors import ConfigError, UnsetReferenceError
from jobsight.notifiers import alertmanager, apprise, command, ntfy, pagerduty, slack, smtp, webhook
from jobsight.notifiers.base import Making, Notifier
from jobsight.notifiers.references import holds_reference, resolve, resolve_all
from jobsight.notifiers.settings import ChannelSettings, settings_from


class Kind(Struct, frozen=True):
    """
    One kind of channel.

    Attributes:
        settings: What can be set.
        make: From settings and `Making` to the channel; raises ConfigError.
        schemes: URLs that begin so are of this kind; `slack+https` is read as `https`.
        from_url: Such a URL as a table of settings.
        is_for_ui: May be made in the UI; the others reach into this host and stay in the configuration file.
        has_url: Can be written as one URL; all but `command`.
    """

    settings: type[ChannelSettings]
    make: Callable[[Any, Making], Notifier]
    schemes: tuple[str, ...] = ()
    from_url: Callable[[str], dict[str, Any]] = webhook.settings_from_url
    is_for_ui: bool = False
    has_url: bool = True


# fmt: off
KINDS: Final[Mapping[str, Kind]] = {
    "webhook":      Kind(webhook.WebhookSettings, webhook.make, ("https", "http"), is_for_ui=True),
    "smtp":         Kind(smtp.SmtpSettings, smtp.Smtp, ("mailto", "smtp", "smtps"), smtp.settings_from_url),
    "slack":        Kind(slack.SlackSettings, slack.make, is_for_ui=True),
    "pagerduty":    Kind(pagerduty.PagerDutySettings, pagerduty.make, ("pagerduty",), pagerduty.settings_from_url, is_for_ui=True),
    "alertmanager": Kind(alertmanager.AlertmanagerSettings, alertmanager.make, is_for_ui=True),
    "ntfy":         Kind(ntfy.NtfySettings, ntfy.make, ("ntfy",), ntfy.settings_from_url, is_for_ui=True),
    "command":      Kind(command.CommandSettings, command.Command, has_url=False),
    "apprise":      Kind(apprise.AppriseSettings, apprise.Apprise),
}
# fmt: on

SLACK_URL: Final = "https://hooks.slack.com/"
"""Pasted as it is, this would be taken for a webhook."""


def channels_from(
    tables: Mapping[str, Mapping[str, Any]],
    urls: Sequence[str],
    mail_server: Mapping[str, Any],
    environment: Mapping[str, str],
    host: str,
) -> dict[str, Notifier]:
    """
    The channels of a configuration, by name; those of plain URLs are called by their place, `notify-1` first.

    Args:
        mail_server: What `mailto:` URLs use; empty for this host's.
        environment: The process's variables. `host`: the name under which this monitor speaks.

    Raises:
        ConfigError: As `channel_from_table`, of all channels at once.
    """
    channels: dict[str, Notifier] = {}
    faults = _make(channels, tables, urls, mail_server, environment, host)
    if faults:
        raise ConfigError("\n".join(map(str, faults)))
    return channels


def channel_faults(
    tables: Mapping[str, Mapping[str, Any]],
    urls: Sequence[str],
    mail_server: Mapping[str, Any],
    environment: Mapping[str, str],
) -> list[ConfigError]:
    """
    Everything for which `channels_from` would refuse these channels.

    A channel that refers to a variable which is not set is looked at as it is written, beside that fault.
    """
    return _make({}, tables, urls, mail_server, environment, "localhost")


def _make(
    into: dict[str, Notifier],
    tables: Mapping[str, Mapping[str, Any]],
    urls: Sequence[str],
    mail_server: Mapping[str, Any],
    environment: Mapping[str, str],
    host: str,
) -> list[ConfigError]:
    """Make channels as far as they can be made; what is wrong with the others."""
    faults: list[ConfigError] = []

    def making(name: str) -> Making:
        return Making(name=name, environment=environment, source=f"jobsight@{host}")

    for name, table in tables.items():
        try:
            into[name] = channel_from_table(table, making(name))
        except UnsetReferenceError as unset:
            faults.append(unset)
            kind = KINDS[table["type"]]
            with _noting(faults):
                settings_from(kind.settings, _settings_in(table), where=f"channels.{name}")
        except ConfigError as error:
            faults.append(error)
    of_server = mail_server_faults(mail_server, environment, is_used=any(url.startswith("mailto:") for url in urls))
    server = mail_server if mail_server and not of_server else None
    for name, url in zip(notify_names(len(urls)), urls, strict=True):
        with _noting(faults):
            into[name] = channel_from_url(url, making(name), mail_server=server)
    return [*of_server, *faults]


def mail_server_faults(table: Mapping[str, Any], environment: Mapping[str, str], *, is_used: bool) -> list[ConfigError]:
    """
    What is wrong with the mail server that all `mailto:` URLs share: of every setting, also where one refers to a variable.

    Args:
        is_used: There is such a URL, so that what the settings refer to has to be there.
    """
    faults: list[ConfigError] = []
    for key, value in table.items():
        where = f"smtp.{key}"
        if key not in smtp.SERVER_KEYS:
            near = get_close_matches(key, smtp.SERVER_KEYS, n=1)
            hint = f"; did you mean smtp.{near[0]}?" if near else ""
            faults.append(ConfigError(f"{where}: there is no such setting{hint}"))
            continue
        if holds_reference(value):
            with _noting(faults if is_used else []):
                resolve_all(value, where=where, environment=environment)
            continue
        with _noting(faults):
            smtp.check_server_setting(key, value, where=where)
    return faults


@contextmanager
def _noting(faults: list[ConfigError]) -> Iterator[None]:
    """Go on behind a fault, and note it."""
    try:
        yield
    except ConfigError as error:
        faults.append(error)


def _settings_in(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key != "type"}


def channel_from_table(table: Mapping[str, Any], making: Making) -> Notifier:
    """
    A channel from its table in the configuration, `type` and the settings of that type.

    Raises:
        ConfigError: The type is not known, a setting does not fit, or a reference leads nowhere. Shows no secret.
    """
    where = f"channels.{making.name}"
    name = table.get("type")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        near = get_close_matches(str(name), KINDS, n=1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        told = "missing" if name is None else repr(str(name)[:80])
        raise ConfigError(f"{where}.type is {told}; known types: {', '.join(KINDS)}{hint}")
    rest = _settings_in(table)
    if making.is_guarded:
        _refuse_what_reads_this_host(str(name), kind, rest, where=where)
    else:
        rest = resolve_all(rest, where=where, environment=making.environment)
    return kind.make(settings_from(kind.settings, rest, where=where), making)


def channel_from_url(url: str, making: Making, *, mail_server: Mapping[str, Any] | None = None) -> Notifier:
    """
    A channel from one URL: `https://...`, `mailto:ana@example.org`, `ntfy://ntfy.sh/topic`, or any that Apprise knows.

    A type before a plus takes the rest as its URL: `slack+https://...`, `alertmanager+http://...`, `apprise+mailto://...`.

    Args:
        mail_server: Settings of the mail server that `mailto:` uses; this host's port 25 without.

    Raises:
        ConfigError: As `channel_from_table`.
    """
    where = f"channels.{making.name}"
    text = url if making.is_guarded else resolve(url, where=where, environment=making.environment)
    name, plain = _kind_of(text)
    try:
        table = KINDS[name].from_url(plain)
    except ValueError:
        raise ConfigError(
            f"{where} has a URL that cannot be read; the form for each channel: docs/reference/channels.md"
        ) from None
    if plain.startswith("mailto:") and mail_server is not None:
        known = {key: value for key, value in mail_server.items() if key in smtp.SERVER_KEYS}
        table = {**resolve_all(known, where="smtp", environment=making.environment), **table}
    if making.is_guarded:
        return channel_from_table({"type": name, **table}, making)
    # Its references are resolved already: what they led to is taken as it is.
    kind = KINDS[name]
    return kind.make(settings_from(kind.settings, table, where=where), making)


def kind_of_url(url: str) -> str:
    """The kind of channel that reads a URL."""
    return _kind_of(url)[0]


def _kind_of(url: str) -> tuple[str, str]:
    """The kind that reads a URL, and the URL as that kind wants it."""
    scheme = url.partition(":")[0].lower()
    prefix, plus, inner = scheme.partition("+")
    if plus and prefix in KINDS and KINDS[prefix].has_url:
        return prefix, inner + url[len(scheme) :]
    if url.startswith(SLACK_URL):
        return "slack", url
    return next((name for name, kind in KINDS.items() if scheme in kind.schemes), "apprise"), url


def _refuse_what_reads_this_host(name: str, kind: Kind, table: Mapping[str, Any], *, where: str) -> None:
    if not kind.is_for_ui:
        raise ConfigError(
            f"{where}: a channel of type '{name}' cannot be made in the UI: put it into the configuration file"
        )
    if holds_reference(table):
        raise ConfigError(f"{where}: references to variables and files are for the configuration file only")
