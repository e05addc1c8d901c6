"""Which addresses a channel may reach that was made in the UI: public ones, and nothing of the house."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from jobsight.errors import DeliveryError

Resolver = Callable[[str, int], Awaitable[list[str]]]
"""From a host and a port to its addresses; raises socket.gaierror."""

ADDRESSES_TRIED_MAX: Final = 4

_PROTOCOLS: Final = IPv4Network("192.0.0.0/24")
"""For protocols only; older versions of Python take it for public."""

_NAT64: Final = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE: Final = IPv6Network("::/96")


async def system_addresses(host: str, port: int) -> list[str]:
    """What the system's resolver says, in its order."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public(address: str) -> bool:
    """
    Whether an address leads out to the public network.

    An IPv4 address inside of an IPv6 one (mapped, compatible, 6to4, Teredo, NAT64) has to be public as well.
    """
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    return all(
        one.is_global
        and not (one.is_multicast or one.is_private or one.is_loopback or one.is_link_local)
        and not (one.is_reserved or one.is_unspecified or one in _PROTOCOLS)
        for one in _inner(parsed)
    )


async def checked_addresses(host: str, port: int, *, resolver: Resolver) -> list[str]:
    """
    The addresses of a host, all of them public.

    Raises:
        DeliveryError: One is not; nothing was connected to.
        socket.gaierror: There is no such host.
    """
    addresses = await resolver(host, port)
    if not addresses or not all(map(is_public, addresses)):
        raise DeliveryError(
            f"the host '{host}' leads to an address that is not public; a channel made in the UI may only reach public "
            "ones: put this channel into the configuration file",
            retry_after_ms=0,
            is_refusal=True,
        )
    return addresses[:ADDRESSES_TRIED_MAX]


def _inner(address: IPv4Address | IPv6Address) -> Iterable[IPv4Address | IPv6Address]:
    if isinstance(address, IPv4Address):
        return [address]
    embedded = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _NAT64) or address in _COMPATIBLE:
        embedded.append(IPv4Address(int(address) & 0xFFFF_FFFF))
    found: list[IPv4Address | IPv6Address] = [one for one in embedded if one is not None]
    # A mapped address is the IPv4 address; the others need to be public by themselves too.
    return found if address.ipv4_mapped else [address, *found]
