"""Listening sockets: bound in the caller's thread, so that a busy port is an error of ``start()``.

Never: a port that is probed and then bound, ``getfqdn``, a reverse look-up.
"""

import errno
import os
import socket
import sys
from typing import Any

from .. import limits
from ..errors import ConfigError, PortInUse


def bind(name: str, host: str, port: int) -> socket.socket:
    """A non-blocking listening socket.

    Args:
        name: the listener's, for errors: ``smtp``.
        host: an IPv4 or IPv6 address or a name for one; ``::`` and ``""`` are all addresses of both kinds.
        port: 0 is a free one.

    Raises:
        PortInUse: names the listener and the port.
        ConfigError: the host is no address of this machine, or the port may not be bound.
    """
    family, address = _resolve(name, host, port)
    try:
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise ConfigError(f"{name} cannot listen on {host}: {error.strerror or error}") from error
    try:
        if os.name == "posix":
            # Elsewhere SO_REUSEADDR would let two servers have one port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        elif sys.platform == "win32":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        if family == socket.AF_INET6:
            # "::" means both kinds; any other address is IPv6 alone anyhow.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address[0] == "::" else 1)
        # Small replies are not held back. Connections have it from the socket they come to.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind(address)
        sock.listen(limits.BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise _explain(name, host, port, error) from error
    except BaseException:
        sock.close()
        raise
    return sock


def _resolve(name: str, host: str, port: int) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    if not host:
        host = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"  # noqa: S104  asked for
    try:
        # As bytes, for Python would load its tables of IDNA for any text: two of the milliseconds that a start takes.
        node = host.encode() if host.isascii() else host
        found = socket.getaddrinfo(node, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{name} cannot listen on {host!r}: no such address") from error
    # A name such as localhost has several: IPv4 first, as most clients under test are told 127.0.0.1.
    family, _, _, _, where = min(found, key=lambda row: row[0] != socket.AF_INET)
    address: tuple[Any, ...] = where
    return family, address


def _explain(name: str, host: str, port: int, error: OSError) -> ConfigError | PortInUse:
    # Windows says EACCES where another program holds the port exclusively.
    if error.errno == errno.EADDRINUSE or (error.errno == errno.EACCES and sys.platform == "win32"):
        return PortInUse(errno.EADDRINUSE, f"{name}: port {port} on {host or 'all addresses'} is in use")
    if error.errno in (errno.EACCES, errno.EPERM):
        return ConfigError(f"{name} may not listen on port {port}: {error.strerror} (ports below 1024 need privileges)")
    if error.errno == errno.EADDRNOTAVAIL:
        return ConfigError(f"{name} cannot listen on {host}: not an address of this machine")
    return ConfigError(f"{name} cannot listen on {host} port {port}: {error.strerror or error}")
