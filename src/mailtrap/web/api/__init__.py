"""``/api/v1/``: Mailpit's interface, as its own clients use it.

Lists hold what was submitted in the scope that is current, unless ``scope=`` names another; a message is found by its
id wherever it is. Errors are ``text/plain``; those of ``send`` are JSON.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Any, Final

from flask import Blueprint, Response, jsonify, request

from ... import __version__, clock
from ...delivery.posting import Posted
from ...errors import StoreError
from ...message.model import Message
from ...store.query import asks_for_origin, parse
from .. import files, questions
from ..own import peer
from ..problems import BadParameter
from ..site import Selection, Site
from ..summaries import Kept
from . import outgoing, shapes

if TYPE_CHECKING:
    from ...store.rows import Tally

SEEN: Final = "\\Seen"
PAGE: Final = 50
LARGEST_PAGE: Final = 10_000


class MailpitAPI:
    """The routes."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._server = site.server
        self._lines = Kept(self._line)

    def blueprint(self) -> Blueprint:
        """Its routes."""
        routes = Blueprint("mailpit", __name__, url_prefix="/api/v1")
        add = routes.add_url_rule
        add("/messages", view_func=self.messages)
        add("/messages", view_func=self.delete, methods=["DELETE"])
        add("/messages", view_func=self.put, methods=["PUT"])
        add("/search", view_func=self.search)
        add("/search", view_func=self.delete_found, methods=["DELETE"])
        add("/message/<id>", view_func=self.message)
        add("/message/<id>/headers", view_func=self.headers)
        add("/message/<id>/raw", view_func=self.raw)
        add("/message/<id>/part/<part>", view_func=self.part)
        add("/send", view_func=self.send, methods=["POST"])
        add("/info", view_func=self.info)
        return routes

    # ------------------------------------------------------------ lists

    def messages(self) -> Response:
        """A ``MessagesSummary``."""
        selection = self._site.select()
        start, limit = _range()
        tally = selection.tally()
        page = selection.submitted(limit=limit, skip=start)
        return self._summary(selection, tally, page, start, tally.submitted, tally.unread)

    def search(self) -> Response:
        """A ``MessagesSummary`` of the messages that a query fits; ``total`` and ``unread`` are of all."""
        query = _query(request.args.get("query"))
        start, limit = _range()
        selection = self._site.select()
        submitted = not asks_for_origin(parse(query))
        page, number, unread = selection.found(query, limit=limit, skip=start, submitted=submitted, zone=_zone())
        return self._summary(selection, selection.tally(), page, start, number, unread)

    def delete_found(self) -> Response:
        """Delete the messages that a query fits."""
        self._server.delete(self._found(_query(request.args.get("query"))))
        return _ok()

    def _found(self, query: str) -> Sequence[Message]:
        """What was submitted, or by the ways that the query names, and fits; newest first."""
        submitted = not asks_for_origin(parse(query))
        return self._site.select().search(query, zone=_zone(), submitted=submitted)

    def _summary(
        self, selection: Selection, tally: "Tally", page: Sequence[Message], start: int, number: int, unread: int
    ) -> Response:
        """The page from ``start`` on, of so many messages."""
        flags = self._server.record_flags(page)
        shown = [
            line.text(message.session.user or "", flags.get(message.seq))
            for message in page
            if (line := self._lines.of(message)) is not None
        ]
        summary = shapes.encoded({
            "total": tally.submitted, "unread": tally.unread, "count": len(shown), "messages_count": number,
            "messages_unread": unread, "start": start, "tags": _tags(selection),
        })  # fmt: skip
        return Response(f'{summary[:-1]},"messages":[{",".join(shown)}]}}\n', mimetype="application/json")

    def _line(self, message: Message) -> shapes.Line:
        summary = self._site.summaries.of(message)
        if summary is None:
            raise StoreError(f"message {message.id} is gone")
        return shapes.Line.of(message, summary)

    def delete(self) -> Response:
        """Delete the messages of ``{"IDs": [...]}``, or all where the body names none."""
        ids = self._ids(_lenient_body())
        if ids is None:
            self._site.select().delete_all(submitted=True)
        else:
            self._server.delete(self._known(ids))
        return _ok()

    def put(self) -> Response:
        """Change the read state of the messages of ``{"IDs": [...], "Read": true}``, of ``Search``, or of all."""
        given = _lenient_body()
        ids = self._ids(given)
        if ids is not None and given.get("Search"):
            raise BadParameter("Search", "IDs or Search, not both")
        if ids is not None:
            found: Sequence[Message] = self._known(ids)
        elif given.get("Search"):
            found = self._found(_query(given["Search"]))
        else:
            found = self._site.select().submitted()
        read = questions.flag("Read", given.get("Read", False))
        self._server.set_record_flags(found, [SEEN], "add" if read else "remove")
        return _ok()

    @staticmethod
    def _ids(given: dict[str, Any]) -> list[str] | None:
        ids = given.get("IDs")
        return questions.texts("IDs", ids) if ids else None

    def _known(self, ids: list[str]) -> list[Message]:
        return [message for each in ids if (message := self._server.get(each)) is not None]

    # ------------------------------------------------------------ one message

    def message(self, id: str) -> Response:  # noqa: A002
        """A ``Message``; it is read from now on."""
        found = self._site.message(id)
        shape = shapes.message(found, self._server.record_flags([found]).get(found.seq))
        if request.method != "HEAD":
            self._server.set_record_flags([found], [SEEN])
        return jsonify(shape)

    def headers(self, id: str) -> Response:  # noqa: A002
        """Its header fields, each name with its values."""
        return jsonify(shapes.headers(self._site.message(id).raw))

    def raw(self, id: str) -> Response:  # noqa: A002
        """Its exact bytes, as text; with ``dl=1`` as a file."""
        found = self._site.message(id)
        return files.raw(found.raw, f"{found.id}.eml", download=request.args.get("dl") == "1")

    def part(self, id: str, part: str) -> Response:  # noqa: A002
        """The decoded content of an attachment."""
        return files.part(self._site.message(id), part)

    # ------------------------------------------------------------ the rest

    def send(self) -> Response:
        """Send the mail that the body describes."""
        asked = questions.json_object()
        if asked is None:
            return _send_error(400, "the body is not a JSON object")
        view = self._site.select().view
        try:
            mail = outgoing.compose(asked, view.settings["hostname"])
            found = view.send(mail.raw, recipients=mail.recipients, mail_from=mail.mail_from, peer=peer())
        except outgoing.Invalid as error:
            return _send_error(400, str(error))
        except Posted as error:
            status = 413 if error.reply.code == 552 and error.reply.enhanced == "5.3.4" else 400
            return _send_error(503 if error.reply.code < 500 else status, str(error))
        if mail.tags:
            self._server.set_record_flags([found], mail.tags)
        return jsonify(ID=found.id)

    def info(self) -> Response:
        """What runs here. Counts are those of the mail that is there and of the refusals that are kept."""
        server = self._server
        selection = self._site.select()
        tally = selection.tally()
        tags = {tag: len(selection.search(f'tag:"{tag}"')) for tag in _tags(selection)}
        started = server.started_at
        return jsonify(
            Version=f"mailtrap {__version__}", LatestVersion="", Database=server.settings["store"],
            DatabaseSize=tally.submitted_octets, Messages=tally.submitted, Unread=tally.unread, Tags=tags,
            RuntimeStats={
                "Uptime": 0 if started is None else max(0, int(clock.now() - started.timestamp())),
                "Memory": _memory(),
                "MessagesDeleted": server.mark().seq - server.tally(all_scopes=True).messages,
                "SMTPAccepted": tally.submitted, "SMTPAcceptedSize": tally.submitted_octets,
                "SMTPRejected": len(server.all_refused), "SMTPIgnored": 0,
            },
        )  # fmt: skip


def _range() -> tuple[int, int]:
    """Where a page begins, and how long it is."""
    return questions.integer("start", 0), questions.integer("limit", PAGE, most=LARGEST_PAGE)


def _tags(selection: Selection) -> list[str]:
    return sorted({tag for view in selection.views() for tag in shapes.tags(view.record().flags_in_use)})


def _query(given: Any) -> str:
    query = questions.text("query", given)
    if not query.strip():
        raise BadParameter("query", "query is empty")
    return query


def _zone() -> tzinfo:
    """The time zone of times in a query: ``tz=Europe/Berlin``; UTC without it."""
    name = request.args.get("tz", "")
    if not name:
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (ValueError, LookupError, OSError) as error:
        raise BadParameter("tz", f"tz is the name of a time zone, as Europe/Berlin, not {name!r}") from error


def _lenient_body() -> dict[str, Any]:
    """The body as its clients send it: JSON, a form, or something that means nothing was chosen."""
    if request.mimetype in ("application/x-www-form-urlencoded", "multipart/form-data"):
        ids = [*request.form.getlist("ids"), *request.form.getlist("IDs")]
        return {"IDs": ids, "Read": request.form.get("Read", request.form.get("read", "false")),
                "Search": request.form.get("Search", request.form.get("search", ""))}  # fmt: skip
    return questions.json_object() or {}


def _ok() -> Response:
    return Response("ok", mimetype="text/plain")


def _send_error(status: int, text: str) -> Response:
    response = jsonify(Error=text)
    response.status_code = status
    return response


def _memory() -> int:
    """Octets of this process in memory at most so far; 0 where the system does not tell."""
    if sys.platform == "win32":
        return 0
    import resource

    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024
