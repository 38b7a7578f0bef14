"""The plugin's settings: where they come from, and which source wins.

Marker, then command line, then environment, then the fixture ``mailtrap_config``, then ini file, then the default.
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import pytest

from .distribution import require

if TYPE_CHECKING:
    from mailtrap import MailServer

# The server's settings that an ini file can say, as ``mailtrap_<name>``: kind and meaning. ``mailtrap.config`` is the
# truth; it is not asked, because a plugin that is loaded at each start of pytest imports nothing. A test compares.
INI: Final[dict[str, tuple[str, str]]] = {
    "store": ("text", "where mail is kept: memory, sqlite:///PATH, or postgresql://..."),
    "host": ("text", "the address that listeners are bound to"),
    "hostname": ("text", "the server's name in greetings and certificates"),
    "smtp_port": ("port", "SMTP; 0 is a free port, empty is off"),
    "smtps_port": ("port", "SMTP with TLS from the first octet"),
    "submission_port": ("port", "message submission (RFC 6409)"),
    "lmtp_port": ("port", "LMTP (RFC 2033)"),
    "pop3_port": ("port", "POP3"),
    "pop3s_port": ("port", "POP3 with TLS from the first octet"),
    "imap_port": ("port", "IMAP"),
    "imaps_port": ("port", "IMAP with TLS from the first octet"),
    "http_port": ("port", "the HTTP API and the viewer"),
    "smtp_socket": ("text", "path of a Unix socket for SMTP, beside its port"),
    "lmtp_socket": ("text", "path of a Unix socket for LMTP, beside its port"),
    "socket_mode": ("text", "permissions of Unix sockets, octal: who may connect"),
    "max_messages": ("number", "messages kept, of all scopes; the oldest make room; 0: no limit"),
    "max_bytes": ("number", "octets of all messages kept; the oldest make room; 0: no limit"),
    "max_age": ("seconds", "seconds that a message is kept after it was received; 0: no limit"),
    "tls_cert": ("text", "certificate chain, PEM file; without it one is made at first use"),
    "tls_key": ("text", "private key of tls_cert, PEM file"),
    "tls_client_ca": (
        "text", "PEM file with authorities: clients are asked for a certificate, and one that is given is verified",
    ),
    "tls_minimum": (
        "text", "the oldest version of TLS that is spoken",
    ),
    "tls_key_type": (
        "text", "the kind of key of a certificate that is made",
    ),
    "accounts": ("words", "accounts to declare, each ADDRESS or ADDRESS:PASSWORD"),
    "routing": ("text", "open: every recipient is accepted; strict: declared accounts only, else 550 5.1.1"),
    "local_domains": (
        "words", "domains whose mail is kept in accounts; empty: every domain. Other mail is recorded, not filed",
    ),
    "default_password": ("text", "the password of accounts that were given none"),
    "starttls": ("text", "STARTTLS and STLS on the plain listeners"),
    "require_auth": ("flag", "SMTP: MAIL only after AUTH (530 5.7.0)"),
    "auth_before_tls": ("flag", "logging in is allowed without TLS"),
    "max_message_size": ("number", "octets of one message (552 5.3.4)"),
    "max_recipients": ("number", "recipients of one mail (452 4.5.3)"),
    "bare_newlines": ("text", "bare CR and LF in a message: kept byte for byte, or refused with 550 5.5.2"),
    "delivery_headers": ("words", "headers that a copy is prefixed with: Return-Path, Delivered-To, Received"),
    "smtp_extensions": ("words", "changes to what EHLO offers: -KEYWORD takes one away, +KEYWORD adds one"),
    "imap_capabilities": ("words", "changes to what IMAP offers: -NAME takes one away, +NAME adds one"),
    "pop3_capabilities": ("words", "changes to what POP3 offers: -NAME takes one away, +NAME adds one"),
    "over_quota": ("text", "mail for an account without room: refused for good (552 5.2.2) or for now (452 4.2.2)"),
    "imap_progress": (
        "seconds", "seconds of work after which an IMAP client is told that its command goes on; 0: at each chance",
    ),
    "imap_message_limit": (
        "number", "messages that one IMAP command may be about (MESSAGELIMIT, RFC 9738); 0: no limit",
    ),
    "imap_separator": ("text", "what separates the levels of a mailbox's name in IMAP"),
    "imap_namespace": (
        "text", "IMAP: the name below which all mailboxes but INBOX lie, without separator: INBOX; empty: none",
    ),
    "imap_other_users": (
        "text", "IMAP: the name below which other users' shared mailboxes lie, without separator; empty: not at all",
    ),
    "trusted_proxies": (
        "words", "addresses and networks (and unix) whose XCLIENT and PROXY headers are believed",
    ),
    "proxy_protocol": (
        "flag", "connections from trusted_proxies begin with a PROXY header (version 1 or 2), on every mail listener",
    ),
    "max_connections": (
        "number", "connections to one scope's mail listeners at once (421 4.3.2); 0: no limit",
    ),
    "max_connections_per_peer": ("number", "the same from one address; 0: no limit"),
    "max_bad_commands": ("number", "unknown commands in a row that end a connection; 0: no limit"),
    "session_timeout": ("seconds", "seconds a connection may last in all; 0: no limit"),
    "smtp_timeout": ("seconds", "seconds without input that end an SMTP session (RFC 5321, 4.5.3.2.7)"),
    "pop3_timeout": ("seconds", "seconds without input that end a POP3 session (RFC 1939, 3)"),
    "imap_timeout": ("seconds", "seconds without input that end an IMAP session (RFC 9051, 5.4)"),
    "hook_timeout": ("seconds", "seconds a before_ hook may take; then 451 or NO"),
    "timeout": ("seconds", "seconds a wait lasts when it was given none"),
}  # fmt: skip

# What the plugin does with the mail of tests, as ``--mailtrap-<name>`` and ``mailtrap_<name>``.
CHOICES: Final[dict[str, tuple[tuple[str, ...], str, str]]] = {
    "artifacts": (
        ("off", "on", "retain-on-failure"), "retain-on-failure",
        "whose mail is kept as files, with the conversations and a page: of no test, of all, of those that fail",
    ),
}  # fmt: skip

_PORTS: Final = tuple(name for name, (kind, _) in INI.items() if kind == "port")


def add(parser: pytest.Parser) -> None:
    """Register command line options and ini names."""
    group = parser.getgroup("mailtrap", "mailtrap, a mail server for tests")
    group.addoption(
        "--mailtrap-timeout", type=float, default=None, metavar="SECONDS",
        help="how long a wait for mail lasts when the test gives no timeout (default: 5)",
    )  # fmt: skip
    for name, (choices, default, meaning) in CHOICES.items():
        text = f"{meaning} (default: {default})"
        group.addoption(f"--mailtrap-{name}", choices=choices, default=None, help=text)
        parser.addini(f"mailtrap_{name}", f"mailtrap: {meaning}: {', '.join(choices)}", default=None)
    group.addoption(
        "--mailtrap-output", metavar="DIR", default=None,
        help="the folder for the tests' artifacts (default: test-results in the root directory)",
    )  # fmt: skip
    parser.addini("mailtrap_output", "mailtrap: the folder for the tests' artifacts", default=None)
    for name, (kind, meaning) in INI.items():
        parser.addini(f"mailtrap_{name}", f"mailtrap: {meaning}", type=_ini_type(kind), default=None)


def _ini_type(kind: str) -> Any:
    if kind == "words":
        return "args"
    if pytest.version_tuple >= (9, 2):  # a TOML table of pytest's own keeps types: both the type and text are taken
        return {"port": int | str, "number": int | str, "seconds": float | str, "flag": bool | str}.get(kind, "string")
    return "string"


def chosen(config: pytest.Config, name: str) -> str:
    """What was chosen of ``CHOICES``.

    Raises:
        pytest.UsageError: the ini file says something else.
    """
    choices, default, _ = CHOICES[name]
    if (option := config.getoption(f"mailtrap_{name}")) is not None:
        return str(option)
    value = config.getini(f"mailtrap_{name}") or default
    if value not in choices:
        raise pytest.UsageError(f"ini option mailtrap_{name} is one of {', '.join(choices)}, not {value!r}")
    return str(value)


class Marked(NamedTuple):
    """What the markers of a test say."""

    boot: dict[str, Any]
    live: dict[str, Any]


def marked(node: pytest.Item) -> Marked:
    """The settings of ``@pytest.mark.mailtrap(**settings)``: those of the test win over its class's and module's.

    Raises:
        pytest.UsageError: an unknown setting (with the nearest valid one) or a value that does not fit.
    """
    __tracebackhide__ = True
    marks = list(node.iter_markers("mailtrap"))
    if not marks:
        return Marked({}, {})
    require()
    from mailtrap.config import split
    from mailtrap.errors import ConfigError

    merged: dict[str, Any] = {}
    for mark in reversed(marks):
        if mark.args:
            raise pytest.UsageError(f"pytest.mark.mailtrap takes settings by name only, not {mark.args[0]!r}")
        merged.update(mark.kwargs)
    try:
        return Marked(*split(merged))
    except ConfigError as error:
        raise pytest.UsageError(f"pytest.mark.mailtrap: {error}") from None


def session_settings(config: pytest.Config, configured: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the session's server.

    Args:
        configured: what the fixture ``mailtrap_config`` gives.

    Raises:
        pytest.UsageError: as ``marked``; the text names the source.
    """
    __tracebackhide__ = True
    from mailtrap.config import check, parse
    from mailtrap.errors import ConfigError

    def checked(source: str, name: str, value: Any, *, text: bool) -> Any:
        __tracebackhide__ = True
        try:
            return parse(name, value) if text and isinstance(value, str) else check(name, value)
        except ConfigError as error:
            raise pytest.UsageError(f"{source}: {error}") from None

    settings: dict[str, Any] = {}
    for name in INI:
        if (value := config.getini(f"mailtrap_{name}")) is not None:
            settings[name] = checked(f"ini option mailtrap_{name}", name, value, text=True)
    for name, value in configured.items():
        settings[name] = checked("fixture mailtrap_config", name, value, text=False)
    if (value := os.environ.get("MAILTRAP_TIMEOUT")) is not None:
        settings["timeout"] = checked("environment variable MAILTRAP_TIMEOUT", "timeout", value, text=True)
    if (value := config.getoption("mailtrap_timeout")) is not None:
        settings["timeout"] = checked("--mailtrap-timeout", "timeout", value, text=False)
    return settings


def session_server(config: pytest.Config, configured: Mapping[str, Any]) -> "MailServer":
    """The server of the session, not started.

    Raises:
        pytest.UsageError: a setting that does not exist or does not fit.
    """
    __tracebackhide__ = True
    require()
    from mailtrap import MailServer

    return MailServer(**session_settings(config, configured))


def own_server(config: pytest.Config, configured: Mapping[str, Any], boot: Mapping[str, Any]) -> "MailServer":
    """A server for one test alone, not started: the session's settings, and over them those of its marker.

    Ports that are fixed for the session's server are free ones here: that server may be running.
    """
    __tracebackhide__ = True
    require()
    from mailtrap import MailServer

    settings = session_settings(config, configured)
    settings.update({name: 0 for name in _PORTS if settings.get(name)})
    return MailServer(**{**settings, **boot})
