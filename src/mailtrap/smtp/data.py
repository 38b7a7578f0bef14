"""DATA and BDAT: the message comes in, and what became of it is said (RFC 5321, 4.1.1.4; RFC 3030; RFC 2033, 4.2).

A message is read where it arrives, in the session's buffer, which is searched once; then it becomes one ``bytes``,
unstuffed. One that is over the limit is read to its end and dropped as it comes.
"""

from collections.abc import Generator, Mapping, Sequence
from io import IncrementalNewlineDecoder
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .. import limits
from ..delivery.intake import KEPT, Incoming, Outcome
from ..message.address import Address
from ..wire.lines import InputEnded
from ..wire.reply import Reply
from ..wire.steps import NEED_DATA, Later, Step
from . import extensions, replies
from .transaction import Transaction

if TYPE_CHECKING:
    from .policy import Verdict
    from .session import SMTPSession

CommandSteps = Generator[Step, Any, Reply | None]

_END: Final = b"\r\n.\r\n"


class Content(NamedTuple):
    """A message that came in.

    Attributes:
        raw: its exact bytes; where it was dropped, its beginning.
        size: octets that came; those of ``raw`` where it was not dropped.
        dropped: it was over the limit.
    """

    raw: bytes
    size: int
    dropped: bool


# ---------------------------------------------------------------- DATA


def data(session: "SMTPSession", argument: str) -> Reply | CommandSteps:
    """DATA (RFC 5321, 4.1.1.4)."""
    transaction = session.transaction
    if transaction is None:
        return replies.MAIL_FIRST if session.helo is not None else replies.HELLO_FIRST
    if argument:
        return replies.NO_ARGUMENT
    if transaction.chunks is not None:
        return replies.DATA_AFTER_BDAT
    if not transaction.recipients:
        return replies.NO_VALID_RECIPIENTS if transaction.refused else replies.NO_RECIPIENTS
    if transaction.binary:
        return replies.BINARY_NEEDS_BDAT
    return _data(session, transaction)


def _data(session: "SMTPSession", transaction: Transaction) -> CommandSteps:
    yield session.say(replies.START_MAIL)
    content = yield from read_message(session, transaction.scope.live.max_message_size)
    session.record.add(b"* %d octets of message\n" % content.size)
    return (yield from _finish(session, transaction, content, "DATA"))


def read_message(session: "SMTPSession", limit: int) -> Generator[Step, Any, Content]:
    """Read up to the line with a dot alone, and undo the dots (RFC 5321, 4.5.2).

    Args:
        session: whose buffer begins with the message.
        limit: octets; 0: none.

    Raises:
        InputEnded: the client was gone before.
    """
    buffer = session.buffer
    searched = dots = counted = 0
    if not buffer and not session.eof:  # nearly every client waits for the 354
        yield NEED_DATA
    while True:
        if searched < 3 and buffer.startswith(b".\r\n"):  # the end is the first line
            del buffer[:3]
            return Content(b"", 0, False)
        if (end := buffer.find(_END, searched)) >= 0:
            break
        searched = max(0, len(buffer) - 4)
        if limit and len(buffer) - dots > limit:
            # A dot that stands for itself takes two octets: count those that are new, each once.
            dots += buffer.count(b"\r\n.", counted)
            counted = max(0, len(buffer) - 2)
            if len(buffer) - 4 - dots > limit:
                return (yield from _drop_message(session))
        if session.eof:
            session.record.note(b"%d octets of a message without end" % len(buffer))
            raise InputEnded
        yield NEED_DATA
    raw = _take(buffer, end + 2)
    del buffer[:3]
    raw = _unstuffed(raw)
    return Content(raw, len(raw), bool(limit) and len(raw) > limit)


def _drop_message(session: "SMTPSession") -> Generator[Step, Any, Content]:
    """Read on without keeping anything but the beginning of the message."""
    buffer = session.buffer
    beginning = _unstuffed(bytes(buffer[: limits.REFUSAL_BYTES]))
    size = -1 if buffer[:1] == b"." else 0  # without the dots that stand for another
    while (end := buffer.find(_END)) < 0:
        gone = max(0, len(buffer) - 4)
        size += gone - buffer.count(b"\r\n.", 0, gone + 2)
        del buffer[:gone]
        if session.eof:
            session.record.note(b"%d octets of a message without end" % size)
            raise InputEnded
        yield NEED_DATA
    size += end + 2 - buffer.count(b"\r\n.", 0, end + 2)
    del buffer[: end + 5]
    return Content(beginning, size, True)


def _unstuffed(raw: bytes) -> bytes:
    """Without the first period of each line that begins with one, whatever follows it (RFC 5321, 4.5.2)."""
    return (raw[1:] if raw[:1] == b"." else raw).replace(b"\r\n.", b"\r\n")


def _take(buffer: bytearray, size: int) -> bytes:
    """The first octets of a buffer, copied once."""
    with memoryview(buffer) as view:
        taken = bytes(view[:size])
    del buffer[:size]
    return taken


# ---------------------------------------------------------------- BDAT


def bdat(session: "SMTPSession", argument: str) -> CommandSteps:
    """BDAT (RFC 3030, 2). The octets are read whatever the reply is: they are no commands.

    Without a size nobody can tell where the commands go on, so the connection ends.
    """
    words = argument.split()
    if not words or not words[0].isdigit() or not words[0].isascii() or len(words[0]) > 20:
        session.ending = True
        return replies.BDAT_SYNTAX
    size = int(words[0])
    last = len(words) == 2 and words[1].upper() == "LAST"
    transaction = session.transaction
    reply: Reply | None = None
    if "CHUNKING" not in extensions.offer(session.live).keywords:
        reply = replies.NOT_OFFERED
    elif len(words) > 1 and not last:
        reply = replies.BDAT_SYNTAX
    elif transaction is None:
        reply = replies.MAIL_FIRST if session.helo is not None else replies.HELLO_FIRST
    elif not transaction.recipients:
        reply = replies.NO_VALID_RECIPIENTS if transaction.refused else replies.NO_RECIPIENTS
    elif session.rules.active:
        reply = yield from session.overruled("BDAT")
    if reply is not None or transaction is None:
        yield from _drop_chunk(session, size)
        return reply
    session.record.note(b"%d octets of message" % size)
    limit = transaction.scope.live.max_message_size
    if transaction.chunks is None:
        transaction.chunks = []
    transaction.size += size
    if transaction.dropped or (limit and transaction.size > limit):
        beginning = yield from _drop_chunk(session, size)
        if transaction.dropped:
            session.recorded = True  # with the first chunk that was too much
        else:
            transaction.dropped = True
            transaction.chunks.append(beginning)
            session.refuse("BDAT", replies.TOO_BIG, raw=b"".join(transaction.chunks), size=transaction.size)
            transaction.chunks.clear()
    else:
        transaction.chunks.append((yield from _read_chunk(session, size)))
    if not last:
        return replies.TOO_BIG if transaction.dropped else replies.CHUNK_OK
    chunks = transaction.chunks
    raw = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    return (yield from _finish(session, transaction, Content(raw, transaction.size, transaction.dropped), "BDAT"))


def _read_chunk(session: "SMTPSession", size: int) -> Generator[Step, Any, bytes]:
    buffer = session.buffer
    while len(buffer) < size:
        if session.eof:
            raise InputEnded
        yield NEED_DATA
    return _take(buffer, size)


def _drop_chunk(session: "SMTPSession", size: int) -> Generator[Step, Any, bytes]:
    """Read a chunk and keep nothing but its beginning."""
    buffer = session.buffer
    beginning = bytearray()
    while size:
        part = min(size, len(buffer))
        beginning += buffer[: min(part, limits.REFUSAL_BYTES - len(beginning))]
        del buffer[:part]
        size -= part
        if not size:
            break
        if session.eof:
            raise InputEnded
        yield NEED_DATA
    return bytes(beginning)


# ---------------------------------------------------------------- the end of the data


def _finish(session: "SMTPSession", transaction: Transaction, content: Content, verb: str) -> CommandSteps:
    """A message has come in: refuse it or hand it over, and say which. The transaction is over.

    The reply is noted before the transcript is cut, so that the mail's own transcript has it; where it turns out to
    be another, that is noted behind it.
    """
    record = session.record
    envelope = transaction.envelope()
    answered = envelope.recipients
    copies = len(answered) if session.flavour == "lmtp" else 1  # RFC 2033, 4.2
    said = b""
    turned_away: Mapping[Address, Reply] = {}
    if session.rules.active:
        session.facts = {"sender": envelope.mail_from, "recipient": tuple(envelope.recipients)}
    try:
        reply: Reply | None = _flaw(transaction, content)
        if reply is None and session.rules.active:
            # The end of the data is a command of its own for the rules: what was read is not kept.
            reply = yield from session.overruled(".")
        accepted = KEPT
        if reply is None and (policy := session.policy) is not None and "DATA" in policy.hooks:
            verdict: Verdict = yield Later(policy.ask, "DATA", (content.raw, envelope))
            envelope = verdict.envelope or envelope
            if verdict.reply is not None and verdict.reply.positive:
                accepted = verdict.reply
            else:
                reply = verdict.reply
        if reply is None:
            if copies == 1:
                said = session.say(accepted)
            else:
                said = session.spoken(accepted) * copies
                record.reply(said)
            mail = Incoming(
                record, transaction.scope, "lmtp" if session.flavour == "lmtp" else "smtp", envelope, content.raw,
                record.cut(),
            )  # fmt: skip
            outcome: Outcome = yield Later(session.services.intake.submit, mail)
            reply = accepted if outcome.reply is KEPT else outcome.reply
            turned_away = outcome.turned_away
        elif not reply.positive and not session.recorded:
            session.refuse(verb, reply, envelope=envelope, raw=content.raw, size=content.size)
    finally:
        session.at_hand = envelope  # for the refusal of what failed
        session.end_transaction()
    if session.rules.active:
        overruled = yield from session.conclude("reply", verb)
        if overruled is not None:
            reply, turned_away = overruled, {}
    if reply is not accepted or turned_away:
        said = _said_otherwise(session, [turned_away.get(one, reply) for one in answered[:copies]], said)
    yield said
    if session.rules.active:
        yield from session.conclude("after", verb)
    return None


def _said_otherwise(session: "SMTPSession", answers: Sequence[Reply], noted: bytes) -> bytes:
    """What is said where it is not what was expected; noted: what the record has for it, nothing where it has none."""
    output = b"".join(map(session.spoken, answers))
    if not noted:
        session.record.reply(output)
    elif output != noted:
        session.record.note(b"but the client was told: " + output.rstrip())
    return output


def _flaw(transaction: Transaction, content: Content) -> Reply | None:
    """What is wrong with the octets themselves."""
    if content.dropped:
        return replies.TOO_BIG
    if transaction.scope.live.bare_newlines == "reject" and not transaction.binary and has_bare(content.raw):
        return replies.BARE_NEWLINES
    return None


def has_bare(raw: bytes) -> bool:
    """Whether there is a CR without LF or an LF without CR."""
    # What text files are read with notes which line ends there were, at a third of what searching for two octets costs.
    decoder = IncrementalNewlineDecoder(None, translate=False)
    decoder.decode(raw.decode("latin-1"), final=True)
    return decoder.newlines not in (None, "\r\n")
