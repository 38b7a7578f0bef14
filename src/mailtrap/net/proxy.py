"""The PROXY protocol's header, versions 1 and 2: who the client of a proxy is. Octets in, addresses out; no I/O.

The form is HAProxy's ``proxy-protocol.txt``. What follows the addresses of version 2 (TLVs) is passed over.
"""

from typing import Final, NamedTuple

from ..wire import peers

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
_TEXT: Final = b"PROXY "
_LONGEST: Final = 107  # octets of a header of version 1, its line end included
_STREAM: Final = 1
_LENGTHS: Final = {1: 4, 2: 16}  # address family to octets of an address


class Header(NamedTuple):
    """What a header says.

    Attributes:
        size: octets of the header itself.
        source: host and port of the client; None: the connection is the proxy's own, or its client has no address.
        destination: where the client connected to.
    """

    size: int
    source: tuple[str, int] | None = None
    destination: tuple[str, int] | None = None


class BadHeader(ValueError):
    """It is no such header; the text says why."""


def parse(data: bytes) -> Header | None:
    """The header at the beginning of a connection; None while it is incomplete.

    Raises:
        BadHeader: the connection does not begin with one, or with one that breaks the form.
    """
    if data[:12] == SIGNATURE:
        return _binary(data)
    if data[:6] == _TEXT:
        return _text(data)
    if SIGNATURE.startswith(data) or _TEXT.startswith(data):
        return None
    raise BadHeader("there is none")


def _text(data: bytes) -> Header | None:
    end = data.find(b"\r\n", 0, _LONGEST)
    if end < 0:
        if len(data) >= _LONGEST or b"\n" in data:
            raise BadHeader("its line has no end")
        return None
    words = data[len(_TEXT) : end].decode("latin-1").split(" ")
    if words[0] == "UNKNOWN":
        return Header(end + 2)
    version = {"TCP4": 4, "TCP6": 6}.get(words[0])
    if version is None or len(words) != 5:
        raise BadHeader("it is not PROXY TCP4 or TCP6, two addresses and two ports")
    hosts = [peers.ip_address(word, version) for word in words[1:3]]
    ports = [peers.port(word) for word in words[3:]]
    (source, destination), (source_port, destination_port) = hosts, ports
    if source is None or destination is None or source_port is None or destination_port is None:
        raise BadHeader("an address or a port in it is none")
    return Header(end + 2, (source, source_port), (destination, destination_port))


def _binary(data: bytes) -> Header | None:
    if len(data) < 16:
        return None
    version, command = divmod(data[12], 16)
    family, transport = divmod(data[13], 16)
    size = 16 + int.from_bytes(data[14:16])
    if version != 2 or command > 1 or family > 3 or transport > 2:
        raise BadHeader("its version, command or address family is unknown")
    octets = _LENGTHS.get(family)
    if command == 0 or octets is None or transport != _STREAM:
        return Header(size) if len(data) >= size else None  # LOCAL; and clients without an IP address
    if size < 16 + 2 * octets + 4:
        raise BadHeader("it is too short for its addresses")
    if len(data) < size:
        return None
    import ipaddress

    rest = data[16:]
    source, destination = (str(ipaddress.ip_address(rest[at : at + octets])) for at in (0, octets))
    source_port, destination_port = (int.from_bytes(rest[2 * octets + at : 2 * octets + at + 2]) for at in (0, 2))
    return Header(size, (source, source_port), (destination, destination_port))
