"""The one way out over HTTP: bounded in time and size, no redirects, certificates checked, answers judged."""

from __future__ import annotations

import asyncio
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Final

import certifi
import httpx
from msgspec import Struct

from jobsight.errors import ConfigError, DeliveryError
from jobsight.notifiers.addresses import Resolver, checked_addresses, system_addresses
from jobsight.notifiers.harmless import one_line
from jobsight.notifiers.limits import ANSWER_CHARACTERS_SHOWN, RETRY_AFTER_MS_MAX, SendLimits
from jobsight.notifiers.masking import Mask, Secret

USER_AGENT: Final = "jobsight"

TRY_AGAIN: Final = frozenset({408, 425, 429})
"""Beside 5xx. Source: RFC 9110 and RFC 8470; every other 4xx says that the request itself is wrong."""

UNKNOWN_HOST: Final = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class Post(Struct, frozen=True, kw_only=True):
    """One request to be sent."""

    url: Secret
    body: bytes
    headers: Mapping[str, Secret | str]
    method: str = "POST"


class Answer(Struct, frozen=True, kw_only=True):
    """A 2xx answer; its body is cut at the limit."""

    status: int
    body: bytes


class HttpClient:
    """
    Sends single requests. Every connection is made anew, so none is stale when an alert comes after a quiet week.

    Args:
        mask: Takes the channel's secrets out of every reason.
        is_guarded: https to public addresses only, connected to exactly the addresses that were checked.
        resolver: Looks hosts up for a guarded client.

    Raises:
        ConfigError: The proxy or the file of authorities cannot be used.
    """

    def __init__(
        self,
        *,
        mask: Mask,
        limits: SendLimits,
        ca_file: str | None = None,
        proxy: Secret | None = None,
        is_guarded: bool = False,
        resolver: Resolver = system_addresses,
    ) -> None:
        if is_guarded and (ca_file or proxy):
            raise ConfigError(
                "a channel made in the UI takes neither ca_file nor proxy: put it into the configuration file"
            )
        self._mask = mask
        self._limits = limits
        self._is_guarded = is_guarded
        self._resolver = resolver
        try:
            self._transport = httpx.AsyncHTTPTransport(
                verify=tls_context(ca_file),
                trust_env=False,
                proxy=proxy.reveal() if proxy else None,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            )
        except (ValueError, httpx.InvalidURL, ImportError) as error:
            raise ConfigError(f"the proxy cannot be used: {mask.hide(str(error))}") from None

    async def send(self, post: Post, *, now_ms: int) -> Answer:
        """
        One request and its answer, within the limits.

        Raises:
            DeliveryError: Anything but a 2xx answer.
        """
        started = _Started()
        try:
            async with asyncio.timeout(self._limits.send_ms / 1000):
                return await self._exchange(post, started, now_ms=now_ms)
        except TimeoutError:
            if started.success is not None:
                return Answer(status=started.success, body=b"")
            raise DeliveryError(f"no answer within {self._limits.send_ms} ms", retry_after_ms=0) from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ssl.SSLError) as error:
            raise self._no_answer(error) from None

    async def close(self) -> None:
        """Close what is still open."""
        await self._transport.aclose()

    async def _exchange(self, post: Post, started: _Started, *, now_ms: int) -> Answer:
        response = await self._respond(post)
        try:
            if response.is_success:
                # The status is the yes: a body that never comes does not take it back.
                started.success = response.status_code
            try:
                body = await self._body(response)
            except httpx.HTTPError:
                body = b""
            return self._judged(response, body, now_ms=now_ms)
        finally:
            await response.aclose()

    async def _respond(self, post: Post) -> httpx.Response:
        url = httpx.URL(post.url.reveal())
        headers = {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in {"User-Agent": USER_AGENT, "Accept": "*/*", **post.headers}.items()
        }
        if url.username or url.password:
            headers["Authorization"] = basic(url.username, url.password)
        timeout = httpx.Timeout(
            connect=self._limits.connect_ms / 1000,
            read=self._limits.read_ms / 1000,
            write=self._limits.read_ms / 1000,
            pool=None,
        )
        extensions: dict[str, object] = {"timeout": timeout.as_dict()}
        if not self._is_guarded:
            request = httpx.Request(post.method, url, headers=headers, content=post.body, extensions=extensions)
            return await self._transport.handle_async_request(request)
        if url.scheme != "https":
            raise DeliveryError("a channel made in the UI needs an https URL", retry_after_ms=None, is_refusal=True)
        addresses = await checked_addresses(url.host, url.port or 443, resolver=self._resolver)
        headers["Host"] = url.netloc.decode("ascii")
        extensions["sni_hostname"] = url.raw_host.decode("ascii")
        for last, address in _with_last(addresses):
            pinned = url.copy_with(host=address, username=None, password=None)
            request = httpx.Request(post.method, pinned, headers=headers, content=post.body, extensions=extensions)
            try:
                return await self._transport.handle_async_request(request)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if last:
                    raise
        raise AssertionError("a host that was checked has an address")

    async def _body(self, response: httpx.Response) -> bytes:
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) >= self._limits.answer_bytes:
                break
        return bytes(body[: self._limits.answer_bytes])

    def _judged(self, response: httpx.Response, body: bytes, *, now_ms: int) -> Answer:
        status = response.status_code
        if response.is_success:
            return Answer(status=status, body=body)
        reason = f"it answered {status}{self._quoted(body)}"
        if 300 <= status < 400:
            reason = f"it answered {status}; redirects are not followed: use the address that it leads to"
        elif status >= 500 or status in TRY_AGAIN:
            raise DeliveryError(reason, retry_after_ms(response.headers.get("retry-after"), now_ms=now_ms))
        raise DeliveryError(reason, retry_after_ms=0, is_refusal=True)

    def _quoted(self, body: bytes) -> str:
        # The secrets go before the cut: half of one would not be found any more.
        text = one_line(self._mask.hide(body.decode("utf-8", "replace")), ANSWER_CHARACTERS_SHOWN)
        return f": {text}" if text else ""

    def _no_answer(self, error: BaseException) -> DeliveryError:
        causes = list(_causes(error))
        lookup = next((cause for cause in causes if isinstance(cause, socket.gaierror)), None)
        if lookup is not None:
            is_unknown = lookup.errno in UNKNOWN_HOST
            return DeliveryError(f"the host is not known: {lookup.strerror}", retry_after_ms=0, is_refusal=is_unknown)
        if isinstance(error, httpx.InvalidURL | httpx.UnsupportedProtocol):
            return DeliveryError("its URL cannot be used", retry_after_ms=None, is_refusal=True)
        words = next((str(cause) for cause in causes if str(cause)), "")
        what = "it took too long" if isinstance(error, httpx.TimeoutException) else "the connection failed"
        text = one_line(self._mask.hide(f"{type(error).__name__}{f': {words}' if words else ''}"), 300)
        return DeliveryError(f"{what} ({text})", retry_after_ms=0)


def retry_after_ms(header: str | None, *, now_ms: int) -> int:
    """
    What a Retry-After header asks for, in ms, at most `RETRY_AFTER_MS_MAX`; 0 without one that can be read.

    Source: RFC 9110, section 10.2.3: whole seconds, or a date.
    """
    if header is None:
        return 0
    text = header.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:12]) * 1000, RETRY_AFTER_MS_MAX)
    try:
        date = parsedate_to_datetime(text)
        wanted_ms = round((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() * 1000) - now_ms
    except (ValueError, OverflowError, TypeError):
        return 0
    return min(max(wanted_ms, 0), RETRY_AFTER_MS_MAX)


def basic(user: str, password: str) -> str:
    """The Authorization header of a user and a password."""
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"


class _Started(Struct, kw_only=True):
    """What is known of an exchange when its time is over."""

    success: int | None = None


@cache
def tls_context(ca_file: str | None) -> ssl.SSLContext:
    """
    How certificates are checked: by the system's authorities, certifi's, and those in a file.

    Raises:
        ConfigError: The file cannot be used.
    """
    context = ssl.create_default_context()
    # The system's store may be missing in a small container.
    context.load_verify_locations(cafile=certifi.where())
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"ca_file '{ca_file}' cannot be used: {error.strerror or error}") from None
    return context


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, the innermost first."""
    inner = error.__cause__ or error.__context__
    if inner is not None and inner is not error:
        yield from _causes(inner)
    yield error


def _with_last(addresses: list[str]) -> Iterator[tuple[bool, str]]:
    for place, address in enumerate(addresses, start=1):
        yield place == len(addresses), address
