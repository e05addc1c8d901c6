"""Where a reader can go from a notification: pages of the dashboard, and the signed link that acknowledges."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from jobsight.core.outbox import Delivery, NoticeKind
from jobsight.core.signed_links import KEY_BYTES, LINK_MS, LinkClaim, signed
from jobsight.errors import DataError
from jobsight.logs.files import PRIVATE_FOLDER, write_whole
from jobsight.logs.folder import SECRETS
from jobsight.logs.system_errors import system_in_our_words
from jobsight.notifiers.base import Links

KEY_NAME: Final = "links.key"
SILENCE_FIELD: Final = "silence-for"
"""The field of an alert's page in which somebody says for how long to silence it."""


def link_key(data: Path) -> bytes:
    """
    The key with which links of a data folder are signed; made when it is missing, which ends all links made before.

    Raises:
        DataError: The file holds something else.
        NoPermissionError, StorageFullError, StorageError: It can be neither read nor made.
    """
    path = data / SECRETS / KEY_NAME
    with system_in_our_words(path, "the key of signed links was made"):
        path.parent.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        if not path.exists():
            write_whole(path, secrets.token_bytes(KEY_BYTES))
        key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise DataError(
            f"{path} holds {len(key)} bytes, expected {KEY_BYTES}: delete it, and a new one is made (links sent before end)"
        )
    return key


def links_under(public_url: str | None, key: bytes | None) -> Callable[[Delivery], Links]:
    """The links of each delivery; none where nobody has said under which URL the monitor is reached."""
    if public_url is None or key is None:
        return lambda _: Links()
    return lambda delivery: _links(public_url, key, delivery)


def _links(base: str, key: bytes, delivery: Delivery) -> Links:
    notice = delivery.notice
    if delivery.alert_id is None:
        return Links(open=f"{base}/alerts", task=_under(base, "tasks", notice.task))
    claim = LinkClaim(alert_id=delivery.alert_id, channel=delivery.channel, expires_ms=delivery.created_ms + LINK_MS)
    page = f"{base}/alerts/{quote(delivery.alert_id, safe='')}"
    return Links(
        open=page,
        acknowledge=f"{base}/ack/{signed(key, claim)}",
        silence=None if delivery.kind is NoticeKind.RESOLVE else f"{page}#{SILENCE_FIELD}",
        task=_under(base, "tasks", notice.task),
        job=_under(base, "jobs", notice.job_id),
    )


def _under(base: str, kind: str, name: str | None) -> str | None:
    return None if name is None else f"{base}/{kind}/{quote(name, safe='')}"
