"""The plugin's settings: where they come from, and which source wins.

Marker, then command line, then environment, then the fixture ``mailtrap_config``, then ini file, then the default.
"""

import os
from typing import Any, Final, NamedTuple

import pytest

from .distribution import require

# The server's settings that an ini file can say, as ``mailtrap_<name>``: kind and meaning. ``mailtrap.config`` is the
# truth; it is not asked, because a plugin that is loaded at each start of pytest imports nothing. A test compares.
INI: Final[dict[str, tuple[str, str]]] = {
    "store": ("text", "where mail is kept: memory, sqlite:///PATH, sqlite:///PATH?compress=zstd, or postgresql://..."),
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
    "seed": (
        "words",
        "files and folders (.eml, mbox, Maildir, TOML, an export) whose mail is put into a store that has none yet",
    ),
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
    "report": (
        ("failed", "always", "never"), "failed",
        "whose report has a section on its mail: of tests that fail, of all (-rA shows it), of none",
    ),
    "artifacts": (
        ("off", "on", "retain-on-failure"), "retain-on-failure",
        "whose mail is kept as files, with the conversations and a page: of no test, of all, of those that fail",
    ),
}  # fmt: skip

# What is on or off, as ``--mailtrap-<name>`` and ``mailtrap_<name>``.
FLAGS: Final[dict[str, str]] = {
    "exclusive": "nobody else uses the server of --mailtrap-url: mail for whatever domain belongs to the running test",
    "viewer": "say where the viewer is when the mail server starts",
    "pause-on-failure": "when a test fails, keep the viewer open until Enter is pressed",
    "block-smtp": "a connection to port 25, 465, 587 or 2525 of another host is an error that names the test",
}


def add(parser: pytest.Parser) -> None:
    """Register command line options and ini names."""
    group = parser.getgroup("mailtrap", "mailtrap, a mail server for tests")
    group.addoption(
        "--mailtrap-url", metavar="URL", default=None,
        help="use the mail server whose HTTP listener is there, as http://mailtrap:8025, instead of one in the process",
    )  # fmt: skip
    parser.addini("mailtrap_url", "mailtrap: the same as --mailtrap-url", default=None)
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
    for name, meaning in FLAGS.items():
        group.addoption(f"--mailtrap-{name}", action="store_true", default=None, help=meaning)
        parser.addini(f"mailtrap_{name.replace('-', '_')}", f"mailtrap: {meaning}", type="bool", default=False)
    parser.addini("mailtrap_strict", "mailtrap: mail that a test did not look at fails it", type="bool", default=False)
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


def flag(config: pytest.Config, name: str) -> bool:
    """Whether one of ``FLAGS`` is on, or ``strict``."""
    name = f"mailtrap_{name.replace('-', '_')}"
    return bool(config.getoption(name, None) or config.getini(name))


class URL(NamedTuple):
    """Where a server runs that is to be used, and who said so."""

    url: str
    source: str


def url(config: pytest.Config) -> URL | None:
    """The server to be used instead of one in the process; None where there is none. An empty one is none."""
    if (value := config.getoption("mailtrap_url")) is not None:
        found = URL(value, "--mailtrap-url")
    elif (value := os.environ.get("MAILTRAP_URL")) is not None:
        found = URL(value, "environment variable MAILTRAP_URL")
    else:
        found = URL(config.getini("mailtrap_url") or "", "ini option mailtrap_url")
    return found if found.url else None


def check(config: pytest.Config) -> None:
    """See whether what was chosen goes together.

    Raises:
        pytest.UsageError: it does not.
    """
    for name in CHOICES:
        chosen(config, name)
    workers = len(getattr(config.option, "tx", None) or ())  # of pytest-xdist
    if workers and flag(config, "pause-on-failure"):
        raise pytest.UsageError("--mailtrap-pause-on-failure waits for a key, and workers have none: use -n0")
    if workers and flag(config, "viewer") and url(config) is None:
        raise pytest.UsageError("--mailtrap-viewer shows one server, and each worker has its own: use -n0")
    if workers > 1 and flag(config, "exclusive") and url(config) is not None:
        raise pytest.UsageError(
            f"--mailtrap-exclusive means that nobody else uses the server, and {workers} workers would: use -n0, or "
            "leave it away and send to mailserver.address()"
        )


class Marked(NamedTuple):
    """What the markers of a test say."""

    boot: dict[str, Any]
    live: dict[str, Any]


def marked(node: pytest.Item) -> Marked:
    """The settings of ``@pytest.mark.mailtrap(**settings)``: those of the test win over its class's and module's.

    Raises:
        pytest.UsageError: an unknown setting (with the nearest valid one), a value that does not fit, or a boot setting
            where the server runs elsewhere.
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
        found = Marked(*split(merged))
    except ConfigError as error:
        raise pytest.UsageError(f"pytest.mark.mailtrap: {error}") from None
    if found.boot and (there := url(node.config)) is not None:
        raise pytest.UsageError(
            f"pytest.mark.mailtrap: {min(found.boot)} cannot change for one test: it is fixed when a server starts, "
            f"and the one at {there.url} ({there.source}) runs already"
        )
    return found
