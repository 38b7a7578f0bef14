"""The viewer: pages for people. They work without JavaScript; with it they follow what happens."""

import re
from collections.abc import Sequence
from typing import Any, Final

from flask import Blueprint, Response, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from ..errors import MailtrapError, QueryError, ServerRestarted, StoreError
from ..mailboxes import Mailbox
from ..message.model import Message
from . import describe, files, html, questions
from .api.shapes import tags
from .guard import FOREIGN_POLICY
from .own import find_refusal, find_session
from .pages import is_followable, page
from .problems import Problem
from .site import EVERY_SCOPE, Site

PAGE: Final = 50  # messages on a page
COPIES: Final = 500  # copies of a mailbox on a page
LONGEST: Final = 256 * 1024  # characters of a text that a page shows
TABS: Final = ("html", "text", "headers", "raw", "parts", "envelope", "checks")
SEEN: Final = "\\Seen"


class Viewer:
    """The routes."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._server = site.server

    def blueprint(self) -> Blueprint:
        """Its routes."""
        routes = Blueprint("viewer", __name__)
        routes.before_request(self._take_mark)
        add = routes.add_url_rule
        add("/", view_func=self.mail)
        add("/delete", view_func=self.clear, methods=["POST"])
        add("/view/<id>", view_func=self.message)
        add("/view/<id>.html", view_func=self.html)
        add("/view/<id>.txt", view_func=self.text)
        add("/view/<id>.eml", view_func=self.eml)
        add("/view/<id>/part/<part>", view_func=self.part)
        add("/view/<id>/delete", view_func=self.delete, methods=["POST"])
        add("/view/<id>/unread", view_func=self.unread, methods=["POST"])
        add("/accounts", view_func=self.accounts)
        add("/mailbox/<int:id>", view_func=self.mailbox)
        add("/refused", view_func=self.refused)
        add("/refused/<id>", view_func=self.refusal)
        add("/sessions", view_func=self.sessions)
        add("/sessions/<id>", view_func=self.session)
        return routes

    def _take_mark(self) -> None:
        # before the page is made: what comes while it is, the page's event stream begins with
        g.mark = questions.write_mark(self._server.mark())

    # ------------------------------------------------------------ lists

    def mail(self) -> Response:
        """The messages, newest first, of every origin."""
        selection = self._site.select(EVERY_SCOPE)
        before = questions.integer("before", 0) or None
        query = request.args.get("query", "").strip()
        complaint = ""
        try:
            found = (
                selection.search(query, limit=PAGE + 1, before=before)
                if query
                else selection.page(limit=PAGE + 1, before=before)
            )
        except (QueryError, ServerRestarted) as error:
            found, complaint = [], str(error)
        rows = self._rows(found[:PAGE])
        counts = [view.record().status for view in selection.views()]
        return page(
            "mail.html", rows=rows, newest=before is None, older=found[PAGE - 1].seq if len(found) > PAGE else None,
            total=sum(count.messages for count in counts), unread=sum(count.unseen for count in counts),
            endpoints=self._endpoints(), query=query, complaint=complaint,
        )  # fmt: skip

    def _rows(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        flags = self._server.record_flags(messages)
        return [
            {
                "message": message,
                "summary": summary,
                "unread": SEEN not in flags.get(message.seq, {SEEN}),
                "tags": tags(flags.get(message.seq)),
            }
            for message in messages
            if (summary := self._site.summaries.of(message)) is not None
        ]

    def _endpoints(self) -> list[Any]:
        try:
            return list(self._server.endpoints.values())
        except MailtrapError:
            return []

    def clear(self) -> AnyResponse:
        """Delete all messages of what is shown."""
        self._site.select(EVERY_SCOPE).delete_all(submitted=False)
        return redirect(_to("viewer.mail"), 303)

    # ------------------------------------------------------------ one message

    def message(self, id: str) -> AnyResponse:  # noqa: A002
        """One message, one aspect of it at a time: ``tab=``."""
        found = self._site.message(id)
        if id == "latest":
            return redirect(_to("viewer.message", id=found.id), 303)
        self._server.set_record_flags([found], [SEEN])
        default = "html" if found.html is not None else "text"
        tab = request.args.get("tab", default)
        if tab not in TABS:
            raise Problem(404, f"a message has no view {tab!r}")
        selection = self._site.select(EVERY_SCOPE)
        newer = selection.page(after=found.seq, limit=1, newest_first=False)
        older = selection.page(before=found.seq, limit=1)
        summary = self._site.summaries.of(found)
        flags = self._server.record_flags([found]).get(found.seq, frozenset())
        values = _TAB_VALUES[tab](found) if tab in _TAB_VALUES else {}
        return page(
            "message.html", message=found, summary=summary, tab=tab, default=default, codes=list(found.codes)[:5],
            tags=tags(flags),
            parts=describe.parts(found), newer=newer[0].id if newer else None, older=older[0].id if older else None,
            **values,
        )  # fmt: skip

    def html(self, id: str) -> Response:  # noqa: A002
        """The HTML of a message as a page of its own that can do nothing; see ``html``."""
        return html.page(self._site.message(id))

    def text(self, id: str) -> Response:  # noqa: A002
        """The readable text of a message."""
        response = Response(self._site.message(id).plain.encode("utf-8", "replace"), mimetype="text/plain")
        response.headers["Content-Security-Policy"] = FOREIGN_POLICY
        return response

    def eml(self, id: str) -> Response:  # noqa: A002
        """The exact bytes as a file."""
        found = self._site.message(id)
        return files.raw(found.raw, f"{found.id}.eml", download=True)

    def part(self, id: str, part: str) -> Response:  # noqa: A002
        """An attachment; with ``download=1`` as a file."""
        return files.part(self._site.message(id), part, download=request.args.get("download") == "1")

    def delete(self, id: str) -> AnyResponse:  # noqa: A002
        """Delete one message."""
        self._server.delete([self._site.message(id)])
        return redirect(_to("viewer.mail"), 303)

    def unread(self, id: str) -> AnyResponse:  # noqa: A002
        """Forget that it was read."""
        self._server.set_record_flags([self._site.message(id)], [SEEN], "remove")
        return redirect(_to("viewer.mail"), 303)

    # ------------------------------------------------------------ the rest of the server

    def accounts(self) -> Response:
        """The accounts with their mailboxes."""
        rows = []
        for view in self._site.select(EVERY_SCOPE).views():
            rows += [
                {"account": account, "mailboxes": [(box.row, box.status) for box in account.mailboxes]}
                for account in view.accounts
            ]
        return page("accounts.html", rows=rows)

    def mailbox(self, id: int) -> Response:  # noqa: A002
        """What is in a mailbox, newest first."""
        box: Mailbox = self._server.mailbox_by_id(id)
        rows = []
        for copy in reversed(list(box.messages)[-COPIES:]):
            try:
                flags, date = copy.flags, copy.internal_date
            except StoreError:
                continue  # expunged meanwhile
            if (summary := self._site.summaries.of(copy)) is not None:
                rows.append({"message": copy, "summary": summary, "flags": flags, "date": date})
        return page("mailbox.html", row=box.row, status=box.status, copies=rows, most=COPIES)

    def refused(self) -> Response:
        """What was turned away, newest first."""
        selection = self._site.select(EVERY_SCOPE)
        found = self._server.all_refused if selection.all_scopes else selection.view.refused
        return page("refused.html", refusals=list(reversed(found)))

    def refusal(self, id: str) -> Response:  # noqa: A002
        """One refusal."""
        found = find_refusal(self._site, id)
        raw = None if found.raw is None else found.raw[:LONGEST].decode("utf-8", "replace")
        return page("refusal.html", refusal=found, raw=raw, transcript=conversation(found.session.transcript))

    def sessions(self) -> Response:
        """The newest connections, newest first."""
        selection = self._site.select(EVERY_SCOPE)
        found = self._server.all_sessions if selection.all_scopes else selection.view.sessions
        return page("sessions.html", sessions=list(reversed(found)))

    def session(self, id: str) -> Response:  # noqa: A002
        """One connection."""
        found = find_session(self._site, id)
        return page("session.html", session=found, transcript=conversation(found.transcript))


def _to(endpoint: str, **values: Any) -> str:
    scope = request.args.get("scope")
    if scope is not None:
        values["scope"] = scope
    return url_for(endpoint, **values)


_LINE: Final = re.compile(r"(C) ([0-9.]+) ?(.*)|(S|\*) ?(.*)")


def conversation(transcript: str) -> list[dict[str, str]]:
    """The lines of a transcript: who said what (``C``, ``S``, or ``*`` for a note), and when."""
    lines = []
    for row in transcript.splitlines():
        found = _LINE.fullmatch(row)
        if found is None:
            lines.append({"who": "*", "at": "", "text": row})
        elif found[1]:
            lines.append({"who": "C", "at": found[2], "text": found[3]})
        else:
            lines.append({"who": found[4], "at": "", "text": found[5]})
    return lines


def _cut(text: str) -> dict[str, Any]:
    return {"body": text[:LONGEST], "cut": max(0, len(text) - LONGEST)}


def _text(message: Message) -> dict[str, Any]:
    from_html = message.text is None and message.html is not None
    return {**_cut(message.plain), "from_html": from_html, "links": links(message)}


def _html(message: Message) -> dict[str, Any]:
    return {"links": links(message), "remote": html.loads_remote(message.html or "")}


def _raw(message: Message) -> dict[str, Any]:
    return _cut(message.raw.decode("utf-8", "replace").replace("\r\n", "\n"))


def _headers(message: Message) -> dict[str, Any]:
    return {"pairs": message.headers.pairs}


def _envelope(message: Message) -> dict[str, Any]:
    copies = []
    for copy in message.copies:
        try:
            copies.append({"mailbox": copy.mailbox.row, "uid": copy.uid, "flags": copy.flags})
        except StoreError:
            continue  # expunged meanwhile
    return {"transcript": conversation(message.transcript), "copies": copies}


def _checks(message: Message) -> dict[str, Any]:
    return {"findings": message.lint(), "defects": message.defects}


def links(message: Message) -> list[Any]:
    """Its links, those first that may be followed from a page: of http, https and mailto."""
    return sorted(message.links[:200], key=lambda link: not is_followable(link.href))


_TAB_VALUES: Final = {
    "html": _html, "text": _text, "raw": _raw, "headers": _headers, "envelope": _envelope, "checks": _checks,
}  # fmt: skip
