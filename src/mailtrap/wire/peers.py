"""Addresses of hosts, as text: which are trusted, and which text is one."""

from functools import lru_cache


@lru_cache(maxsize=256)
def trusted(networks: tuple[str, ...], host: str) -> bool:
    """Whether a peer is in one of these addresses and networks; ``unix`` stands for every Unix socket's peer."""
    if not networks:
        return False
    if not host:
        return "unix" in networks
    import ipaddress

    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    if address.version == 6 and address.ipv4_mapped is not None:  # a socket of both kinds tells IPv4 so
        address = address.ipv4_mapped
    return any(address in ipaddress.ip_network(network, strict=False) for network in networks if network != "unix")


def ip_address(text: str, version: int | None = None) -> str | None:
    """The address in its one form; None where it is none, or not of that version."""
    import ipaddress

    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if "%" in text or version not in (None, address.version):
        return None
    return str(address)


def port(text: str) -> int | None:
    """A port's number, without a zero before it; None where it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 5) or (text[0] == "0" and text != "0"):
        return None
    number = int(text)
    return number if number <= 65535 else None
