"""Filling mailboxes from files or a description.

Sources: one mail (``.eml``), a folder of them, an mbox file, a Maildir (with Maildir++ subfolders), a TOML file, or
the same description as a mapping:

    ["bob@example.com"]
    password = "pw"
    quota = 1000000

    ["bob@example.com".mailboxes]
    Archive = "archive.mbox"                              # every mail of a source; paths are relative to the TOML file

    [["bob@example.com".mailboxes.INBOX]]
    from = "alice@example.com"
    subject = "Hello"
    text = "Hi Bob"
    flags = ['\\Seen']
    internal_date = 2024-05-01T10:00:00Z

    ["bob@example.com".mailboxes.Sent]
    special_use = '\\Sent'
    messages = ["one.eml", { file = "two.eml", flags = ['\\Flagged'] }]

A mail without a description goes to whom its headers name. What is put in was placed, not submitted: no wait for
submitted mail sees it. Bytes are kept as they are in the file.
"""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from .errors import ConfigError, NoSuchMailbox
from .message.compose import to_bytes

if TYPE_CHECKING:
    from .mailboxes import Account
    from .server import MailServer

_ACCOUNT: Final = ("password", "quota", "mailboxes")
_MAILBOX: Final = ("special_use", "subscribed", "messages")
_COMPOSED: Final = ("from", "to", "cc", "subject", "text", "html", "headers")
_MESSAGE: Final = ("file", "flags", "internal_date", *_COMPOSED)

_MAILDIR_FLAGS: Final = {"D": "\\Draft", "F": "\\Flagged", "P": "$Forwarded", "R": "\\Answered", "S": "\\Seen",
                         "T": "\\Deleted"}  # fmt: skip
_STATUS_FLAGS: Final = {"A": "\\Answered", "D": "\\Deleted", "F": "\\Flagged", "R": "\\Seen", "T": "\\Draft"}
_FROM_LINE: Final = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\n")
_QUOTED_FROM: Final = re.compile(rb"^>(>*From )", re.MULTILINE)
_STATUS: Final = re.compile(rb"^(?:X-)?Status:[ \t]*([A-Z]*)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail on its way into a mailbox. ``mailbox``: where its source says it was, ``""`` where it says nothing."""

    raw: bytes
    name: str
    flags: tuple[str, ...] = ()
    internal_date: datetime | None = None
    mailbox: str = ""


def seed(server: "MailServer", source: Path | str | Mapping[str, Any]) -> None:
    """Fill mailboxes of a server, or of a scope.

    Raises:
        ConfigError: the source is none of those above, or a description does not fit; nothing was put in by a
            description whose form is wrong.
        StoreError: the store could not take it.
    """
    if isinstance(source, Mapping):
        _Description(source, Path()).apply(server)
        return
    path = Path(source)
    if path.suffix.lower() == ".toml":
        _Description(_load_toml(path), path.parent).apply(server)
        return
    owner = path.name if path.is_dir() and "@" in path.name else None  # a Maildir is one account's, and may say whose
    for mail in list(read(path)):
        recipients = [owner] if owner else _recipients(mail)
        server.deliver(
            mail.raw, recipients=recipients, mailbox=mail.mailbox or "INBOX", flags=mail.flags,
            internal_date=mail.internal_date,
        )  # fmt: skip


def read(path: Path) -> Iterator[Mail]:
    """The mails of a file or folder.

    Raises:
        ConfigError: it is none that is known, or there is no mail in it.
    """
    if path.is_dir():
        if (path / "cur").is_dir() or (path / "new").is_dir():
            yield from _maildir(path)
            return
        files = sorted(path.glob("*.eml"))
        if not files:
            raise ConfigError(f"{path} is neither a Maildir nor a folder with .eml files")
        for file in files:
            yield Mail(file.read_bytes(), str(file))
        return
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    if not content.strip():
        raise ConfigError(f"{path} is empty")
    if content.startswith(b"From "):
        yield from _mbox(content, str(path))
    else:
        yield Mail(content, str(path))


def _maildir(root: Path) -> Iterator[Mail]:
    """``cur`` and ``new`` of the folder, and of its Maildir++ subfolders (``.Archive.2024`` is ``Archive/2024``)."""
    folders = [("INBOX", root)]
    folders += [(folder.name[1:].replace(".", "/"), folder) for folder in sorted(root.glob(".*")) if folder.is_dir()]
    for mailbox, folder in folders:
        for file in sorted([*folder.glob("new/*"), *folder.glob("cur/*")], key=lambda file: file.name):
            if file.name.startswith(".") or not file.is_file():
                continue
            letters = file.name.rpartition(":2,")[2] if ":2," in file.name else ""
            flags = tuple(_MAILDIR_FLAGS[letter] for letter in letters if letter in _MAILDIR_FLAGS)
            delivered = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            yield Mail(file.read_bytes(), str(file), flags, delivered, mailbox)


def _mbox(content: bytes, name: str) -> Iterator[Mail]:
    """The mails of an mbox file (RFC 4155). A quoted ``From`` line loses one ``>``; the empty line at the end goes."""
    starts = list(_FROM_LINE.finditer(content))
    ends = [start.start() for start in starts[1:]] + [len(content)]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1):
        raw = content[start.end() : end]
        for line_end in (b"\r\n", b"\n"):
            if raw.endswith(line_end * 2):
                raw = raw[: -len(line_end)]
                break
        raw = _QUOTED_FROM.sub(rb"\1", raw)
        header = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
        letters = b"".join(_STATUS.findall(header)).decode("ascii").upper()
        flags = tuple(dict.fromkeys(_STATUS_FLAGS[letter] for letter in letters if letter in _STATUS_FLAGS))
        yield Mail(raw, f"{name}, mail {number}", flags, _from_line_date(start.group()))


def _from_line_date(line: bytes) -> datetime | None:
    """``From bob@example.com Wed May  1 10:00:00 2024`` is UTC (RFC 4155, Appendix A); None where it is not so."""
    words = line.decode("ascii", "replace").split()[-5:]
    try:
        return datetime.strptime(" ".join(words), "%a %b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError:
        return None


def _recipients(mail: Mail) -> list[str]:
    """Whom the headers name: Delivered-To, or else To, Cc and Bcc."""
    from email import message_from_bytes, policy
    from email.utils import getaddresses

    header = re.split(rb"\r?\n\r?\n", mail.raw, maxsplit=1)[0]
    message = message_from_bytes(header + b"\r\n\r\n", policy=policy.compat32)
    for names in (("Delivered-To",), ("To", "Cc", "Bcc")):
        values = [str(value) for name in names for value in message.get_all(name, [])]
        if found := [address for _, address in getaddresses(values) if "@" in address]:
            return list(dict.fromkeys(found))
    raise ConfigError(f"{mail.name} names no recipient: describe whose mailbox it goes to")


# ---------------------------------------------------------------- descriptions


def _load_toml(path: Path) -> Mapping[str, Any]:
    import tomllib

    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no TOML: {error}") from error


@dataclass(frozen=True, slots=True)
class _MailboxPlan:
    name: str
    special_use: str | None
    subscribed: bool
    mails: Sequence[Mail]


@dataclass(frozen=True, slots=True)
class _AccountPlan:
    address: str
    password: str | None
    quota: int | None
    mailboxes: Sequence[_MailboxPlan]


class _Description:
    """A description, read and checked as a whole before anything is put in."""

    def __init__(self, accounts: Mapping[str, Any], folder: Path) -> None:
        self._folder = folder
        self._plans = [self._account(address, content) for address, content in accounts.items()]

    def apply(self, server: "MailServer") -> None:
        """Put everything in."""
        for plan in self._plans:
            account = server.add_account(plan.address, plan.password, quota=plan.quota)
            for mailbox in plan.mailboxes:
                target = _open_mailbox(account, mailbox)
                for mail in mailbox.mails:
                    target.append(mail.raw, flags=mail.flags, internal_date=mail.internal_date)

    def _account(self, address: str, content: Any) -> _AccountPlan:
        if "@" not in address:
            raise ConfigError(f"{address!r} is no address of an account")
        fields = _table(content, _ACCOUNT, address)
        password = _typed(fields, "password", str, address)
        quota = _typed(fields, "quota", int, address)
        mailboxes = _typed(fields, "mailboxes", Mapping, address) or {}
        plans = [self._mailbox(name, content, f"{address}, {name}") for name, content in mailboxes.items()]
        return _AccountPlan(address, password, quota, plans)

    def _mailbox(self, name: str, content: Any, where: str) -> _MailboxPlan:
        if not isinstance(content, Mapping):
            return _MailboxPlan(name, None, True, self._mails(content, where))
        fields = _table(content, _MAILBOX, where)
        subscribed = _typed(fields, "subscribed", bool, where)
        return _MailboxPlan(
            name, _typed(fields, "special_use", str, where), subscribed is not False,
            self._mails(fields.get("messages", []), where),
        )  # fmt: skip

    def _mails(self, content: Any, where: str) -> list[Mail]:
        if isinstance(content, str | Path):
            return list(read(self._folder / content))
        if not isinstance(content, Iterable) or isinstance(content, bytes | Mapping):
            raise ConfigError(f"{where}: messages are a list, or the path of a file or folder, not {content!r}")
        return [mail for item in content for mail in self._mail(item, where)]

    def _mail(self, item: Any, where: str) -> list[Mail]:
        if isinstance(item, str | Path):
            return list(read(self._folder / item))
        if not isinstance(item, Mapping):
            try:
                return [Mail(to_bytes(item), where)]
            except TypeError as error:
                raise ConfigError(f"{where}: {error}") from error
        fields = _table(item, _MESSAGE, where)
        flags = _strings(fields, "flags", where)
        internal_date = _moment(fields.get("internal_date"), where)
        if "file" in fields:
            if composed := sorted(set(fields) & set(_COMPOSED)):
                raise ConfigError(f"{where}: a mail is a file or has {', '.join(composed)}, not both")
            found = list(read(self._folder / _typed(fields, "file", str, where)))
            return [
                Mail(mail.raw, mail.name, (*mail.flags, *flags), internal_date or mail.internal_date) for mail in found
            ]
        return [Mail(_compose(fields, where), where, tuple(flags), internal_date)]


def _open_mailbox(account: "Account", plan: _MailboxPlan) -> Any:
    try:
        return account.mailbox(plan.name)
    except NoSuchMailbox:
        return account.create(plan.name, special_use=plan.special_use, subscribed=plan.subscribed)


def _compose(fields: Mapping[str, Any], where: str) -> bytes:
    from email.message import EmailMessage

    mail = EmailMessage()
    try:
        for name in ("from", "to", "cc", "subject"):
            if name in fields:
                value = fields[name]
                mail[name.capitalize()] = value if isinstance(value, str) else ", ".join(value)
        for name, value in (_typed(fields, "headers", Mapping, where) or {}).items():
            mail[name] = value
        text, html = _typed(fields, "text", str, where), _typed(fields, "html", str, where)
        mail.set_content(text or "") if text is not None or html is None else mail.set_content(html, subtype="html")
        if text is not None and html is not None:
            mail.add_alternative(html, subtype="html")
    except (ValueError, TypeError, IndexError, AttributeError) as error:  # what the library's headers raise
        raise ConfigError(f"{where}: no mail can be made of this: {error}") from error
    return to_bytes(mail)


# ---------------------------------------------------------------- checks


def _table(content: Any, known: Sequence[str], where: str) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where} is described by a table of {', '.join(known)}, not {content!r}")
    for name in content:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, 1)
            raise ConfigError(
                f"{where}: there is no {name!r}; " + (f"the nearest is {near[0]!r}" if near else ", ".join(known))
            )
    return content


def _typed(fields: Mapping[str, Any], name: str, kind: Any, where: str) -> Any:
    value = fields.get(name)
    if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
        raise ConfigError(f"{where}: {name} is a {kind.__name__.lower()}, not {value!r}")
    return value


def _strings(fields: Mapping[str, Any], name: str, where: str) -> list[str]:
    value = fields.get(name, [])
    if isinstance(value, str) or not isinstance(value, Iterable) or not all(isinstance(word, str) for word in value):
        raise ConfigError(f"{where}: {name} is a list of str, not {value!r}")
    return list(value)


def _moment(value: Any, where: str) -> datetime | None:
    """A moment; without a time zone it is UTC, a day is its beginning."""
    if value is None or isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ConfigError(f"{where}: internal_date is a date and time, not {value!r}")
