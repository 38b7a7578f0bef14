"""Why a wait failed: what was asked for, what came instead, what was refused, who is still connected."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .message.address import Address

if TYPE_CHECKING:
    from .delivery.refusal import Refusal
    from .message.model import Message
    from .transcript import Session
    from .waiting import Mark

NEAREST = 3  # messages described
REFUSALS = 5
TRANSCRIPT_LINES = 8
_OF_BODY = frozenset(
    ("text", "html", "plain", "attachments", "inline", "links", "codes", "raw", "email", "where", "query", "copies")
)  # criteria that a message without its body cannot answer


@dataclass(frozen=True, slots=True)
class Evictions:
    """Messages of a scope that made room for others.

    Attributes:
        messages: how many.
        last: the highest ``seq`` that was ever evicted; 0 where none was.
        newest: those of them that are remembered, oldest first: envelope and header, no body.
        reasons: the settings that they went for, as ``max_messages = 1000``.
    """

    messages: int = 0
    last: int = 0
    newest: "Sequence[Message]" = ()
    reasons: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """What there is when a wait gives up.

    Attributes:
        messages: of this scope, whatever their origin.
        outside: newest messages of other scopes.
        sessions: connections that are open now.
        last: the session that was heard last.
        empty: accounts that a reader logged in to, and that never had mail.
        evicted: what made room for other messages.
        where: what was looked into, for the first line; "" is the server's messages.
        hint: what to do when mail that would match is outside this scope.
    """

    messages: "Sequence[Message]" = ()
    refused: "Sequence[Refusal]" = ()
    outside: "Sequence[Message]" = ()
    sessions: "Sequence[Session]" = ()
    last: "Session | None" = None
    empty: Sequence[str] = ()
    where: str = ""
    evicted: Evictions = Evictions()
    hint: str = ""


def not_found(
    criteria: Mapping[str, Any], timeout: float, situation: Situation, found: "Sequence[Message]" = (), wanted: int = 1
) -> str:
    """The text of ``MessageNotFound``."""
    place = f" in {situation.where}" if situation.where else ""
    if wanted > 1:
        lines = [f"{len(found)} of {wanted} messages matched{place} within {timeout:g} s: {describe(criteria)}"]
    else:
        lines = [f"no message matched{place} within {timeout:g} s: {describe(criteria)}"]
    asked = {name: value for name, value in criteria.items() if name != "since"}
    lines += _evicted(asked, situation.evicted, criteria["since"].seq if criteria.get("since") is not None else 0)
    others = [message for message in situation.messages if message not in found]
    lines += _nearest(asked, others, criteria.get("since"))
    if situation.refused:
        lines.append(f"{_count(len(situation.refused), 'mail or command')} refused:")
        lines += [f"  {refusal.stage} {_route(refusal.envelope)}: {refusal.reply}"
                  for refusal in list(situation.refused)[-REFUSALS:]]  # fmt: skip
    if outside := [message for message in situation.outside if _matches(message, asked)]:
        lines.append(f"{_count(len(outside), 'message')} outside this scope would match:")
        lines += [f"  {headline(message)}" for message in outside[-NEAREST:]]
        lines += [f"  {situation.hint}"] if situation.hint else []
    if situation.sessions:
        lines.append(f"{_count(len(situation.sessions), 'connection')} still open:")
        for session in situation.sessions:
            lines.append(f"  {session!r}{' in a transaction' if session.transaction else ''}")
    if situation.empty:
        lines.append(f"a reader logged in as {', '.join(situation.empty)}, which never had mail")
    if situation.last is not None and (tail := situation.last.transcript.splitlines()):
        state = "says so far" if situation.last.open else "ended so"
        lines.append(f"the newest session, {situation.last.protocol}, {state}:")
        lines += [f"  {line}" for line in tail[-TRANSCRIPT_LINES:]]
    return "\n".join(lines)


def ambiguous(criteria: Mapping[str, Any], found: "Sequence[Message]") -> str:
    """The text of ``AmbiguousMessage``."""
    lines = [f"{len(found)} messages match where one was asked for: {describe(criteria)}"]
    return "\n".join([*lines, *(f"  {headline(message)}" for message in found)])


def unexpected(criteria: Mapping[str, Any], found: "Sequence[Message]", expected: str) -> str:
    """The text of ``UnexpectedMessage``."""
    lines = [f"{_count(len(found), 'message')} matched, {expected}: {describe(criteria)}"]
    return "\n".join([*lines, *(f"  {headline(message)}" for message in found)])


def describe(criteria: Mapping[str, Any]) -> str:
    """Criteria as they were written."""
    return ", ".join(f"{name}={_value(value)}" for name, value in criteria.items()) or "any message"


def headline(message: "Message") -> str:
    """One line that tells a message from others."""
    return (
        f"#{message.seq} {message.subject!r} {_route(message.envelope)} "
        f"({message.origin}, {message.size} octets, {message.received_at:%H:%M:%S.%f})"
    )


def _nearest(asked: Mapping[str, Any], messages: "Sequence[Message]", since: "Mark | None") -> list[str]:
    if not messages:
        return ["no message came at all"]

    def score(message: "Message") -> tuple[int, int]:
        return sum(_matches(message, {name: value}) for name, value in asked.items()), message.seq

    ranked = sorted(messages, key=score, reverse=True)[:NEAREST]
    lines = [f"{_count(len(messages), 'other message')} came; the nearest:"]
    for message in ranked:
        lines.append(f"  {headline(message)}")
        if since is not None and message.seq <= since.seq:
            lines.append("    it came before the mark of since=")
        for name, value in asked.items():
            if name == "query" and not _matches(message, {name: value}):
                lines.append("    the query does not fit")
            elif not _matches(message, {name: value}):
                lines.append(f"    {name} is {_actual(message, name, value)}, not {_value(value)}")
                if name in ("to", "cc") and _matches(message, {"recipients": value}):
                    lines.append("    it would match with recipients=: the address is in the envelope only")
                if name == "recipients" and _matches(message, {"to": value}):
                    lines.append("    it would match with to=: the address is in the header only")
        if message.origin not in ("smtp", "lmtp", "http") and "origin" not in asked:
            lines.append(f"    it was placed, not submitted: it would be looked at with origin={message.origin!r}")
    return lines


def _evicted(asked: Mapping[str, Any], evicted: Evictions, since: int) -> list[str]:
    """That messages are gone which may have been meant. Of some there is the header left, of none the body."""
    if not evicted.messages or evicted.last <= since:
        return []
    why = f" ({', '.join(evicted.reasons)})" if evicted.reasons else ""
    lines = [f"{_count(evicted.messages, 'message')} of this scope made room for newer ones{why}"]
    known = {name: value for name, value in asked.items() if name not in _OF_BODY}
    meant = [message for message in evicted.newest if message.seq > since and _matches(message, known)]
    if meant:
        lines[0] += ", and would have matched as far as envelope and header say:"
        lines += [f"  {headline(message)}" for message in meant[-NEAREST:]]
    return lines


def _matches(message: "Message", asked: Mapping[str, Any]) -> bool:
    return message.matches(**asked)


def _actual(message: "Message", name: str, value: Any) -> str:
    if name == "where":
        return "False"
    if name == "header" and isinstance(value, Mapping):
        return repr({key: list(message.headers.get_all(key)) for key in value})
    actual = getattr(message, name, None)
    text = repr([str(item) for item in actual]) if isinstance(actual, list | tuple) else repr(actual)
    return text if len(text) <= 200 else f"{text[:200]}..."


def _value(value: Any) -> str:
    if isinstance(value, re.Pattern):
        return f"re.compile({value.pattern!r})"
    if isinstance(value, Address):
        return repr(str(value))
    return repr(value)


def _route(envelope: Any) -> str:
    recipients = [str(recipient) for recipient in envelope.recipients]
    shown = ", ".join(recipients[:3]) + (f" and {len(recipients) - 3} more" if len(recipients) > 3 else "")
    return f"from <{envelope.mail_from}> to {shown or 'nobody'}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
