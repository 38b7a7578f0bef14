"""The page of a test's mail: one file that any browser, and any viewer of a CI's artifacts, opens.

Invariants: no script, nothing loaded from elsewhere, every text from a mail or a test escaped, no link but to the files
beside it. It reads well without its style sheet, which some viewers forbid.
"""

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

from mailtrap import Envelope, StoreError

from .found import Found, readable

if TYPE_CHECKING:
    from mailtrap import Message, Refusal

GENERATOR: Final = '<meta name="generator" content="pytest-mailtrap">'
TEXT: Final = 20_000  # characters of one text
ITEMS: Final = 100  # of one list: addresses, links, attachments

_STYLE: Final = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.4 }
body { max-width: 60rem; margin: 1rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem; overflow-wrap: anywhere }
section { border: 1px solid #8886; border-radius: .4rem; padding: 0 1rem 1rem; margin: 1rem 0 }
h2 { font-size: 1.1rem; overflow-wrap: anywhere }
th { text-align: left; vertical-align: top; padding-right: 1rem; font-weight: 600; white-space: nowrap }
td { overflow-wrap: anywhere }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #8881; padding: .6rem; border-radius: .3rem }
summary { cursor: pointer; margin-top: .6rem }
"""
_HEAD: Final = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">{GENERATOR}
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">"""


class Entry(NamedTuple):
    """A message and the file it is in; a note where there is none."""

    message: "Message"
    file: str
    note: str


def page(
    nodeid: str, outcome: str, reason: str, found: Found, messages: Sequence[Entry],
    refused: "Sequence[tuple[Refusal, str]]", transcript: str,
) -> str:  # fmt: skip
    """The whole page."""
    return "\n".join(_page(nodeid, outcome, reason, found, messages, refused, transcript)) + "\n"


def _page(
    nodeid: str, outcome: str, reason: str, found: Found, messages: Sequence[Entry],
    refused: "Sequence[tuple[Refusal, str]]", transcript: str,
) -> Iterator[str]:  # fmt: skip
    yield f"{_HEAD}<title>Mail of {_text(nodeid)}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>Mail of {_text(nodeid)}</h1>"
    yield f"<p>The test: <strong>{_text(outcome)}</strong>. {_summary(found)}."
    yield f"{_link(transcript, 'Conversations')}.</p>"
    if reason:
        yield f"<pre>{_long(reason)}</pre>"
    if found.older:
        yield f"<p>{found.older} older messages are not kept.</p>"
    for entry in messages:
        yield from _message(entry)
    for refusal, file in refused:
        yield f"<section><h2>Refused at {_text(refusal.stage)}</h2><table>"
        yield _row("Reply", _text(refusal.reply))
        yield from _envelope(refusal.envelope)
        if file:
            whole = len(refusal.raw or b"")
            cut = "" if refusal.size in (None, whole) else f", the first {whole} of {refusal.size} octets"
            yield _row("File", f"{_link(file, file)}{cut}")
        yield "</table></section>"
    for error in found.errors:
        yield f"<section><h2>Error of the server</h2><pre>{_long(f'{type(error).__name__}: {error}')}</pre></section>"
    yield "</body></html>"


def _summary(found: Found) -> str:
    counts = [
        (found.older + len(found.messages), "message", "messages"), (len(found.refused), "refusal", "refusals"),
        (len(found.errors), "error of the server", "errors of the server"),
    ]  # fmt: skip
    return ", ".join(f"{number} {one if number == 1 else many}" for number, one, many in counts if number)


def _message(entry: Entry) -> Iterator[str]:
    message = entry.message
    try:
        lines = list(_readable_message(entry))
    except StoreError:  # it was cleared; the envelope is known still
        lines = [*_envelope(message.envelope), _row("File", _text(entry.note)), "</table>"]
        yield f"<section><h2>#{message.seq}</h2><table>"
    else:
        yield f"<section><h2>#{message.seq} {_text(message.subject) or '(no subject)'}</h2><table>"
    yield from lines
    yield "</section>"


def _readable_message(entry: Entry) -> Iterator[str]:
    message = entry.message
    yield _row("File", _link(entry.file, entry.file) if entry.file else _text(entry.note))
    yield _row("Received", f"{message.received_at:%Y-%m-%d %H:%M:%S.%f} UTC, {message.origin}, {message.size} octets")
    yield from _envelope(message.envelope)
    for name in ("From", "To", "Cc", "Reply-To", "Date", "Message-ID"):
        for value in message.headers.get_all(name)[:ITEMS]:
            yield _row(name, _text(value))
    parts = [*message.attachments, *message.inline]
    yield from _list("Attachments", [f"{part.filename or '(no name)'}, {part.content_type}, {part.size} octets"
                                     for part in parts])  # fmt: skip
    yield from _list("Links", [link.href for link in message.links])
    yield from _list("Defects", message.defects)
    yield "</table>"
    yield f"<pre>{_long(message.plain)}</pre>"
    if message.html is not None:
        yield f"<details><summary>HTML, as source</summary><pre>{_long(message.html)}</pre></details>"
    if message.transcript:
        yield f"<details><summary>Conversation</summary><pre>{_long(message.transcript)}</pre></details>"


def _envelope(envelope: Envelope) -> Iterator[str]:
    yield _row("MAIL FROM", _text(f"<{envelope.mail_from}>"))
    yield from _list("RCPT TO", [f"<{recipient}>" for recipient in envelope.recipients])


def _list(name: str, values: Iterable[str]) -> Iterator[str]:
    shown = list(values)
    if shown:
        more = f"<br>and {len(shown) - ITEMS} more" if len(shown) > ITEMS else ""
        yield _row(name, "<br>".join(map(_text, shown[:ITEMS])) + more)


def _row(name: str, markup: str) -> str:
    return f'<tr><th scope="row">{name}</th><td>{markup}</td></tr>'


def _link(file: str, text: str) -> str:
    return f'<a href="{_text(file)}">{_text(text)}</a>'


def _text(text: str) -> str:
    return escape(readable(text[:TEXT]))


def _long(text: str) -> str:
    cut = f"\n... and {len(text) - TEXT} more characters" if len(text) > TEXT else ""
    return _text(text) + cut
