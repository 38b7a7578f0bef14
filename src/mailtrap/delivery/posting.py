"""Submitting from a caller that waits: the way of HTTP into the intake, as SMTP's commands go one by one."""

from collections.abc import Sequence
from threading import Event
from typing import Final

from ..message.address import Address
from ..message.envelope import NO_PARAMETERS, Envelope
from ..scopes import Scope
from ..store.rows import Receipt
from ..transcript import Session
from ..wire.reply import Reply
from .intake import Incoming, Intake, Outcome, Refused
from .refusal import Refusal

TOO_LARGE: Final = Reply(552, "5.3.4", "Message too large")
TOO_MANY: Final = Reply(452, "4.5.3", "Too many recipients")
NOBODY: Final = Reply(554, "5.5.1", "No valid recipients")


class Posted(Refused):
    """A mail that was turned away; ``reply`` is what an SMTP client would have been told."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


def post(
    intake: Intake, session: Session, scope: Scope, raw: bytes, mail_from: Address, recipients: Sequence[Address]
) -> Sequence[Receipt]:
    """Ask for each recipient, then hand the mail over, and wait until it is kept.

    Raises:
        Posted: a recipient or the mail was refused, is too large or has too many recipients. It is recorded.
    """
    envelope = Envelope(mail_from, recipients)

    def refuse(stage: str, reply: Reply, so_far: Envelope = envelope, raw: bytes | None = None) -> Posted:
        intake.refuse(scope, Refusal(stage, reply, so_far, session, raw=raw))
        return Posted(reply)

    session.note(b"mail from <%b> over HTTP" % mail_from.encode("utf-8", "replace"))
    if not recipients:
        raise refuse("POST", NOBODY, raw=raw)
    if len(recipients) > scope.live.max_recipients:
        raise refuse("RCPT", TOO_MANY)
    for place, recipient in enumerate(recipients):
        session.note(b"recipient <%b>" % recipient.encode("utf-8", "replace"))
        if not intake.trusts(scope, recipient):
            reply = _ask(intake, session, scope, mail_from, recipient)
            if reply is not None:
                raise refuse("RCPT", reply, Envelope(mail_from, recipients[: place + 1]))
    session.note(b"%d octets of message" % len(raw))
    if len(raw) > scope.live.max_message_size:
        raise refuse("POST", TOO_LARGE, raw=raw)
    outcomes: list[Outcome] = []
    errors: list[BaseException] = []
    kept = Event()

    def done(outcome: Outcome, error: BaseException | None) -> None:
        outcomes.append(outcome)
        if error is not None:
            errors.append(error)
        kept.set()

    intake.submit(Incoming(session, scope, "http", envelope, raw, session.cut()), done)
    kept.wait()
    if errors:
        raise errors[0]
    if not outcomes[0].receipts:
        raise Posted(outcomes[0].reply)
    return outcomes[0].receipts


def _ask(intake: Intake, session: Session, scope: Scope, mail_from: Address, recipient: Address) -> Reply | None:
    answers: list[Reply | None] = []
    answered = Event()

    def done(reply: Reply | None, error: BaseException | None) -> None:  # noqa: ARG001  the reply says it all
        answers.append(reply)
        answered.set()

    intake.recipient(session, scope, mail_from, recipient, NO_PARAMETERS, done)
    answered.wait()
    return answers[0]
