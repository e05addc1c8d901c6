"""Who is at the other end: the peer, or, through a proxy that is trusted, the client behind it."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from jobsight.transports.http.exchange import Headers, Scope

Network = IPv4Network | IPv6Network

KNOWN_ADDRESSES_MAX: Final = 10_000
"""Addresses about which an answer is remembered."""


class Peers:
    """
    Answers from which address a request comes, and by which scheme.

    Args:
        trusted_proxies: Networks whose X-Forwarded-For and X-Forwarded-Proto are believed; without any they are ignored.
    """

    def __init__(self, trusted_proxies: Sequence[Network]) -> None:
        self._proxies = tuple(trusted_proxies)
        self._loopback: dict[str, bool] = {}

    def address_of(self, scope: Scope, headers: Headers) -> str:
        """The client's address; behind trusted proxies, the last one that is none of theirs."""
        client = scope.get("client")
        address: str = client[0] if client else ""
        forwarded = headers.get(b"x-forwarded-for") if self._proxies else None
        if forwarded is None or not self._is_proxy(address):
            return address
        for hop in reversed(forwarded.decode("latin-1").split(",")):
            known = _plain(hop)
            if known is None:
                break
            address = known
            if not self._is_proxy(address):
                break
        return address

    def scheme_of(self, scope: Scope, headers: Headers) -> str:
        """`http` or `https`, as the client sees it."""
        scheme: str = scope["scheme"]
        client = scope.get("client")
        if self._proxies and client and self._is_proxy(client[0]):
            told = headers.get(b"x-forwarded-proto", b"").strip().lower()
            if told in (b"http", b"https"):
                return told.decode()
        return scheme

    def is_loopback(self, address: str) -> bool:
        """Whether this is an address of this very machine that nobody else can reach."""
        known = self._loopback.get(address)
        if known is None:
            if len(self._loopback) >= KNOWN_ADDRESSES_MAX:
                self._loopback.clear()
            known = self._loopback[address] = is_loopback(address)
        return known

    def _is_proxy(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._proxies)


def is_loopback(host: str) -> bool:
    """Whether a host is `localhost` or a loopback address, as it stands in a setting, a header or a connection."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        parsed = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped.is_loopback
    return parsed.is_loopback


def _plain(hop: str) -> str | None:
    """The address in an entry of X-Forwarded-For; None where it is no address."""
    text = hop.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(ip_address(text))
    except ValueError:
        return None
