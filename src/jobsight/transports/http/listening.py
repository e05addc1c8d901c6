"""Binding addresses, and saying in words why one cannot be bound."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from jobsight.errors import CannotCreateError, ConfigError, InUseError, NoPermissionError

CONTROL_NAME: Final = "control.sock"
"""The control socket's name in the data folder."""

SOCKET_PATH_BYTES_MAX: Final = 107


def bind_address(host: str, port: int) -> socket.socket:
    """
    A bound TCP socket.

    Args:
        host: A name, an IPv4 or an IPv6 address.
        port: 0 takes any free one.

    Raises:
        InUseError: Another process listens there.
        NoPermissionError: The system does not let this user have the port.
        ConfigError: There is no such address here.
    """
    try:
        (family, _, _, _, address), *_ = sorted(
            socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE),
            key=lambda found: found[0] != socket.AF_INET,
        )
        bound = socket.socket(family, socket.SOCK_STREAM)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if family == socket.AF_INET6:
                bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(address[0] != "::"))
            bound.bind(address)
            bound.listen(1)
        except BaseException:
            bound.close()
            raise
    except socket.gaierror as error:
        raise ConfigError(f"server.listen: the host {host!r} cannot be found ({error.strerror})") from error
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InUseError(
                f"port {port} of {host} is in use by another process; stop it, or choose another one: --listen {host}:{port + 1}"
            ) from error
        if error.errno in (errno.EACCES, errno.EPERM):
            raise NoPermissionError(
                f"port {port} of {host} may not be used by this user; choose one above 1023"
            ) from error
        raise ConfigError(f"server.listen: {host}:{port} cannot be used here ({error.strerror})") from error
    return bound


@contextmanager
def control_socket(folder: Path) -> Iterator[socket.socket]:
    """
    The bound control socket of a data folder, for its owner only, taken away at the end of the block.

    The caller holds the folder, so what stands there before is a leftover.

    Raises:
        CannotCreateError: It cannot be made there.
    """
    path = folder / CONTROL_NAME
    path.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(socket_address(path))
        path.chmod(0o600)
    except OSError as error:
        bound.close()
        raise CannotCreateError(f"the control socket {path} cannot be made ({error})") from error
    with bound:
        yield bound
    path.unlink(missing_ok=True)


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """
    TLS as a server, from PEM files.

    Raises:
        ConfigError: They cannot be read, or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"server.tls_cert, server.tls_key: {certificate} and {key} cannot be used ({error}); "
            "expected a certificate and its key without a password, as PEM files"
        ) from error
    return context


def _no_password() -> str:
    raise ValueError("the key is protected by a password")


def socket_address(path: Path) -> str:
    """
    A path that fits into a Unix socket's address, which holds 107 bytes: a longer one leads through its open folder.

    The folder then stays open for as long as the process lives.
    """
    if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX or not Path("/proc/self/fd").exists():
        return os.fspath(path)
    return f"/proc/self/fd/{os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)}/{path.name}"
