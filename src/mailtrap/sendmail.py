"""``mailtrap sendmail``: what programs expect of /usr/sbin/sendmail, sending to an SMTP server.

A mail that lacks From, Date or Message-ID gets them, as a mail system does for what is submitted on the machine itself
(RFC 6409, 8). Lines may end with LF; they are sent with CRLF.
"""

import re
import smtplib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.utils import formataddr, formatdate, getaddresses, make_msgid
from typing import Final

# sysexits.h
OK: Final = 0
USAGE: Final = 64
NO_USER: Final = 67
UNAVAILABLE: Final = 69
TEMPORARY: Final = 75

_WITH_VALUE: Final = "BCdhLNnOoprRVX"  # options with a value that mean nothing here
_FIELD: Final = re.compile(rb"[!-9;-~]+[ \t]*:")
_BCC: Final = re.compile(rb"^(?:Resent-)?Bcc[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", re.IGNORECASE | re.MULTILINE)
_MISSING: Final = "nobody"


@dataclass(slots=True)
class _Asked:
    recipients: list[str] = field(default_factory=list)
    from_header: bool = False  # -t
    dot_is_text: bool = False  # -i
    sender: str | None = None
    name: str = ""


class _Wrong(Exception):
    """The command line cannot be understood."""


def main(arguments: Sequence[str], read: Callable[[], bytes], environment: Mapping[str, str]) -> int:
    """Send one mail; the exit code."""
    import click

    host = environment.get("MAILTRAP_SMTP_HOST") or "127.0.0.1"
    port = environment.get("MAILTRAP_SMTP_PORT") or "1025"
    try:
        asked = _read(arguments)
        raw = prepared(read(), asked.sender, asked.name, dot_is_text=asked.dot_is_text)
        recipients = list(dict.fromkeys([*asked.recipients, *(_named(raw) if asked.from_header else ())]))
        if not recipients:
            raise _Wrong("no recipient: name one, or say -t to take them from the header")
        if not port.isdecimal():
            raise _Wrong(f"MAILTRAP_SMTP_PORT is a port, not {port!r}")
    except _Wrong as error:
        click.echo(f"mailtrap sendmail: {error}", err=True)
        return USAGE
    sender = asked.sender if asked.sender is not None else _sender(raw)
    try:
        with smtplib.SMTP(host, int(port), local_hostname="localhost", timeout=30) as smtp:
            refused = smtp.sendmail(sender.strip("<>"), recipients, _without_bcc(raw) if asked.from_header else raw)
    except smtplib.SMTPRecipientsRefused as error:
        refused = error.recipients
        return _told(refused.items(), click.echo)
    except smtplib.SMTPResponseException as error:
        text = error.smtp_error if isinstance(error.smtp_error, str) else error.smtp_error.decode("utf-8", "replace")
        click.echo(f"mailtrap sendmail: {host}:{port}: {error.smtp_code} {text}", err=True)
        return TEMPORARY if error.smtp_code < 500 else UNAVAILABLE
    except (OSError, smtplib.SMTPException) as error:
        click.echo(f"mailtrap sendmail: {host}:{port}: {error}", err=True)
        return TEMPORARY
    return _told(refused.items(), click.echo)


def _told(refused: Iterable[tuple[str, tuple[int, bytes]]], echo: Callable[..., None]) -> int:
    code = OK
    for recipient, (reply, text) in refused:
        echo(f"mailtrap sendmail: {recipient}: {reply} {text.decode('utf-8', 'replace')}", err=True)
        code = max(code, TEMPORARY if reply < 500 else NO_USER)
    return code


def _read(arguments: Sequence[str]) -> _Asked:
    asked = _Asked()
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            asked.recipients += rest
            break
        if not argument.startswith("-") or argument == "-":
            asked.recipients.append(argument)
            continue
        letter, value = argument[1:2], argument[2:]
        if letter in ("f", "r", "F"):  # -r is an old -f
            if not value and not rest:
                raise _Wrong(f"-{letter} is followed by a value")
            value = value or rest.pop(0)
            if letter == "F":
                asked.name = value
            else:
                asked.sender = value
        elif letter in ("t", "i"):
            _short(argument[1:], asked)
        elif argument == "-oi":
            asked.dot_is_text = True
        elif letter == "b" and value != "m":
            raise _Wrong(f"{argument}: only delivering mail (-bm) is known here")
        elif letter in _WITH_VALUE and not value and letter not in "noBV" and rest:
            rest.pop(0)
    return asked


def _short(letters: str, asked: _Asked) -> None:
    """``-t``, ``-i``, and both together, as PHP writes them."""
    for letter in letters:
        if letter == "t":
            asked.from_header = True
        elif letter == "i":
            asked.dot_is_text = True


def prepared(raw: bytes, sender: str | None, name: str, *, dot_is_text: bool) -> bytes:
    """The mail as it is sent: lines with CRLF, ended at a dot alone unless that is text, with what it lacks."""
    if not dot_is_text and (end := re.search(rb"^\.\r?$", raw, re.MULTILINE)) is not None:
        raw = raw[: end.start()]
    raw = re.sub(rb"\r?\n", b"\r\n", raw)
    if raw and not raw.endswith(b"\r\n"):
        raw += b"\r\n"
    first = raw.partition(b"\r\n")[0]
    header = message_from_bytes(_header(raw), policy=policy.compat32)
    lines = []
    if "From" not in header:
        lines.append(f"From: {formataddr((name, (sender or _MISSING).strip('<>')))}")
    if "Date" not in header:
        lines.append(f"Date: {formatdate(localtime=True)}")
    if "Message-ID" not in header:
        lines.append(f"Message-ID: {make_msgid(domain='mailtrap.test')}")
    if not lines:
        return raw
    gap = b"" if _FIELD.match(first) or not first else b"\r\n"  # a body alone has no header to stand in front of
    return "".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape") + gap + raw


def _header(raw: bytes) -> bytes:
    if raw.startswith(b"\r\n"):
        return b""
    return raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


def _named(raw: bytes) -> list[str]:
    """Recipients in the header; those of a mail that is sent again where it has them (RFC 5322, 3.6.6)."""
    header = message_from_bytes(_header(raw), policy=policy.compat32)
    for prefix in ("Resent-", ""):
        values = [str(value) for name in ("To", "Cc", "Bcc") for value in header.get_all(prefix + name, [])]
        if found := [address for _, address in getaddresses(values) if address]:
            return found
    return []


def _sender(raw: bytes) -> str:
    header = message_from_bytes(_header(raw), policy=policy.compat32)
    values = [str(value) for value in header.get_all("From", [])]
    return next((address for _, address in getaddresses(values) if address), _MISSING)


def _without_bcc(raw: bytes) -> bytes:
    """The mail without Bcc fields: recipients of the header are told of the others, but not of these."""
    header = _header(raw)
    kept = re.sub(
        rb"^(?:Resent-)?Bcc[ \t]*:[^\r\n]*\r\n(?:[ \t][^\r\n]*\r\n)*", b"", header, flags=re.IGNORECASE | re.MULTILINE
    )
    return kept + raw[len(header) :]
