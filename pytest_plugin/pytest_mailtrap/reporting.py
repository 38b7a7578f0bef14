"""What a failed test is shown: the mail that came for it, what was refused, what went wrong in the server."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mailtrap import MailServer, Message

MESSAGES: Final = 10  # messages shown, the newest
LINES: Final = 5  # lines of each message's text
WIDTH: Final = 160  # characters of a line
OTHERS: Final = 10  # refusals, errors and open connections shown, of each


def section(server: "MailServer") -> str:
    """The text of the report's section."""
    from mailtrap import MailtrapError

    try:
        return "\n".join(_section(server))
    except MailtrapError as error:  # the test stopped the server, or its store failed
        return f"the server cannot be asked any more: {error}"


def _section(server: "MailServer") -> list[str]:
    messages = list(reversed(server.page()))  # of every origin, oldest first
    lines = [_counted(len(messages), "message") if messages else "no message"]
    lines += _left_out(messages, MESSAGES)
    for message in messages[-MESSAGES:]:
        lines.append(f"  {_cut(repr(message))} ({message.origin}, {message.size} octets)")
        lines += [f"      {line}" for line in _beginning(message)]
    lines += _listed("refusal", server.refused)
    lines += _listed("error of the server", server.errors, "errors of the server")
    lines += _listed("open connection", [session for session in server.sessions if session.open])
    return lines


def _beginning(message: "Message") -> list[str]:
    from mailtrap import StoreError

    try:
        text = message.plain
    except StoreError:
        return ["(cleared)"]
    lines = [line for line in text.splitlines() if line.strip()]
    return [_cut(line) for line in lines[:LINES]] + (["..."] if len(lines) > LINES else [])


def _listed(noun: str, items: Sequence[object], plural: str = "") -> list[str]:
    if not items:
        return []
    shown = [f"  {_cut(repr(item))}" for item in items[-OTHERS:]]
    return [_counted(len(items), noun, plural), *_left_out(items, OTHERS), *shown]


def _left_out(items: Sequence[object], limit: int) -> list[str]:
    return [f"  ({len(items) - limit} older ones are not shown)"] if len(items) > limit else []


def _counted(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun if number == 1 else plural or f'{noun}s'}"


def _cut(text: str) -> str:
    text = text.replace("\n", "\\n")
    return text if len(text) <= WIDTH else f"{text[:WIDTH]}..."


# ---------------------------------------------------------------- comparisons


def comparison(left: Any, right: Any) -> list[str] | None:
    """Lines on why an address or a message is not equal to something; None where there is nothing to add."""
    from mailtrap import Address, Message

    if isinstance(left, Message) and isinstance(right, Message):
        return ["two different messages", f"left:  {_cut(repr(left))}", f"right: {_cut(repr(right))}"]
    if not isinstance(left, Address):
        left, right = right, left
    if not isinstance(left, Address) or not isinstance(right, str):
        return None
    lines = [f"address {str(left)!r} is not {str(right)!r}"]
    if "<" in right:
        lines.append(f"an address is compared without its display name, which is {left.name!r} and stands in .name")
    elif left.lower() == right.lower():
        lines.append("they differ in the case of the local part, which counts (RFC 5321, 2.4)")
    return lines
