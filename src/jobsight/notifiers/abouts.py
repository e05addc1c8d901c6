"""What channels there are, in words that anybody may read: kind and target of each, without secrets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct

from jobsight.core.masking import mask
from jobsight.core.routing import notify_names
from jobsight.notifiers.registry import kind_of_url


class About(Struct, frozen=True, kw_only=True):
    """What kind a channel is, and where it leads."""

    type: str
    target: str


def abouts_from(tables: Mapping[str, Mapping[str, Any]], urls: Sequence[str]) -> dict[str, About]:
    """The channels of a configuration by name, as `channels_from` calls them; of its secrets nothing can be read."""
    found = {name: About(type=str(table.get("type")), target=_target(table)) for name, table in tables.items()}
    for name, url in zip(notify_names(len(urls)), urls, strict=True):
        found[name] = About(type=kind_of_url(url), target=_masked(url))
    return found


def _target(table: Mapping[str, Any]) -> str:
    match table:
        case {"to": [*addresses]}:
            return ", ".join(map(str, addresses))
        case {"to": str(address)}:
            return address
        case {"command": [str(program), *_]}:
            return program
        case {"url": str(url)}:
            return _masked(url)
        case {"type": "pagerduty"}:
            return "events.pagerduty.com"
        case _:
            return ""


def _masked(url: str) -> str:
    """A URL of which the scheme and the host stay; of a mail address all of it, for that is no secret."""
    scheme, _, rest = url.partition(":")
    if scheme.lower() == "mailto":
        return f"mailto:{rest.partition('?')[0]}"
    if scheme.lower() == "pagerduty":
        return "events.pagerduty.com"
    try:
        host = urlsplit(url).hostname
    except ValueError:
        host = None
    return mask(url) if host else f"{scheme}:***"
