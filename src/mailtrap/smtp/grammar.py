"""The arguments of MAIL and RCPT: paths and parameters (RFC 5321, 4.1.2; RFC 6531, 3.3).

One regular expression takes the form that nearly every mail has, ``<local@domain>``. Only when it does not match, the
whole grammar is asked: source routes, quoted local parts, address literals, UTF-8, the null path, and paths
without angle brackets, which many programs send and most servers take. There is no limit on a local part
(RFC 5321, 4.5.3.1): the line's is the only one.
"""

import re
from functools import lru_cache
from typing import Final

from ..message.address import Address

_COMMON: Final = re.compile(r" ?<([\w!#$%&'*+/=?^`{|}~.-]+@(?:[\w-]+\.)*[\w-]+)>(?: +(.*))?", re.ASCII)

_LABEL: Final = r"[\w-]+"  # with letters beyond ASCII: U-labels; with "_": names of containers have it
_DOMAIN: Final = rf"(?:(?:{_LABEL}\.)*{_LABEL}\.?)"
_LITERAL: Final = r"\[[!-Z^-~]+\]"
_LOCAL: Final = r"""(?:[\w!#$%&'*+/=?^`{|}~.-]|[^\x00-\x7f])+|"(?:[^"\\]|\\.)*\""""
_ROUTE: Final = rf"(?:@{_DOMAIN}(?:,@{_DOMAIN})*:)?"
_MAILBOX: Final = rf"(?P<local>{_LOCAL})(?:@(?P<domain>{_DOMAIN}|{_LITERAL}))?"
_BRACKETED: Final = re.compile(rf" *<(?P<original>(?P<route>{_ROUTE})(?P<mailbox>{_MAILBOX}))>(?: +(?P<rest>.*))?")
_BARE: Final = re.compile(rf" *(?P<original>(?P<mailbox>{_MAILBOX}))(?: +(?P<rest>.*))?")
_NULL: Final = re.compile(r" *<>(?: +(.*))?")
_IPV4: Final = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})", re.ASCII)
_GENERAL: Final = re.compile(r"[A-Za-z0-9-]*[A-Za-z0-9]:[!-Z^-~]+")
_KEYWORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*", re.ASCII)

_SHORT_PATH: Final = 120  # octets of a path that is likely to come again
MAX_DOMAIN: Final = 255  # RFC 5321, 4.5.3.1.2: a longer one is no domain name


class BadPath(ValueError):
    """It is no path."""


def parse_path(text: str) -> tuple[Address, str | None]:
    """A path and what follows it. One address for all mails that name it: they stay, and there are few.

    Args:
        text: what stands behind ``FROM:`` or ``TO:``, without control characters.

    Returns:
        The address (``""`` for the null path) and the parameters as they stand, None where there are none.
        ``original`` of the address is what stood between the angle brackets, the source route included.

    Raises:
        BadPath: no path stands there.
    """
    return _often_parsed(text) if len(text) < _SHORT_PATH else _parse_path(text)


def _parse_path(text: str) -> tuple[Address, str | None]:
    if (common := _COMMON.fullmatch(text)) is not None:
        address, rest = common.groups()
        if len(address) > MAX_DOMAIN and len(address.rpartition("@")[2]) > MAX_DOMAIN:
            raise BadPath(text)
        return Address(address), rest
    if (null := _NULL.fullmatch(text)) is not None:
        return Address(), null[1]
    found = _BRACKETED.fullmatch(text) or _BARE.fullmatch(text)
    if found is None:
        raise BadPath(text)
    domain = found["domain"]
    if domain is not None and (len(domain) > MAX_DOMAIN or (domain[0] == "[" and not _is_literal(domain[1:-1]))):
        raise BadPath(text)
    # a source route is accepted and ignored (RFC 5321, 4.1.1.3 and appendix C)
    return Address(found["mailbox"], original=found["original"]), found["rest"]


_often_parsed = lru_cache(maxsize=4096)(_parse_path)


def is_mailbox(text: str) -> bool:
    """Whether it is a mailbox, ``local@domain``, without angle brackets."""
    try:
        address, rest = parse_path(f"<{text}>")
    except BadPath:
        return False
    return rest is None and "@" in address


def _is_literal(text: str) -> bool:
    """Whether it is an address literal without its brackets (RFC 5321, 4.1.3)."""
    if (ipv4 := _IPV4.fullmatch(text)) is not None:
        return all(int(octet) <= 255 for octet in ipv4.groups())
    if text[:5].upper() == "IPV6:":
        import ipaddress

        try:
            ipaddress.IPv6Address(text[5:])
        except ValueError:
            return False
        return "%" not in text  # a zone is no part of it
    return _GENERAL.fullmatch(text) is not None


def parse_parameters(text: str) -> dict[str, str | None] | None:
    """MAIL's or RCPT's parameters: keyword in upper case to value, its case kept, None without ``=``.

    Returns:
        None where they are none, or one comes twice (RFC 5321, 4.1.2: esmtp-param).
    """
    parameters: dict[str, str | None] = {}
    for word in text.split():
        keyword, equals, value = word.partition("=")
        name = keyword.upper()
        if name in parameters or _KEYWORD.fullmatch(keyword) is None or (equals and not value):
            return None
        parameters[name] = value if equals else None
    return parameters


_XTEXT: Final = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*")


def is_xtext(text: str) -> bool:
    """Whether it is xtext: what is not printable ASCII, ``+`` and ``=`` stand as ``+HH`` (RFC 3461, 4)."""
    return _XTEXT.fullmatch(text) is not None


def decode_xtext(text: str) -> str:
    """What xtext stands for; octets beyond ASCII are read as UTF-8."""
    octets = re.sub(rb"\+([0-9A-F]{2})", lambda found: bytes([int(found[1], 16)]), text.encode())
    return octets.decode("utf-8", "replace")
