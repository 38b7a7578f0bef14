"""The JSON forms of ``/api/mailtrap/``: what a program gets of messages, sessions, refusals, accounts and mailboxes.

Times are ISO 8601 in UTC; beside those that somebody may compute with stands ``..._seconds``, since the epoch. Sizes
are octets. Addresses of an envelope stand as they were sent.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..delivery.refusal import Refusal
from ..faults import Rule
from ..mailboxes import Account, Mailbox
from ..message.address import Address
from ..message.envelope import Envelope, Parameters
from ..message.model import Attachment, Copy, Message
from ..transcript import Session

if TYPE_CHECKING:
    from ..store.rows import Tally

Json = dict[str, Any]

WITH_BYTES: Final = 64 * 1024  # octets of a message up to which a list carries its bytes


def address(found: Address) -> Json:
    """An address of a header."""
    return {"name": found.name, "address": str(found)}


def addresses(found: Sequence[Address]) -> list[Json]:
    """Several addresses of a header."""
    return [address(item) for item in found]


def envelope(found: Envelope) -> Json:
    """An envelope, as it was sent."""
    return {
        "mail_from": found.mail_from.original,
        "recipients": [recipient.original for recipient in found.recipients],
        "mail_parameters": _parameters(found.mail_parameters),
        "recipient_parameters": [_parameters(item) for item in found.recipient_parameters],
    }


def _parameters(found: Parameters) -> dict[str, str | None]:
    return dict(found)


def rule(found: Rule) -> Json:
    """A fault rule. What cannot be written down (functions, errors, conditions that are code) is shown as text."""
    return {
        "id": found.id,
        "scope": found.scope.name,
        "listener": found.listener,
        "command": found.command,
        "stage": found.stage,
        "nth": found.nth,
        "after": found.after,
        "times": found.times,
        "match": {name: _expected(value) for name, value in found.match.items()},
        "actions": [
            {"action": method, **{name: _plain(value) for name, value in arguments.items()}}
            for method, arguments in found.asked
        ],
        "hits": found.hits,
        "active": found.active,
    }


def _expected(value: Any) -> Any:
    if isinstance(value, re.Pattern):
        return {"matches": value.pattern}
    if isinstance(value, list | tuple):
        return [_expected(item) for item in value]
    return value if value is None else str(value)


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else repr(value)


def session(found: Session, *, whole: bool = False) -> Json:
    """A connection; ``whole`` with its transcript and commands."""
    described: Json = {
        "id": found.id,
        "protocol": found.protocol,
        "listener": found.listener,
        "scope": found.scope,
        "peer": [found.peer[0], found.peer[1]],
        "helo": found.helo,
        "user": found.user,
        "mechanism": found.mechanism,
        "tls": None,
        "open": found.open,
        "transaction": found.transaction,
        "opened_at_seconds": found.opened_at,
        "closed_at_seconds": found.closed_at,
    }
    if (tls := found.tls) is not None:
        certificate = tls.client_certificate
        described["tls"] = {
            "version": tls.version,
            "cipher": tls.cipher,
            "server_name": tls.server_name,
            "client_certificate": None if certificate is None else certificate.hex(),
        }
    if whole:
        described["transcript"] = found.transcript
        described["commands"] = [
            {"verb": command.verb, "line": command.line, "reply": command.reply, "at": command.at.isoformat()}
            for command in found.commands
        ]
    return described


def received(found: Message) -> Json:
    """A message as it was received: nothing of it is parsed."""
    return {
        "id": found.id,
        "seq": found.seq,
        "scope": found.scope,
        "origin": found.origin,
        "received_at": found.received_at.isoformat(),
        "received_at_seconds": found.received_at.timestamp(),
        "size": found.size,
        "envelope": envelope(found.envelope),
        "session": session(found.session),
        "transcript": found.transcript,
    }


def whole(found: Message) -> Json:
    """As ``received``, with the bytes in base64 where they are not too many."""
    encoded = base64.b64encode(found.raw).decode("ascii") if found.size <= WITH_BYTES else None
    return {**received(found), "raw": encoded}


def remains(found: Message) -> Json:
    """As ``received``, with what is left of the bytes in base64."""
    return {**received(found), "raw": base64.b64encode(found.raw).decode("ascii")}


def heading(found: Message) -> Json:
    """What tells a message from others: for lists and events. Only its header is read."""
    return {
        "id": found.id,
        "seq": found.seq,
        "scope": found.scope,
        "origin": found.origin,
        "received_at": found.received_at.isoformat(),
        "size": found.size,
        "mail_from": str(found.mail_from),
        "recipients": [str(recipient) for recipient in found.recipients],
        "from": address(found.from_) if found.from_ else None,
        "to": addresses(found.to),
        "cc": addresses(found.cc),
        "subject": found.subject,
        "message_id": found.message_id,
    }


def message(found: Message) -> Json:
    """Everything about a message but its bytes."""
    date = found.date
    return {
        **received(found),
        **heading(found),
        "bcc": [str(recipient) for recipient in found.bcc],
        "reply_to": addresses(found.reply_to),
        "date": None if date is None else date.isoformat(),
        "headers": [[name, value] for name, value in found.headers.pairs],
        "text": found.text,
        "html": found.html,
        "attachments": [attachment(found, number, part) for number, part, inline in parts(found) if not inline],
        "inline": [attachment(found, number, part) for number, part, inline in parts(found) if inline],
        "links": [{"href": link.href, "text": link.text, "title": link.title} for link in found.links],
        "codes": list(found.codes),
        "defects": list(found.defects),
    }


def parts(found: Message) -> list[tuple[str, Attachment, bool]]:
    """What is attached, each with the number it has in addresses of this application, and whether it is inline."""
    inline = [(part, True) for part in found.inline]
    attached = [(part, False) for part in found.attachments]
    return [(str(number), part, kind) for number, (part, kind) in enumerate([*inline, *attached], 1)]


def attachment(found: Message, number: str, part: Attachment) -> Json:
    """An attachment without its content."""
    return {
        "part": number,
        "filename": part.filename,
        "content_type": part.content_type,
        "content_id": part.content_id,
        "size": part.size,
        "sha256": part.sha256,
        "url": f"/api/v1/message/{found.id}/part/{number}",
    }


def tally(found: "Tally") -> Json:
    """Counts."""
    return {
        "messages": found.messages,
        "octets": found.octets,
        "submitted": found.submitted,
        "submitted_octets": found.submitted_octets,
        "unread": found.unread,
        "evicted": found.evicted,
        "evicted_octets": found.evicted_octets,
        "last_evicted": found.last_evicted,
    }


def refusal(found: Refusal) -> Json:
    """Something that was turned away."""
    return {
        "id": found.id,
        "stage": found.stage,
        "reply": found.reply,
        "scope": found.scope,
        "envelope": envelope(found.envelope),
        "size": found.size,
        "has_raw": found.raw is not None,
        "session": session(found.session),
        "at": found.at.isoformat(),
        "at_seconds": found.at.timestamp(),
    }


def account(found: Account) -> Json:
    """An account. This is a server for tests: the password stands there in clear."""
    used = found.used
    return {
        "address": str(found.address),
        "scope": found.key.scope,
        "password": found.password,
        "quota": found.quota,
        "message_quota": found.message_quota,
        "used": {"octets": used.octets, "messages": used.messages},
    }


def annotations(found: Mapping[str, bytes]) -> Json:
    """Annotations, their values in base64: they may be any octets."""
    return {name: base64.b64encode(value).decode("ascii") for name, value in found.items()}


def mailbox(found: Mailbox) -> Json:
    """A mailbox and its counts."""
    row, status = found.row, found.status
    return {
        "id": row.id,
        "scope": row.account.scope,
        "account": row.account.address,
        "name": row.name,
        "uidvalidity": row.uidvalidity,
        "uidnext": row.uidnext,
        "highestmodseq": row.highestmodseq,
        "special_use": sorted(row.special_use),
        "selectable": row.selectable,
        "acl": dict(row.acl),
        "messages": status.messages,
        "unseen": status.unseen,
        "deleted": status.deleted,
        "recent": status.recent,
        "size": status.size,
        "deleted_size": status.deleted_size,
    }


def copy(found: Copy) -> Json:
    """A message in a mailbox."""
    return {
        "uid": found.uid,
        "flags": sorted(found.flags),
        "modseq": found.modseq,
        "internal_date_seconds": found.internal_date.timestamp(),
        "message": received(found),
    }
