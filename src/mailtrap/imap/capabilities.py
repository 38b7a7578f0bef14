"""What is offered: one table, from which the CAPABILITY answer comes (RFC 3501, 7.2.1).

A setting may take any of them away (``imap_capabilities={"-IDLE"}``): then it is not offered, and its commands are
unknown. ``+NAME`` offers one that stands here as off by default, or a name that means nothing here, for clients that
look for it. AUTH= mechanisms come from ``wire.sasl``.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..wire import sasl
from ..wire.steps import Step

if TYPE_CHECKING:
    from .session import IMAPSession

When = Callable[["IMAPSession"], bool]


@dataclass(frozen=True, slots=True)
class Capability:
    """One capability.

    Attributes:
        name: as it is sent.
        rfc: where it is defined.
        commands: verbs that exist because of it, or because of another that has them too.
        when: whether it holds for a session at this moment; None: always.
        default: False where only the setting ``+NAME`` offers it.
        needs: another capability without which it means nothing.
        value: what is sent behind its name.
    """

    name: str
    rfc: str
    commands: tuple[str, ...] = ()
    when: When | None = None
    default: bool = True
    needs: str = ""
    value: Callable[["IMAPSession"], str] | None = None


def _starttls(session: "IMAPSession") -> bool:
    return not session.secure and session.key is None and session.scope.live.starttls != "off"


def _login_disabled(session: "IMAPSession") -> bool:
    return session.key is None and not sasl.allowed(session.scope.live, session.secure)


def _literal_minus(session: "IMAPSession") -> bool:
    return not session.offers("LITERAL+")  # RFC 7888, 4: never both


def _appendlimit(session: "IMAPSession") -> str:
    return f"={session.scope.live.max_message_size}"


def _logged_in(session: "IMAPSession") -> bool:
    return session.key is not None


def _not_compressed(session: "IMAPSession") -> bool:
    return session.key is not None and not session.compressed


def _message_limit(session: "IMAPSession") -> bool:
    return session.scope.live.imap_message_limit > 0


def _message_limit_value(session: "IMAPSession") -> str:
    return f"={session.scope.live.imap_message_limit}"


TABLE: Final = (
    Capability("IMAP4rev1", "RFC 3501"),
    Capability("IMAP4rev2", "RFC 9051"),
    Capability("STARTTLS", "RFC 3501, 6.2.1", ("STARTTLS",), _starttls),
    Capability("LOGINDISABLED", "RFC 3501, 6.2.3", (), _login_disabled),
    Capability("SASL-IR", "RFC 4959"),
    Capability("LITERAL-", "RFC 7888", (), _literal_minus),
    Capability("LITERAL+", "RFC 7888", (), None, default=False),
    Capability("ID", "RFC 2971", ("ID",)),
    Capability("ENABLE", "RFC 5161", ("ENABLE",)),
    Capability("IDLE", "RFC 2177", ("IDLE",)),
    Capability("NAMESPACE", "RFC 2342", ("NAMESPACE",)),
    Capability("UNSELECT", "RFC 3691", ("UNSELECT",)),
    Capability("CHILDREN", "RFC 3348"),
    Capability("LIST-EXTENDED", "RFC 5258"),
    Capability("LIST-STATUS", "RFC 5819", needs="LIST-EXTENDED"),
    Capability("SPECIAL-USE", "RFC 6154"),
    Capability("CREATE-SPECIAL-USE", "RFC 6154", needs="SPECIAL-USE"),
    Capability("STATUS=SIZE", "RFC 8438"),
    Capability("UIDPLUS", "RFC 4315"),
    Capability("MOVE", "RFC 6851", ("MOVE",)),
    Capability("MULTIAPPEND", "RFC 3502"),
    Capability("ESEARCH", "RFC 4731"),
    Capability("SEARCHRES", "RFC 5182", needs="ESEARCH"),
    Capability("WITHIN", "RFC 5032"),
    Capability("SORT", "RFC 5256", ("SORT",)),
    Capability("SORT=DISPLAY", "RFC 5957", needs="SORT"),
    Capability("ESORT", "RFC 5267", needs="SORT"),
    Capability("CONTEXT=SEARCH", "RFC 5267", ("CANCELUPDATE",), needs="ESEARCH"),
    Capability("CONTEXT=SORT", "RFC 5267", needs="ESORT"),
    Capability("THREAD=ORDEREDSUBJECT", "RFC 5256", ("THREAD",)),
    Capability("THREAD=REFERENCES", "RFC 5256", ("THREAD",)),
    Capability("THREAD=REFS", "draft-ietf-morg-inthread", ("THREAD",)),
    Capability("PARTIAL", "RFC 9394"),
    Capability("SEARCH=FUZZY", "RFC 6203"),
    Capability("MULTISEARCH", "RFC 7377", ("ESEARCH",)),
    Capability("I18NLEVEL=1", "RFC 5255"),
    Capability("CONDSTORE", "RFC 7162"),
    Capability("BINARY", "RFC 3516"),
    Capability("APPENDLIMIT", "RFC 7889", value=_appendlimit),
    Capability("OBJECTID", "RFC 8474"),
    Capability("UTF8=ACCEPT", "RFC 6855"),
    Capability("SAVEDATE", "RFC 8514"),
    Capability("PREVIEW", "RFC 8970"),
    Capability("QRESYNC", "RFC 7162", needs="CONDSTORE"),
    Capability("QUOTA", "RFC 9208", ("GETQUOTA", "GETQUOTAROOT")),
    Capability("QUOTASET", "RFC 9208", ("SETQUOTA",), default=False, needs="QUOTA"),
    Capability("QUOTA=RES-STORAGE", "RFC 9208", needs="QUOTA"),
    Capability("QUOTA=RES-MESSAGE", "RFC 9208", needs="QUOTA"),
    Capability("ACL", "RFC 4314", ("GETACL", "SETACL", "DELETEACL", "LISTRIGHTS", "MYRIGHTS")),
    Capability("RIGHTS=texk", "RFC 4314, 2.2", needs="ACL"),
    Capability("LIST-MYRIGHTS", "RFC 8440", needs="ACL"),
    Capability("METADATA", "RFC 5464", ("GETMETADATA", "SETMETADATA")),
    Capability("LIST-METADATA", "RFC 9590", needs="METADATA"),
    Capability("COMPRESS=DEFLATE", "RFC 4978", ("COMPRESS",), _not_compressed),
    Capability("NOTIFY", "RFC 5465", ("NOTIFY",)),
    Capability("REPLACE", "RFC 8508", ("REPLACE",)),
    Capability("CATENATE", "RFC 4469"),
    Capability("INPROGRESS", "RFC 9585"),
    Capability("UIDONLY", "RFC 9586"),
    Capability("UNAUTHENTICATE", "RFC 8437", ("UNAUTHENTICATE",), _logged_in),
    Capability("MESSAGELIMIT", "RFC 9738", (), _message_limit, value=_message_limit_value),
    Capability("SAVELIMIT", "RFC 9738", (), _message_limit, needs="SEARCHRES", value=_message_limit_value),
    Capability("X-GM-EXT-1", "Gmail's", default=False),
)  # fmt: skip

BY_NAME: Final = {capability.name.upper(): capability for capability in TABLE}
_NEEDED: Final = {
    verb: tuple(capability.name for capability in TABLE if verb in capability.commands)
    for verb in {verb for capability in TABLE for verb in capability.commands}
}


def needed_by(verb: str) -> tuple[str, ...]:
    """The capabilities of which one has to hold, so that a command exists; none for those of RFC 3501."""
    return _NEEDED.get(verb, ())


def switched_off(name: str, changes: frozenset[str]) -> bool:
    """Whether the setting takes it away."""
    return any(change[:1] == "-" and change[1:].upper() == name.upper() for change in changes)


def offered(session: "IMAPSession") -> Generator[Step, Any, bytes]:
    """What follows ``CAPABILITY``: the names that hold now, with the mechanisms before the login."""
    changes = session.scope.live.imap_capabilities
    names = [
        capability.name + (capability.value(session) if capability.value is not None else "")
        for capability in TABLE if session.offers(capability.name)
    ]  # fmt: skip
    if session.key is None:
        mechanisms = yield from sasl.offered(
            session.services, session.record, session.scope, tls=session.secure, changes=changes
        )
        names += [f"AUTH={name}" for name in mechanisms]
    known = {name.upper() for name in names}
    names += sorted(
        change[1:] for change in changes
        if change[:1] == "+" and change[1:].upper() not in known and change[1:].upper() not in BY_NAME
        and not change.upper().startswith("+AUTH=")
    )  # fmt: skip
    return " ".join(names).encode("ascii", "replace")
