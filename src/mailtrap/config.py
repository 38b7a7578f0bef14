"""Every setting once: name, type, boot or live, default, default of ``serve``, meaning.

*Boot* settings are fixed when a server starts. *Live* settings belong to a scope and may change at any time.
"""

import dataclasses
import difflib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_origin, get_type_hints

from .errors import ConfigError

_ABSENT = object()


def _setting(default: Any, meaning: str, serve: Any = _ABSENT) -> Any:
    return field(default=default, metadata={"meaning": meaning, "serve": default if serve is _ABSENT else serve})


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What is fixed when the server starts."""

    store: str = _setting(
        "memory", "where mail is kept: memory, sqlite:///PATH, sqlite:///PATH?compress=zstd, or postgresql://..."
    )
    max_messages: int = _setting(0, "messages kept, of all scopes; the oldest make room; 0: no limit", 100_000)
    max_bytes: int = _setting(0, "octets of all messages kept; the oldest make room; 0: no limit", 2 * 1024**3)
    max_age: float = _setting(0.0, "seconds that a message is kept after it was received; 0: no limit")
    host: str = _setting("127.0.0.1", "the address that listeners are bound to")
    hostname: str = _setting("mailtrap.test", "the server's name in greetings and certificates")
    smtp_port: int | None = _setting(0, "SMTP; 0 is a free port, empty is off", 1025)
    smtps_port: int | None = _setting(0, "SMTP with TLS from the first octet", 1465)
    submission_port: int | None = _setting(0, "message submission (RFC 6409)", 1587)
    lmtp_port: int | None = _setting(0, "LMTP (RFC 2033)", 1024)
    pop3_port: int | None = _setting(0, "POP3", 1110)
    pop3s_port: int | None = _setting(0, "POP3 with TLS from the first octet", 1995)
    imap_port: int | None = _setting(0, "IMAP", 1143)
    imaps_port: int | None = _setting(0, "IMAP with TLS from the first octet", 1993)
    http_port: int | None = _setting(0, "the HTTP API and the viewer", 8025)
    smtp_socket: str | None = _setting(None, "path of a Unix socket for SMTP, beside its port")
    lmtp_socket: str | None = _setting(None, "path of a Unix socket for LMTP, beside its port")
    socket_mode: str = _setting("0666", "permissions of Unix sockets, octal: who may connect")
    tls_cert: str | None = _setting(None, "certificate chain, PEM file; without it one is made at first use")
    tls_key: str | None = _setting(None, "private key of tls_cert, PEM file")
    tls_client_ca: str | None = _setting(
        None, "PEM file with authorities: clients are asked for a certificate, and one that is given is verified"
    )
    tls_minimum: Literal["1.2", "1.3"] = _setting("1.2", "the oldest version of TLS that is spoken")
    tls_key_type: Literal["ecdsa", "rsa"] = _setting("ecdsa", "the kind of key of a certificate that is made")
    smtp_handler: object | None = _setting(None, "a handler written for aiosmtpd; in process only")
    plugins: tuple[object, ...] = _setting((), "plugin objects with mailtrap hooks; in process only")
    accounts: tuple[str, ...] = _setting((), "accounts to declare, each ADDRESS or ADDRESS:PASSWORD")
    seed: tuple[str, ...] = _setting(
        (), "files and folders (.eml, mbox, Maildir, TOML, an export) whose mail is put into a store that has none yet"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What belongs to a scope and may change while the server runs."""

    routing: Literal["open", "strict"] = _setting(
        "open", "open: every recipient is accepted; strict: declared accounts only, else 550 5.1.1"
    )
    local_domains: tuple[str, ...] = _setting(
        (), "domains whose mail is kept in accounts; empty: every domain. Other mail is recorded, not filed"
    )
    default_password: str | None = _setting(None, "the password of accounts that were given none")
    starttls: Literal["off", "offered", "required"] = _setting("off", "STARTTLS and STLS on the plain listeners")
    require_auth: bool = _setting(False, "SMTP: MAIL only after AUTH (530 5.7.0)")
    auth_before_tls: bool = _setting(True, "logging in is allowed without TLS")
    max_message_size: int = _setting(50 * 1024 * 1024, "octets of one message (552 5.3.4)")
    over_quota: Literal["reject", "defer"] = _setting(
        "reject", "mail for an account without room: refused for good (552 5.2.2) or for now (452 4.2.2)"
    )
    max_recipients: int = _setting(1000, "recipients of one mail (452 4.5.3)")
    bare_newlines: Literal["accept", "reject"] = _setting(
        "accept", "bare CR and LF in a message: kept byte for byte, or refused with 550 5.5.2"
    )
    delivery_headers: tuple[str, ...] = _setting(
        (), "headers that a copy is prefixed with: Return-Path, Delivered-To, Received"
    )
    smtp_extensions: frozenset[str] = _setting(
        frozenset(), "changes to what EHLO offers: -KEYWORD takes one away, +KEYWORD adds one"
    )
    imap_capabilities: frozenset[str] = _setting(
        frozenset(), "changes to what IMAP offers: -NAME takes one away, +NAME adds one"
    )
    imap_progress: float = _setting(
        10.0, "seconds of work after which an IMAP client is told that its command goes on; 0: at each chance"
    )
    imap_message_limit: int = _setting(
        0, "messages that one IMAP command may be about (MESSAGELIMIT, RFC 9738); 0: no limit"
    )
    imap_separator: Literal["/", "."] = _setting("/", "what separates the levels of a mailbox's name in IMAP")
    imap_namespace: str = _setting(
        "", "IMAP: the name below which all mailboxes but INBOX lie, without separator: INBOX; empty: none"
    )
    imap_other_users: str = _setting(
        "user", "IMAP: the name below which other users' shared mailboxes lie, without separator; empty: not at all"
    )
    pop3_capabilities: frozenset[str] = _setting(
        frozenset(), "changes to what POP3 offers: -NAME takes one away, +NAME adds one"
    )
    trusted_proxies: tuple[str, ...] = _setting(
        (), "addresses and networks (and unix) whose XCLIENT and PROXY headers are believed"
    )
    proxy_protocol: bool = _setting(
        False, "connections from trusted_proxies begin with a PROXY header (version 1 or 2), on every mail listener"
    )
    max_connections: int = _setting(0, "connections to one scope's mail listeners at once (421 4.3.2); 0: no limit")
    max_connections_per_peer: int = _setting(0, "the same from one address; 0: no limit")
    max_bad_commands: int = _setting(10, "unknown commands in a row that end a connection; 0: no limit")
    session_timeout: float = _setting(0.0, "seconds a connection may last in all; 0: no limit")
    smtp_timeout: float = _setting(300.0, "seconds without input that end an SMTP session (RFC 5321, 4.5.3.2.7)")
    pop3_timeout: float = _setting(600.0, "seconds without input that end a POP3 session (RFC 1939, 3)")
    imap_timeout: float = _setting(1800.0, "seconds without input that end an IMAP session (RFC 9051, 5.4)")
    hook_timeout: float = _setting(5.0, "seconds a before_ hook may take; then 451 or NO")
    timeout: float = _setting(5.0, "seconds a wait lasts when it was given none")


_HINTS = {kind: get_type_hints(kind) for kind in (Boot, Live)}
BOOT: Mapping[str, dataclasses.Field[Any]] = {f.name: f for f in dataclasses.fields(Boot)}
LIVE: Mapping[str, dataclasses.Field[Any]] = {f.name: f for f in dataclasses.fields(Live)}


def split(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sort settings into boot and live, checked and coerced.

    Raises:
        ConfigError: an unknown name (with the nearest valid one) or a value that does not fit.
    """
    boot = {name: check(name, value) for name, value in settings.items() if name not in LIVE}
    live = {name: check(name, value) for name, value in settings.items() if name in LIVE}
    return boot, live


def check(name: str, value: Any) -> Any:
    """The value in the setting's own type.

    Raises:
        ConfigError: an unknown name (with the nearest valid one) or a value that does not fit.
    """
    kind: type[Boot | Live]
    if name in BOOT:
        kind = Boot
    elif name in LIVE:
        kind = Live
    else:
        raise ConfigError(f"there is no setting {name!r}{_nearest(name, [*BOOT, *LIVE])}")
    expected = _HINTS[kind][name]
    fits, value = _coerce(expected, value)
    if not fits:
        raise ConfigError(f"{name} is {_describe(expected)}, not {value!r}")
    if expected == (int | None) and value is not None and not 0 <= value <= 65535:
        raise ConfigError(f"{name} is {_describe(expected)}, not {value!r}")
    if isinstance(value, int | float) and not value >= 0:  # so NaN does not pass
        raise ConfigError(f"{name} is not negative: {value!r}")
    if name in ("imap_namespace", "imap_other_users") and not all(c.isalnum() or c in "#~-_ " for c in value):
        raise ConfigError(f"{name} is one level of a name, letters, digits and any of '#~-_ ': {value!r}")
    if name == "trusted_proxies":
        _check_networks(name, value)
    if name == "socket_mode" and re.fullmatch("0?[0-7]{3}", value) is None:
        raise ConfigError(f"{name} is three octal digits, as 0660, not {value!r}")
    if name == "lmtp_port" and value == 25:  # RFC 2033, 5: a client of SMTP must never meet LMTP there
        raise ConfigError("lmtp_port is never 25: that is the port of SMTP")
    return value


def _check_networks(name: str, networks: Iterable[str]) -> None:
    import ipaddress

    for network in networks:
        if network == "unix":
            continue
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise ConfigError(f"{name} is a list of IP addresses and networks, and this is none: {network!r}") from None


def parse(name: str, text: str) -> Any:
    """The value of a setting written as text: on the command line, in the environment, in an ini file.

    Raises:
        ConfigError: as ``check``.
    """
    if name not in BOOT and name not in LIVE:
        check(name, text)
    expected = _HINTS[Boot if name in BOOT else Live][name]
    if expected is bool:
        word = text.strip().lower()
        known = word in ("1", "true", "yes", "on", "0", "false", "no", "off")
        return check(name, word in ("1", "true", "yes", "on") if known else text)
    if expected in (int, float, int | None):
        if not text.strip() and expected == (int | None):
            return None
        try:
            number: int | float = float(text) if expected is float else int(text)
        except ValueError:
            return check(name, text)  # which says what fits
        return check(name, number)
    if get_origin(expected) in (tuple, frozenset):
        return check(name, [word for word in text.replace(",", " ").split() if word])
    return check(name, text)


def _coerce(expected: Any, value: Any) -> tuple[bool, Any]:
    if expected == (object | None):
        return True, value
    if expected == tuple[object, ...]:
        return isinstance(value, Iterable), tuple(value) if isinstance(value, Iterable) else value
    if get_origin(expected) is Literal:
        return value in get_args(expected), value
    if expected == (str | None) and isinstance(value, os.PathLike):
        value = os.fspath(value)
    if get_origin(expected) in (tuple, frozenset):
        if isinstance(value, str):
            value = (value,)
        if not isinstance(value, Iterable) or not all(isinstance(item, str) for item in value):
            return False, value
        return True, (get_origin(expected) or tuple)(value)
    if expected is float and isinstance(value, int) and not isinstance(value, bool):
        return True, float(value)
    if expected == (int | None) and isinstance(value, bool):
        return False, value
    if expected is int and isinstance(value, bool):
        return False, value
    return isinstance(value, expected), value


def _describe(expected: Any) -> str:
    if get_origin(expected) is Literal:
        return "one of " + ", ".join(map(repr, get_args(expected)))
    if get_origin(expected) in (tuple, frozenset):
        return "a list of str"
    if expected == (int | None):
        return "a port, 0 to 65535, or empty"
    return {int: "an int", float: "a number of seconds", bool: "True or False", str: "a str"}.get(
        expected, str(expected).replace("|", "or")
    )


def _nearest(name: str, names: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"; the nearest is {near[0]!r}" if near else ""
