"""Mail made or given here, as bytes with CRLF; and answers to a mail."""

from typing import TYPE_CHECKING, Any, TypeAlias

from .structure import served

if TYPE_CHECKING:
    from email.message import EmailMessage

    from .model import Message

MailLike: TypeAlias = "bytes | EmailMessage | Message"


def to_bytes(mail: Any) -> bytes:
    """The bytes of a mail.

    Args:
        mail: bytes are kept as they are. A ``str`` becomes UTF-8 with CRLF. A message of ``email`` is written as its
            policy says, with CRLF; addresses that are not ASCII in UTF-8 (RFC 6532), for no encoded word may
            stand in one (RFC 2047, 5). A ``Message`` gives its ``raw``.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(mail, bytes):
        return mail
    if isinstance(mail, bytearray | memoryview):
        return bytes(mail)
    if isinstance(mail, str):
        return served(mail.encode("utf-8", "surrogateescape"))
    from .model import Message

    if isinstance(mail, Message):
        return mail.raw
    from email.message import Message as LibraryMessage

    if isinstance(mail, LibraryMessage):
        policy: Any = mail.policy.clone(linesep="\r\n")
        if _has_international_address(mail):
            policy = policy.clone(utf8=True)
        return served(mail.as_bytes(policy=policy))
    raise TypeError(f"a mail is bytes, an EmailMessage or a Message, not {type(mail).__name__}")


def _has_international_address(mail: Any) -> bool:
    return any(
        not address.addr_spec.isascii() for value in mail.values() for address in getattr(value, "addresses", ())
    )


def reply(message: "Message", body: str = "", **headers: str) -> "EmailMessage":
    """An answer to a mail (RFC 5322, 3.6.4, and section 3.6.2 on Reply-To).

    From is the first recipient, To is Reply-To or From, Subject begins with ``Re:``, In-Reply-To and References name
    the mail. ``headers`` replace these or come in addition; ``_`` in their names is ``-``, ``from_`` is From; an empty
    value leaves a header out.
    """
    from email.message import EmailMessage

    answer = EmailMessage()
    to = message.reply_to or ([message.from_] if message.from_ else [])
    own_id = message.message_id
    subject = message.subject
    chosen = {
        "From": str(next(iter([*message.recipients, *message.to]), "")),
        "To": ", ".join(dict.fromkeys(map(str, to))),
        "Subject": subject if subject[:3].lower() == "re:" else f"Re: {subject}".rstrip(),
        "In-Reply-To": own_id or "",
        "References": _references(message, own_id),
    }
    # What could not be decoded in the mail still looks like an encoded word, and the library would try again.
    chosen = {name: value.replace("=?", "= ?") for name, value in chosen.items()}
    names = {name.lower(): name for name in chosen}
    for key, value in headers.items():
        name = key.rstrip("_").replace("_", "-")
        chosen[names.get(name.lower(), "-".join(word.capitalize() for word in name.split("-")))] = value
    for name, value in chosen.items():
        if value:
            _set(answer, name, " ".join(value.split()))
    answer.set_content(body)
    return answer


def _references(message: "Message", own_id: str | None) -> str:
    """The mail's References, or its In-Reply-To where that names one, then its own id (RFC 5322, 3.6.4)."""
    if own_id is None:
        return ""
    before = message.headers.get("References", "").split()
    if not before:
        before = message.headers.get("In-Reply-To", "").split()
        if len(before) != 1:
            before = []
    return " ".join([*before, own_id])


def _set(answer: "EmailMessage", name: str, value: str) -> None:
    try:
        answer[name] = value
    except (ValueError, IndexError, AttributeError, TypeError):
        # the library's header parser fails on some values that bad mail has: the header is left out
        return
