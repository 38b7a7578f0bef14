"""URLs of messages and of parts of them (RFC 5092), as CATENATE takes them (RFC 4469, 3)."""

import re
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias
from urllib.parse import unquote_to_bytes

from ...message.address import Address
from ...message.sections import Section
from ...store.base import Store
from ...store.rows import MailboxRow
from ...wire.steps import Call, Step
from .. import responses
from ..namespace import OutsideNamespaces
from ..responses import Refusal
from ..rights import rights_of
from .fetch import octets_of
from .names import look

if TYPE_CHECKING:
    from ..session import IMAPSession

Part: TypeAlias = bytes | str  # octets, or a URL

_HERE: Final = ("localhost", "127.0.0.1", "[::1]")
# RFC 5092, 11: imessagepart, absolute, with an absolute path, or relative to the selected mailbox
_URL: Final = re.compile(
    r"(?:imap://(?:(?P<user>[^@/;]*)(?:;AUTH=[^@/]*)?@)?(?P<host>[^/:@]+|\[[^\]]*\])(?::\d+)?(?=/))?"
    r"(?:/?(?P<mailbox>[^;]+?)(?:;UIDVALIDITY=(?P<uidvalidity>[1-9]\d*))?/)?"
    r"/?;UID=(?P<uid>[1-9]\d*)(?:/;SECTION=(?P<section>[^;]+?))?(?:/;PARTIAL=(?P<first>\d+)(?:\.(?P<length>\d+))?)?",
    re.IGNORECASE,
)


def load(session: "IMAPSession", parts: Sequence[Part]) -> Generator[Step, Any, bytes]:
    """The octets of parts, one behind the other.

    Raises:
        Refusal: BADURL and the URL, where there is no such thing, or it may not be read (RFC 4469, 3).
    """
    if len(parts) == 1 and isinstance(parts[0], bytes):
        return parts[0]
    octets = []
    for part in parts:
        octets.append(part if isinstance(part, bytes) else (yield from _fetched(session, part)))
        if sum(map(len, octets)) > session.scope.live.max_message_size:
            raise Refusal("The message is too large", "TOOBIG")  # RFC 4469, 4.2
    return b"".join(octets)


def _fetched(session: "IMAPSession", url: str) -> Generator[Step, Any, bytes]:
    found = _URL.fullmatch(url)
    if found is None:
        _bad(url, "That is no URL of a message")
    if found["host"] is not None and found["host"].lower() not in (*_HERE, session.services.hostname):
        _bad(url, "That is another server")
    if found["user"] and Address(_plain(found["user"])).account != session.account.address:
        _bad(url, "That is another user")
    row = yield from _mailbox(session, url, found["mailbox"])
    if row is None or "r" not in rights_of(row, session.account):
        _bad(url, "There is no such mailbox")
    if found["uidvalidity"] and int(found["uidvalidity"]) != row.uidvalidity:
        _bad(url, "The mailbox has another UIDVALIDITY")
    try:
        section = Section.parse(_plain(found["section"] or ""))
    except ValueError:
        _bad(url, "That is no section")
    octets: bytes | None = yield Call(_octets, session.services.store, row.id, int(found["uid"]), section)
    if octets is None:
        _bad(url, "There is no such message, or no such section of it")
    first = int(found["first"] or 0)
    return octets[first : first + int(found["length"])] if found["length"] else octets[first:]


def _mailbox(session: "IMAPSession", url: str, name: str | None) -> Generator[Step, Any, MailboxRow | None]:
    if name is None:
        if session.view is None:
            _bad(url, "No mailbox is selected")
        mine: MailboxRow = yield Call(session.services.store.mailbox_row, session.view.mailbox.id)
        return mine
    try:
        place = session.names.locate(_plain(name))
    except OutsideNamespaces as error:
        _bad(url, f"There is no such mailbox: {error}")
    return (yield from look(session, place))


def _octets(store: Store, mailbox: int, uid: int, section: Section) -> bytes | None:
    copies = store.copies(mailbox, [uid])
    (found,) = octets_of(store, copies, {"structure"}) if copies else (None,)
    if found is None:
        return None
    whole, facts = found
    assert facts.structure is not None
    return whole if section == Section() else section.of(whole, facts.structure)


def _plain(text: str) -> str:
    return unquote_to_bytes(text).decode("utf-8", "replace")


def _bad(url: str, why: str) -> NoReturn:
    shown = responses.string(url.replace("]", "%5D").encode("ascii", "replace"))  # RFC 4469, 5: no ] in the code
    raise Refusal(why, f"BADURL {shown.decode('ascii')}" if shown.startswith(b'"') else "BADURL")
