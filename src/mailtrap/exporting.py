"""Mail of accounts into files: mbox, Maildir or a folder of .eml, with a description beside that ``seed()`` reads.

Below the target is one folder for each account, and ``mailtrap.toml``, which says what files cannot: passwords, which
mailbox is ``\\Sent`` or ``\\Drafts``, and for .eml flags and dates. ``seeding`` reads all of it again: bytes exactly,
mailboxes, flags and internal dates.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from .errors import ConfigError
from .seeding import DESCRIPTION, FOLDER_KEYWORDS, MAILDIR_FLAGS, OWN_HEADER, STATUS_FLAGS

if TYPE_CHECKING:
    from .mailboxes import Account, Mailbox
    from .message.model import Copy

Format = Literal["mbox", "maildir", "eml"]
FORMATS: Final[tuple[Format, ...]] = ("mbox", "maildir", "eml")

_FROM: Final = re.compile(rb"^(>*From )", re.MULTILINE)
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+\Z")


def number(accounts: Sequence["Account"]) -> int:
    """How many copies there are to be written."""
    return sum(mailbox.status.messages for account in accounts for mailbox in account.mailboxes)


def export(accounts: Sequence["Account"], target: Path, form: Format, step: Callable[[], None] = lambda: None) -> int:
    """Write all mail of accounts below a folder; how many copies were written.

    Args:
        target: it is made; it must be empty.
        step: is called after each copy.

    Raises:
        ConfigError: the folder is not empty or cannot be written.
    """
    written = 0
    try:
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise ConfigError(f"{target} is not empty: an export begins a new folder")
        description: list[str] = []
        for account in accounts:
            folder = target / escaped(str(account.address))
            folder.mkdir()
            description += _account_lines(account)
            for mailbox in account.mailboxes:
                if not mailbox.row.selectable:
                    continue
                lines = []
                for line in _WRITERS[form](folder, mailbox):
                    lines.append(line)
                    written += 1
                    step()
                path = _place(folder, mailbox.name, form).relative_to(target).as_posix()
                description += _mailbox_lines(account, mailbox, path, lines if form == "eml" else None)
        (target / DESCRIPTION).write_text("\n".join([*description, ""]), "utf-8")
    except OSError as error:
        raise ConfigError(f"{target} cannot be written: {error.strerror or error}") from error
    return written


def _place(folder: Path, name: str, form: Format) -> Path:
    """Where the mail of a mailbox is."""
    parts = [escaped(part) for part in name.split("/")]
    if form == "maildir":  # Maildir++: INBOX is the folder itself, a hierarchy is written with dots
        return folder if name == "INBOX" else folder / f".{'.'.join(part.replace('.', '%2E') for part in parts)}"
    if form == "mbox":
        return folder.joinpath(*parts[:-1], f"{parts[-1]}.mbox")
    return folder.joinpath(*parts)


def escaped(name: str) -> str:
    """A name as that of a file: ``%`` and two digits for each octet that may not stand there."""

    def write(match: re.Match[str]) -> str:
        return "".join(f"%{octet:02X}" for octet in match[0].encode("utf-8", "surrogatepass"))

    return re.sub(r'[%/\\:*?"<>|\x00-\x1f\x7f\ud800-\udfff]|^\.|^ | $|\.$', write, name)


# ---------------------------------------------------------------- the three forms


def _mbox(folder: Path, mailbox: "Mailbox") -> Iterator[str]:
    """mboxrd (RFC 4155). What is ours stands in front of each mail's own header, and says how long the mail is."""
    path = _place(folder, mailbox.name, "mbox")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for copy in mailbox.messages:
            raw = copy.raw
            at = copy.internal_date.astimezone(UTC)
            sender = str(copy.mail_from).encode("ascii", "replace").replace(b" ", b"_") or b"MAILER-DAEMON"
            file.write(b"From %b %b\n" % (sender, at.strftime("%a %b %d %H:%M:%S %Y").encode("ascii")))
            file.write(_own_header(copy, len(raw), at))
            file.write(_FROM.sub(rb">\1", raw))
            file.write(b"\n" if raw.endswith(b"\n") else b"\n\n")
            yield ""


def _own_header(copy: "Copy", size: int, at: datetime) -> bytes:
    status = {letter for letter, flag in STATUS_FLAGS.items() if flag in copy.flags}
    keywords = sorted(flag for flag in copy.flags if not flag.startswith("\\"))
    lines = [
        f"Status: {'R' if 'R' in status else ''}O",
        f"X-Status: {''.join(sorted(status - {'R'}))}",
        f"X-Keywords: {' '.join(keywords)}",
    ]
    other = sorted(flag for flag in copy.flags if flag.startswith("\\") and flag not in STATUS_FLAGS.values())
    first = f"{OWN_HEADER} lines={len(lines)} octets={size} date={at.timestamp()!r} flags={' '.join(other)}"
    return "".join(f"{line}\n" for line in (first, *lines)).encode("utf-8", "surrogateescape")


def _maildir(folder: Path, mailbox: "Mailbox") -> Iterator[str]:
    path = _place(folder, mailbox.name, "maildir")
    for name in ("tmp", "new", "cur"):
        (path / name).mkdir(parents=True, exist_ok=True)
    if path != folder:
        (path / "maildirfolder").touch()  # Maildir++ marks its folders so
    known: dict[str, str] = {}  # keyword to letter, as Dovecot has them
    info = ";" if os.name == "nt" else ":"
    for copy in mailbox.messages:
        letters = [letter for letter, flag in MAILDIR_FLAGS.items() if flag in copy.flags]
        for keyword in sorted(copy.flags - set(MAILDIR_FLAGS.values())):
            if keyword not in known:
                if len(known) == 26:
                    raise ConfigError(f"{mailbox!r}: a Maildir has no more than 26 keywords; choose another format")
                known[keyword] = chr(ord("a") + len(known))
            letters.append(known[keyword])
        file = path / "cur" / f"{copy.uid:010d}.mailtrap{info}2,{''.join(sorted(letters))}"
        file.write_bytes(copy.raw)
        moment = round(copy.internal_date.timestamp() * 1_000_000) * 1000
        os.utime(file, ns=(moment, moment))
        yield ""
    if known:
        lines = [f"{ord(letter) - ord('a')} {keyword}\n" for keyword, letter in known.items()]
        (path / FOLDER_KEYWORDS).write_text("".join(lines), "utf-8")


def _eml(folder: Path, mailbox: "Mailbox") -> Iterator[str]:
    path = _place(folder, mailbox.name, "eml")
    path.mkdir(parents=True, exist_ok=True)
    for copy in mailbox.messages:
        file = path / f"{copy.uid:06d}.eml"
        file.write_bytes(copy.raw)
        flags = ", ".join(quoted(flag) for flag in sorted(copy.flags))
        where = quoted(file.relative_to(folder.parent).as_posix())
        moment = copy.internal_date.astimezone(UTC).isoformat()
        yield f"{{ file = {where}, flags = [{flags}], internal_date = {moment} }}"


_WRITERS: Final = {"mbox": _mbox, "maildir": _maildir, "eml": _eml}


# ---------------------------------------------------------------- the description


def quoted(value: str) -> str:
    """A text as TOML writes it."""
    escapes = {'"': '\\"', "\\": "\\\\"}
    text = value.encode("utf-8", "replace").decode("utf-8")
    return '"' + re.sub(r'["\\\x00-\x1f\x7f]', lambda m: escapes.get(m[0], f"\\u{ord(m[0]):04x}"), text) + '"'


def _account_lines(account: "Account") -> list[str]:
    lines = [f"[{quoted(str(account.address))}]"]
    if account.password is not None:
        lines.append(f"password = {quoted(account.password)}")
    return [*lines, ""]


def _mailbox_lines(account: "Account", mailbox: "Mailbox", path: str, mails: Sequence[str] | None) -> list[str]:
    name = mailbox.name if _BARE_KEY.match(mailbox.name) else quoted(mailbox.name)
    lines = [f"[{quoted(str(account.address))}.mailboxes.{name}]"]
    if mailbox.special_use:
        lines.append(f"special_use = {quoted(min(mailbox.special_use))}")
    if mailbox.name not in account.subscriptions:
        lines.append("subscribed = false")
    if mails is None:
        lines.append(f"messages = {quoted(path)}")
    else:
        lines += ["messages = [", *(f"    {mail}," for mail in mails), "]"]
    return [*lines, ""]
