"""What can be set of every channel, and how a table of the configuration becomes such settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from jobsight.errors import ConfigError
from jobsight.notifiers.masking import Mask, Secret

SettingsT = TypeVar("SettingsT", bound="ChannelSettings")


class ChannelSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Of every channel.

    Attributes:
        title_template, text_template: Jinja templates in place of the built-in title and text.
    """

    title_template: str | None = None
    text_template: str | None = None


class HttpSettings(ChannelSettings, frozen=True, kw_only=True):
    """
    Of every channel that speaks HTTP.

    Attributes:
        ca_file: PEM file of further authorities whose certificates are believed.
        proxy: URL of a proxy; the environment's proxy variables are not read.
    """

    ca_file: str | None = None
    proxy: Secret | None = None


def settings_from(kind: type[SettingsT], table: Mapping[str, Any], *, where: str) -> SettingsT:
    """
    Checked settings from a table whose references are resolved.

    Raises:
        ConfigError: A key or a value does not fit; names the place, never shows a value that may be a secret.
    """
    try:
        return msgspec.convert(dict(table), kind, dec_hook=secret_of)
    except msgspec.ValidationError as error:
        known = ", ".join(name.encode_name for name in msgspec.structs.fields(kind))
        reason = Mask(map(Secret, texts_in(table))).hide(str(error))
        raise ConfigError(f"{where}: {reason}; settings of this channel: {known}") from None


def secrets_in(value: Any) -> list[Secret]:
    """Every secret that settings hold, at any depth."""
    match value:
        case Secret():
            return [value]
        case Struct():
            return [secret for name in value.__struct_fields__ for secret in secrets_in(getattr(value, name))]
        case Mapping():
            return [secret for item in value.values() for secret in secrets_in(item)]
        case list() | tuple():
            return [secret for item in value for secret in secrets_in(item)]
        case _:
            return []


def texts_in(value: Any) -> list[str]:
    """Every text in a table, at any depth: before it is checked, each of them may be a secret."""
    match value:
        case str():
            return [value]
        case Mapping():
            return [text for item in value.values() for text in texts_in(item)]
        case list() | tuple():
            return [text for item in value for text in texts_in(item)]
        case _:
            return []


def secret_of(kind: type[Any], value: Any) -> Any:
    """A hook of msgspec: a secret from its text."""
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise TypeError(f"Expected `str`, got `{type(value).__name__}`")
