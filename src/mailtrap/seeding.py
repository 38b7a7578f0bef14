"""Filling mailboxes from files or a description.

Sources: one mail (``.eml``), a folder of them, an mbox file, a Maildir (with Maildir++ subfolders), what ``exporting``
has written, a TOML file, or the same description as a mapping:

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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
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

DESCRIPTION: Final = "mailtrap.toml"  # beside what was exported: how to put it in again
FOLDER_KEYWORDS: Final = "dovecot-keywords"  # what the letters from a on mean, in the folders of a Maildir
OWN_HEADER: Final = "X-Mailtrap:"  # in front of a mail's header in an mbox: how many lines are not of the mail
MAILDIR_FLAGS: Final = {"D": "\\Draft", "F": "\\Flagged", "P": "$Forwarded", "R": "\\Answered", "S": "\\Seen",
                        "T": "\\Deleted"}  # fmt: skip
STATUS_FLAGS: Final = {"A": "\\Answered", "D": "\\Deleted", "F": "\\Flagged", "R": "\\Seen", "T": "\\Draft"}
_FROM_LINE: Final = re.compile(rb"(?:\A|(?<=\n\n)|(?<=\n\r\n))From [^\n]*\n")
_OWN: Final = OWN_HEADER.encode() + b" lines="
_OWN_LINE: Final = re.compile(
    rb"X-Mailtrap: lines=(?P<lines>\d{1,3}) octets=(?P<octets>\d{1,18}) date=(?P<date>-?\d{1,15}(?:\.\d{1,9})?)"
    rb" flags=(?P<flags>.*)"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_QUOTED_FROM: Final = re.compile(rb"^>(>*From )", re.MULTILINE)
_STATUS: Final = re.compile(rb"^(?:X-)?Status:[ \t]*([A-Z]*)", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail on its way into a mailbox.

    Attributes:
        source: its bytes, or the file that has them.
        name: what it is called when something is wrong.
        mailbox: where its source says it was, ``""`` where it says nothing.
    """

    source: bytes | Path
    name: str
    flags: tuple[str, ...] = ()
    internal_date: datetime | None = None
    mailbox: str = ""

    @property
    def raw(self) -> bytes:
        """Its bytes."""
        if isinstance(self.source, bytes):
            return self.source
        try:
            return self.source.read_bytes()
        except OSError as error:
            raise ConfigError(f"{self.source} cannot be read: {error.strerror or error}") from error


Begin = Callable[[int], Callable[[], None]]  # told how many mails there are; what it gives is called after each


def _unheard(_: int) -> Callable[[], None]:
    return lambda: None


def seed(server: "MailServer", source: Path | str | Mapping[str, Any], begin: Begin = _unheard) -> None:
    """Fill mailboxes of a server, or of a scope.

    Args:
        begin: is told how many mails are put in, before the first; what it returns is called after each.

    Raises:
        ConfigError: the source is none of those above, or a description does not fit; nothing was put in by a
            description whose form is wrong.
        StoreError: the store could not take it.
    """
    if isinstance(source, Mapping):
        _Description(source, Path()).apply(server, begin)
        return
    path = Path(source)
    if path.is_dir() and (path / DESCRIPTION).is_file():
        path = path / DESCRIPTION
    if path.suffix.lower() == ".toml":
        _Description(_load_toml(path), path.parent).apply(server, begin)
        return
    owner = path.name if path.is_dir() and "@" in path.name else None  # a Maildir is one account's, and may say whose
    mails = list(read(path))
    step = begin(len(mails))
    for mail in mails:
        recipients = [owner] if owner else _recipients(mail)
        server.deliver(
            mail.raw, recipients=recipients, mailbox=mail.mailbox or "INBOX", flags=mail.flags,
            internal_date=mail.internal_date,
        )  # fmt: skip
        step()


def read(path: Path) -> Iterator[Mail]:
    """The mails of a file or folder.

    Raises:
        ConfigError: it is none that is known, or there is no mail in it; an empty Maildir or ``.mbox`` is an empty
            mailbox.
    """
    if path.is_dir():
        if (path / "cur").is_dir() or (path / "new").is_dir():
            yield from _maildir(path)
            return
        files = sorted(path.glob("*.eml"))
        if not files:
            raise ConfigError(f"{path} is neither a Maildir nor a folder with .eml files")
        for file in files:
            yield Mail(file, str(file))
        return
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror or error}") from error
    if not content and path.suffix == ".mbox":
        return
    if not content.strip():
        raise ConfigError(f"{path} is empty")
    if content.startswith(b"From "):
        yield from _mbox(content, str(path))
    else:
        yield Mail(content, str(path))


def _maildir(root: Path) -> Iterator[Mail]:
    """``cur`` and ``new`` of the folder, and of its Maildir++ subfolders (``.Archive.2024`` is ``Archive/2024``)."""
    folders = [("INBOX", root)]
    folders += [(_folder_name(folder.name), folder) for folder in sorted(root.glob(".*")) if folder.is_dir()]
    for mailbox, folder in folders:
        letters_of = MAILDIR_FLAGS | _maildir_keywords(folder)
        for file in sorted([*folder.glob("new/*"), *folder.glob("cur/*")], key=lambda file: file.name):
            if file.name.startswith(".") or not file.is_file():
                continue
            _, found, letters = file.name.replace(";2,", ":2,").rpartition(":2,")
            flags = tuple(letters_of[letter] for letter in letters if found and letter in letters_of)
            delivered = _EPOCH + timedelta(microseconds=file.stat().st_mtime_ns // 1000)
            yield Mail(file, str(file), flags, delivered, mailbox)


def _folder_name(folder: str) -> str:
    """The name of a mailbox that a Maildir++ folder is of; octets that ``exporting`` could not write are escaped."""
    parts = folder[1:].split(".")
    return "/".join(re.sub(r"(?:%[0-9A-F]{2})+", _unescape, part) for part in parts)


def _unescape(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("%", "")).decode("utf-8", "surrogatepass")


def _maildir_keywords(folder: Path) -> dict[str, str]:
    """What letters in the names of files mean, as Dovecot notes it."""
    try:
        lines = (folder / FOLDER_KEYWORDS).read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return {}
    pairs = (line.split(" ", 1) for line in lines if " " in line)
    return {
        chr(ord("a") + int(number)): keyword for number, keyword in pairs if number.isdecimal() and int(number) < 26
    }


def _mbox(content: bytes, name: str) -> Iterator[Mail]:
    """The mails of an mbox file (RFC 4155). A quoted ``From`` line loses one ``>``; the empty line at the end goes."""
    starts = list(_FROM_LINE.finditer(content))
    ends = [start.start() for start in starts[1:]] + [len(content)]
    for number, (start, end) in enumerate(zip(starts, ends, strict=True), 1):
        raw = content[start.end() : end]
        if raw.startswith(_OWN):
            yield _own_mail(raw, f"{name}, mail {number}")
            continue
        for line_end in (b"\r\n", b"\n"):
            if raw.endswith(line_end * 2):
                raw = raw[: -len(line_end)]
                break
        raw = _QUOTED_FROM.sub(rb"\1", raw)
        header = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0]
        letters = b"".join(_STATUS.findall(header)).decode("ascii").upper()
        flags = tuple(dict.fromkeys(STATUS_FLAGS[letter] for letter in letters if letter in STATUS_FLAGS))
        yield Mail(raw, f"{name}, mail {number}", flags, _from_line_date(start.group()))


def _own_mail(content: bytes, name: str) -> Mail:
    """A mail that ``exporting`` has written: exactly as it was."""
    first, _, rest = content.partition(b"\n")
    found = _OWN_LINE.match(first)
    if found is None:
        raise ConfigError(f"{name} begins with a line that no export writes: {first[:80]!r}")
    flags = found["flags"].decode("utf-8", "surrogateescape").split()
    for _ in range(int(found["lines"])):
        line, _, rest = rest.partition(b"\n")
        field, _, value = line.decode("utf-8", "surrogateescape").partition(":")
        if field == "X-Keywords":
            flags += value.split()
        else:
            flags += [STATUS_FLAGS[letter] for letter in value if letter in STATUS_FLAGS]
    raw = _QUOTED_FROM.sub(rb"\1", rest)[: int(found["octets"])]
    if len(raw) != int(found["octets"]):
        raise ConfigError(f"{name} is cut off: it had {int(found['octets'])} octets, there are {len(raw)}")
    moment = _EPOCH + timedelta(seconds=float(found["date"]))
    return Mail(raw, name, tuple(dict.fromkeys(flags)), moment)


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

    def apply(self, server: "MailServer", begin: Begin) -> None:
        """Put everything in."""
        step = begin(sum(len(mailbox.mails) for plan in self._plans for mailbox in plan.mailboxes))
        for plan in self._plans:
            account = server.add_account(plan.address, plan.password, quota=plan.quota)
            for mailbox in plan.mailboxes:
                target = _open_mailbox(account, mailbox)
                if not mailbox.subscribed:
                    account.subscribe(mailbox.name, False)
                for mail in mailbox.mails:
                    target.append(mail.raw, flags=mail.flags, internal_date=mail.internal_date)
                    step()

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
            # of a Maildir its own folder: the others are described as mailboxes of their own
            return [mail for mail in read(self._folder / content) if mail.mailbox in ("", "INBOX")]
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
            path = self._folder / _typed(fields, "file", str, where)
            # one that is called so is one mail, whatever is in it
            found = [Mail(path, str(path))] if path.suffix == ".eml" and path.is_file() else list(read(path))
            return [
                Mail(mail.source, mail.name, (*mail.flags, *flags), internal_date or mail.internal_date)
                for mail in found
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
