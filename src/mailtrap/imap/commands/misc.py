"""Commands of any state: CAPABILITY, NOOP, LOGOUT; CHECK; and ID, ENABLE, NAMESPACE."""

from functools import lru_cache
from typing import TYPE_CHECKING, Final

from .. import capabilities, responses, utf7
from ..command import AFTER_LOGIN, ANY, WITH_MAILBOX, Handled, command
from ..responses import Reply
from ..tokens import Scanner, SyntaxFault

if TYPE_CHECKING:
    from ..session import IMAPSession

# RFC 2971, 3.3: pairs in one command, octets of a field's name and of its value
_ID_FIELDS: Final = 30
_ID_NAME: Final = 30
_ID_VALUE: Final = 1024
# capabilities that have to be enabled (RFC 5161, 3.1)
_ENABLABLE: Final = frozenset({"CONDSTORE", "QRESYNC", "IMAP4REV2", "UTF8=ACCEPT", "UIDONLY"})


@command("CAPABILITY", ANY, arguments=False)
def capability(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.1.1."""
    del scanner, uid
    yield b"* CAPABILITY %b\r\n" % (yield from capabilities.offered(session))
    return None


@command("NOOP", ANY, arguments=False)
def noop(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.1.2: what is new is told before every tagged reply, and so before this."""
    del session, scanner, uid
    yield from ()
    return None


@command("CHECK", WITH_MAILBOX, arguments=False)
def check(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.4.1: the store is always up to date."""
    del session, scanner, uid
    yield from ()
    return None


@command("LOGOUT", ANY, arguments=False, fresh=True)
def logout(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 3501, 6.1.3. Nothing is expunged."""
    del scanner, uid
    session.logging_out = True
    session.view = None
    yield Reply("BYE", "Logging out").line()
    return Reply("OK", "LOGOUT completed")


@command("ID", ANY)
def identify(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 2971: who the client is goes into the transcript by itself. Its limits are on what clients may send."""
    del session, uid
    if not scanner.nil():
        start = scanner.position
        fields = scanner.items(lambda: _field(scanner), empty=True)
        if len(fields) > _ID_FIELDS:
            raise SyntaxFault(f"More than {_ID_FIELDS} fields", start)
        if len(set(fields)) < len(fields):
            raise SyntaxFault("A field stands twice", start)
    scanner.end()
    yield b'* ID ("name" "mailtrap" "version" %b)\r\n' % responses.nstring(_version())
    return None


@lru_cache(maxsize=1)
def _version() -> bytes | None:
    """The version of what is installed; None where it runs without having been installed."""
    from importlib import metadata

    try:
        return metadata.version("pytest-mailtrap").encode("ascii")
    except metadata.PackageNotFoundError:
        return None


def _field(scanner: Scanner) -> bytes:
    """One field and its value, which nobody asks for; the field's name, which is the same in any case."""
    start = scanner.position
    name = scanner.string()
    if len(name) > _ID_NAME:
        raise SyntaxFault(f"A field's name of more than {_ID_NAME} octets", start)
    scanner.space()
    start = scanner.position
    if len(scanner.nstring() or b"") > _ID_VALUE:
        raise SyntaxFault(f"A value of more than {_ID_VALUE} octets", start)
    return name.lower()


@command("ENABLE", AFTER_LOGIN)
def enable(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 5161, 3.1: what is unknown, or needs no enabling, is passed over."""
    del uid
    asked = [scanner.word("the name of a capability")]
    while not scanner.ended:
        scanner.space()
        asked.append(scanner.word("the name of a capability"))
    enabled = [name for name in dict.fromkeys(asked) if name in _ENABLABLE and session.offers(name)]
    names = [capabilities.BY_NAME[name].name for name in enabled]
    yield b"* ENABLED%b\r\n" % b"".join(b" " + name.encode("ascii") for name in names)
    if "IMAP4REV2" in enabled and session.view is not None:
        session.view.forget_recent()
    if not {"CONDSTORE", "QRESYNC"}.isdisjoint(enabled) and (
        told := session.enable_condstore()
    ):  # QRESYNC is CONDSTORE too (RFC 7162, 3.2.3)
        yield told
    session.enabled.update(enabled)
    return None


@command("NAMESPACE", AFTER_LOGIN, arguments=False)
def namespace(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 2342: one's own mailboxes, other users', and none that belong to nobody."""
    del scanner, uid
    names = session.names
    separator = names.separator.encode("ascii")
    # RFC 9051, 6.3.10, and RFC 6855, 3: as all names, in UTF-8 where that is enabled; neither needs an escape
    own, others = (
        b'(("%b" "%b"))' % (prefix.encode() if session.utf8 else utf7.encode(prefix), separator)
        for prefix in (names.prefix, names.others)
    )
    yield b"* NAMESPACE %b %b NIL\r\n" % (own, others if names.others else b"NIL")
    return None
