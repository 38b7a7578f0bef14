"""Keeps other web sites out. There is no login: whoever reaches the listener may do everything, but a page of another
site in the same browser must neither read mail nor delete it.

- *Reading*: browsers keep other origins from reading answers, unless a foreign name was made to point here (DNS
  rebinding). So on a loopback listener a ``Host`` must be a name that no foreign zone can hold: an address, a name
  without dots, or one below a domain that no zone has (RFC 6761, RFC 6762, RFC 8375; ``internal`` and ``lan``).
- *Changing*: a browser says where a request came from, in ``Sec-Fetch-Site`` and ``Origin``; programs send neither.
- *Showing*: no page of ours loads anything from elsewhere, and nobody may frame one.
"""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from flask import Flask, Response, request

from ..errors import MailtrapError
from ..server import MailServer
from .problems import Problem

SAFE: Final = frozenset(("GET", "HEAD", "OPTIONS"))
OWN_DOMAINS: Final = frozenset(("test", "localhost", "local", "internal", "example", "invalid", "lan"))
PAGE_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'"
)
# What a mail brought along never becomes a page of ours: no scripts, no origin, nothing loaded.
FOREIGN_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"

# Set on an answer that the sandboxed frame of a mail embeds: that frame is an origin of its own.
EMBEDDABLE: Final = "X-Embeddable"


def protect(app: Flask, server: MailServer) -> None:
    """Check every request, and say to browsers what our answers may do."""

    def check() -> None:
        refuse_foreign_name(server)
        refuse_foreign_change()

    def mark(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")  # without any, forms would send "Origin: null"
        if not response.headers.pop(EMBEDDABLE, None):
            headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if request.endpoint != "static":
            headers.setdefault("Cache-Control", "no-store")
        return response

    app.before_request(check)
    app.after_request(mark)


def refuse_foreign_name(server: MailServer) -> None:
    """Refuse a ``Host`` that a foreign zone may hold, where only this machine can connect.

    Raises:
        Problem: 421.
    """
    try:
        bound = server.http.host
    except MailtrapError:
        return  # served by somebody else's server
    try:
        name = (urlsplit(f"//{request.host}").hostname or "").rstrip(".")
    except ValueError as error:
        raise Problem(400, f"the Host {request.host!r} is none") from error
    # the settings are put together last: mostly the name is an address, or has no dots
    if is_loopback(bound) and not (is_own_name(name, "") or is_own_name(name, server.settings["hostname"])):
        raise Problem(
            421, f"{name!r} is no name of this machine: open the listener by its address", kind="MisdirectedRequest"
        )


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine only."""
    return host == "localhost" or (_is_address(host) and ipaddress.ip_address(host).is_loopback)


def is_own_name(name: str, hostname: str) -> bool:
    """Whether no foreign zone can hold this name."""
    return (
        not name or "." not in name or _is_address(name) or name == hostname
        or name.rpartition(".")[2] in OWN_DOMAINS or name.endswith(".home.arpa")
    )  # fmt: skip


def refuse_foreign_change() -> None:
    """Refuse what another site's page would change.

    Raises:
        Problem: 403.
    """
    if request.method in SAFE:
        return
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        foreign = site not in ("same-origin", "none")
    else:
        foreign = origin is not None and origin.partition("://")[2] != request.host
    if foreign:
        raise Problem(403, "a page of another site may not change anything here", kind="CrossSite")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
