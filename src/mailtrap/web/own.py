"""``/api/mailtrap/``: waits, lists and events, in this server's own terms."""

from typing import Any, Final

from flask import Blueprint, Response, jsonify, request

from .. import __version__
from ..delivery.refusal import Refusal
from ..errors import AmbiguousMessage, MessageNotFound, StoreError, UnexpectedMessage
from ..transcript import Session
from . import API, criteria, describe, questions
from .events import stream
from .problems import BadParameter, Problem
from .site import Selection, Site

PAGE: Final = 100  # messages in a list, unless asked otherwise
LARGEST_PAGE: Final = 1000
_LIST: Final = frozenset(("scope", "after", "before", "limit", "order", "as", "query", "submitted", "skip"))
_WAIT: Final = frozenset(("timeout", "scope", "since", "latest", "at_least"))


class OwnAPI:
    """The routes that read, wait and send. Those of accounts and mailboxes are in ``own_mailboxes``."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._server = site.server

    def blueprint(self) -> Blueprint:
        """Its routes."""
        routes = Blueprint("own", __name__, url_prefix="/api/mailtrap")
        add = routes.add_url_rule
        add("/info", view_func=self.info)
        add("/endpoints", view_func=self.endpoints)
        add("/ca.pem", view_func=self.ca_pem)
        add("/mark", view_func=self.mark)
        add("/wait", view_func=self.wait, methods=["GET", "POST"])
        add("/settled", view_func=self.settled)
        add("/command", view_func=self.command)
        add("/events", view_func=self.events)
        add("/messages", view_func=self.messages)
        add("/messages", view_func=self.send, methods=["POST"])
        add("/messages", view_func=self.clear, methods=["DELETE"])
        add("/messages/<id>", view_func=self.message)
        add("/messages/<id>", view_func=self.delete, methods=["DELETE"])
        add("/messages/<id>/raw", view_func=self.raw)
        add("/messages/<id>/copies", view_func=self.copies)
        add("/sessions", view_func=self.sessions)
        add("/sessions/<id>", view_func=self.session)
        add("/sessions/<id>/disconnect", view_func=self.disconnect, methods=["POST"])
        add("/refused", view_func=self.refused)
        add("/refused/<id>", view_func=self.refusal)
        add("/refused/<id>/raw", view_func=self.refusal_raw)
        add("/evicted", view_func=self.evicted)
        add("/errors", view_func=self.errors)
        add("/scopes", view_func=self.scopes)
        add("/scopes", view_func=self.open_scope, methods=["POST"])
        add("/scopes/<path:name>", view_func=self.close_scope, methods=["DELETE"])
        add("/scopes/<path:name>/enter", view_func=self.enter_scope, methods=["POST"])
        add("/settings", view_func=self.configure, methods=["PATCH"])
        add("/reset", view_func=self.reset, methods=["POST"])
        add("/tokens", view_func=self.token, methods=["POST"])
        return routes

    # ------------------------------------------------------------ what it is

    def info(self) -> Response:
        """Who answers here, and in which life of the store."""
        view = self._site.select().view
        started = self._server.started_at
        settings = view.settings
        return jsonify(
            name="mailtrap", version=__version__, api=API, hostname=settings["hostname"], scope=view.name,
            domain=view.domain, mark=questions.write_mark(view.mark()),
            started_at=None if started is None else started.isoformat(),
            settings={name: settings[name] for name in ("routing", "starttls", "timeout")},
            tally=describe.tally(view.tally()),
            retention={name: settings[name] for name in ("max_messages", "max_bytes", "max_age")},
        )  # fmt: skip

    def endpoints(self) -> Response:
        """Where each listener is, as this side sees it."""
        return jsonify(
            {
                name: {
                    "host": found.host,
                    "port": found.port,
                    "socket": found.socket,
                    "url": found.url,
                    "tls": found.tls,
                }
                for name, found in self._site.select().view.endpoints.items()
            }
        )

    def ca_pem(self) -> Response:
        """The certificate that a client must trust."""
        return Response(self._server.ca_pem, mimetype="application/x-pem-file")

    def mark(self) -> Response:
        """This moment in the order of commits."""
        return jsonify(mark=questions.write_mark(self._server.mark()))

    # ------------------------------------------------------------ waits and events

    def wait(self) -> Response:
        """Wait for the message that matches. Without one it is ``{"found": false, "explanation": ...}``."""
        given = questions.body() if request.method == "POST" else {}
        questions.known(request.args, criteria.QUERY | _WAIT)
        questions.known(given, criteria.JSON | _WAIT)
        asked = criteria.from_query(request.args.to_dict(flat=False)) | criteria.from_json(given)
        options: dict[str, Any] = {**request.args.to_dict(), **given}
        timeout = questions.seconds("timeout", options.get("timeout"))
        if options.get("since") not in (None, ""):
            asked["since"] = questions.mark("since", options["since"])
        selection = self._selected(given)
        if selection.all_scopes:
            raise BadParameter("scope", "a wait is for one scope")
        view = selection.view
        try:
            if "at_least" in options:
                number = questions.integer("at_least", 1, least=1, source=options)
                several = view.wait_for(at_least=number, timeout=timeout, **asked)
                return jsonify(found=True, messages=[describe.message(message) for message in several])
            latest = questions.flag("latest", options.get("latest"))
            found = (view.latest if latest else view.message)(timeout=timeout, **asked)
            return jsonify(found=True, message=describe.message(found))
        except AmbiguousMessage as error:
            since = asked.pop("since", None)
            there = [message for message in view.messages if since is None or message.seq > since.seq]
            matching = [describe.heading(message) for message in there if message.matches(**asked)]
            return jsonify(found=False, ambiguous=True, explanation=str(error), messages=matching)
        except MessageNotFound as error:
            return jsonify(found=False, explanation=str(error))

    def _selected(self, given: dict[str, Any]) -> Selection:
        name = given.get("scope")
        if name is not None and not isinstance(name, str):
            raise BadParameter("scope", f"scope is a text, not {name!r}")
        return self._site.select(name)

    def settled(self) -> Response:
        """Answer when every SMTP transaction that is open now has ended."""
        view = self._site.select().view
        try:
            view.assert_no_message(since=view.mark(), where=lambda _: False)
        except UnexpectedMessage as error:
            return jsonify(settled=False, explanation=str(error))
        return jsonify(settled=True)

    def command(self) -> Response:
        """Wait for a session that carries out a command."""
        view = self._site.select().view
        timeout = questions.seconds("timeout", request.args.get("timeout"))
        verb = questions.text("command", request.args.get("command"))
        protocol = questions.text("protocol", request.args.get("protocol"), default="imap")
        try:
            found = view.wait_for_command(verb, protocol=protocol, user=request.args.get("user"), timeout=timeout)
        except MessageNotFound as error:
            return jsonify(found=False, explanation=str(error))
        return jsonify(found=True, session=describe.session(found, whole=True))

    def events(self) -> Response:
        """Server-sent events; ``Last-Event-ID`` or ``since=`` says from where."""
        last = None
        if since := request.args.get("since"):
            last = questions.mark("since", since)
        if header := request.headers.get("Last-Event-ID"):
            last = questions.mark("Last-Event-ID", header)
        selection = self._site.select()
        if request.method == "HEAD":
            return Response(mimetype="text/event-stream")
        response = Response(stream(selection, last), mimetype="text/event-stream")
        response.headers["Cache-Control"] = "no-store"
        response.headers["X-Accel-Buffering"] = "no"  # a proxy in front must not gather
        return response

    # ------------------------------------------------------------ messages

    def messages(self) -> Response:
        """A page of messages of every origin, by ``seq``; the whole life of the store is told beside."""
        questions.known(request.args, _LIST)
        selection = self._site.select()
        mark = selection.view.mark()
        order = request.args.get("order", "newest")
        if order not in ("newest", "oldest"):
            raise BadParameter("order", f"order is newest or oldest, not {order!r}")
        form = request.args.get("as", "heading")
        if form not in _FORMS:
            raise BadParameter("as", f"as is {' or '.join(_FORMS)}, not {form!r}")
        before = request.args.get("before")
        query = request.args.get("query", "")
        page: dict[str, Any] = {
            "after": questions.integer("after", 0),
            "before": None if before is None else questions.integer("before", 0),
            "limit": questions.integer("limit", PAGE, most=LARGEST_PAGE),
            "newest_first": order == "newest",
            "submitted": questions.flag("submitted", request.args.get("submitted")),
            "skip": questions.integer("skip", 0),
        }
        found = selection.search(query, **page) if query.strip() else selection.page(**page)
        described = []
        for message in found:
            try:
                described.append(_FORMS[form](message))
            except StoreError:
                continue  # cleared meanwhile
        return jsonify(mark=questions.write_mark(mark), messages=described)

    def message(self, id: str) -> Response:  # noqa: A002
        """All of one message but its bytes."""
        form = request.args.get("as", "message")
        if form not in _FORMS:
            raise BadParameter("as", f"as is {' or '.join(_FORMS)}, not {form!r}")
        return jsonify(_FORMS[form](self._site.message(id)))

    def raw(self, id: str) -> Response:  # noqa: A002
        """The exact bytes."""
        return Response(self._site.message(id).raw, mimetype="application/octet-stream")

    def copies(self, id: str) -> Response:  # noqa: A002
        """The copies of a message now."""
        return jsonify(
            [
                {"mailbox": describe.mailbox(copy.mailbox), **describe.copy(copy)}
                for copy in self._site.message(id).copies
            ]
        )

    def send(self) -> tuple[Response, int]:
        """Put the mail in the body, byte for byte, into mailboxes, as ``deliver()`` does."""
        questions.known(request.args, ("scope", "recipient", "mail_from", "mailbox", "flag", "internal_date", "origin"))
        recipients = request.args.getlist("recipient")
        if not recipients:
            raise BadParameter("recipient", "recipient is missing: the body is put into the mailboxes it names")
        view = self._site.select().view
        mail_from = request.args.get("mail_from", "")
        if request.args.get("origin", "deliver") == "http":
            found = view.send(request.get_data(), recipients=recipients, mail_from=mail_from, peer=peer())
        else:
            found = view.deliver(
                request.get_data(), recipients=recipients, mail_from=mail_from,
                mailbox=request.args.get("mailbox", "INBOX"), flags=request.args.getlist("flag"),
                internal_date=questions.moment("internal_date", request.args.get("internal_date")),
            )  # fmt: skip
        return jsonify(describe.received(found)), 201

    def clear(self) -> Response:
        """Forget the messages, refusals and errors of the scopes selected; or the messages whose ids the body lists.

        With ``{"submitted": true}`` only their messages that were submitted, with false only their messages.
        """
        given = questions.body()
        questions.known(given, ("ids", "submitted"))
        if len(given) > 1:
            raise BadParameter("submitted", "ids or submitted, not both")
        if "ids" in given:
            ids = questions.texts("ids", given["ids"])
            found = [message for each in ids if (message := self._server.get(each)) is not None]
            return jsonify(deleted=self._server.delete(found))
        selection = self._site.select()
        if "submitted" in given:
            submitted = questions.flag("submitted", given["submitted"])
            return jsonify(deleted=selection.delete_all(submitted=submitted))
        number = selection.tally().messages
        for view in selection.views():
            view.clear()
        return jsonify(deleted=number)

    def delete(self, id: str) -> Response:  # noqa: A002
        """Take one message and its copies away."""
        return jsonify(deleted=self._server.delete([self._site.message(id)]))

    # ------------------------------------------------------------ connections, refusals, errors

    def sessions(self) -> Response:
        """The newest connections, oldest first; ``open=true`` those that are open."""
        only_open = questions.flag("open", request.args.get("open"))
        selection = self._site.select()
        found = self._server.all_sessions if selection.all_scopes else selection.view.sessions
        return jsonify([describe.session(session) for session in found if session.open or not only_open])

    def session(self, id: str) -> Response:  # noqa: A002
        """One connection with its transcript."""
        return jsonify(describe.session(find_session(self._site, id), whole=True))

    def disconnect(self, id: str) -> Response:  # noqa: A002
        """End a connection as if the network had failed."""
        session = find_session(self._site, id)
        session.disconnect()
        return jsonify(describe.session(session))

    def refused(self) -> Response:
        """What was turned away, oldest first."""
        selection = self._site.select()
        found = self._server.all_refused if selection.all_scopes else selection.view.refused
        return jsonify([describe.refusal(refusal) for refusal in found])

    def refusal(self, id: str) -> Response:  # noqa: A002
        """One refusal, with the transcript of its connection."""
        found = find_refusal(self._site, id)
        return jsonify({**describe.refusal(found), "transcript": found.session.transcript})

    def refusal_raw(self, id: str) -> Response:  # noqa: A002
        """The bytes of a refused mail, as far as they were kept."""
        raw = find_refusal(self._site, id).raw
        if raw is None:
            raise Problem(404, "no bytes of this mail had come when it was refused", kind="NoSuchMessage")
        return Response(raw, mimetype="application/octet-stream")

    def evicted(self) -> Response:
        """What made room for other messages in the scope selected; of the newest their header, instead of the bytes."""
        found = self._site.select().view.evicted
        return jsonify(
            messages=found.messages, last=found.last, reasons=list(found.reasons),
            newest=[describe.remains(message) for message in found.newest],
        )  # fmt: skip

    def errors(self) -> Response:
        """Exceptions inside the server, of the scopes selected; an id tells one from another while both are kept."""
        views = self._site.select().views()
        return jsonify(
            [
                {"id": f"{id(error):x}", "type": type(error).__name__, "message": str(error)}
                for view in views
                for error in view.errors
            ]
        )

    # ------------------------------------------------------------ scopes and settings

    def scopes(self) -> Response:
        """All scopes, the first one's ``""`` included."""
        views = [(name, self._server.view(name)) for name in self._server.scopes]
        return jsonify(
            [
                {"name": name, "domain": view.domain, **describe.tally(view.tally())}
                for name, view in views
                if view is not None
            ]
        )

    def open_scope(self) -> tuple[Response, int]:
        """Open a scope below another. It does not become current: its mail names it by its domain."""
        given = questions.body()
        questions.known(given, ("name", "parent", "settings"))
        name = None if given.get("name") is None else questions.text("name", given["name"])
        settings = given.get("settings", {})
        if not isinstance(settings, dict):
            raise BadParameter("settings", "settings is an object")
        parent = self._server.view(questions.text("parent", given.get("parent"), default=""))
        if parent is None:
            raise Problem(404, f"there is no scope {given['parent']!r}", kind="NoSuchScope", parameter="parent")
        view = parent.scope(name, **settings)
        return jsonify(name=view.name, domain=view.domain), 201

    def enter_scope(self, name: str) -> Response:
        """Make a scope current: mail and readers that name none belong to it, until it is left."""
        view = self._server.view(name)
        if view is None or not name:
            raise Problem(404, f"there is no scope {name!r}", kind="NoSuchScope")
        view.start()
        return jsonify(name=name)

    def close_scope(self, name: str) -> Response:
        """Leave a scope that ``open_scope`` opened; its mail stays."""
        view = self._server.view(name)
        if view is None or not name:
            raise Problem(404, f"there is no scope {name!r}", kind="NoSuchScope")
        view.stop()
        return jsonify(name=name)

    def configure(self) -> Response:
        """Change live settings of the scope selected."""
        view, given = self._site.select().view, questions.body()
        view.configure(**given)
        now = {name: view.settings[name] for name in given}
        return jsonify({name: sorted(value) if isinstance(value, frozenset) else value for name, value in now.items()})

    def reset(self) -> Response:
        """Forget messages, accounts, rules and own settings of the scopes selected."""
        for view in self._site.select().views():
            view.reset()
        return jsonify(reset=True)

    def token(self) -> tuple[Response, int]:
        """Issue an OAuth token."""
        given = questions.body()
        questions.known(given, ("user", "expires_in"))
        expires = given.get("expires_in", 3600)
        if not isinstance(expires, int | float) or isinstance(expires, bool):
            raise BadParameter("expires_in", f"expires_in is a number of seconds, not {expires!r}")
        user = questions.text("user", given.get("user"))
        return jsonify(token=self._site.select().view.issue_token(user, expires_in=expires)), 201


_FORMS: Final = {
    "heading": describe.heading,
    "received": describe.received,
    "whole": describe.whole,
    "message": describe.message,
}


def find_session(site: Site, id: str) -> Session:  # noqa: A002
    """A connection by its id; ``Problem`` 404 when there is none, or it was forgotten."""
    for session in site.server.all_sessions:
        if session.id == id:
            return session
    raise Problem(404, f"there is no session {id!r}; only the newest are kept", kind="NoSuchSession")


def find_refusal(site: Site, id: str) -> Refusal:  # noqa: A002
    """A refusal by its id; ``Problem`` 404 when there is none, or it was cleared."""
    for refusal in site.server.all_refused:
        if refusal.id == id:
            return refusal
    raise Problem(404, f"there is no refusal {id!r}", kind="NoSuchRefusal")


def peer() -> tuple[str, int]:
    """Who sent the request."""
    port = request.environ.get("REMOTE_PORT", 0)
    return request.remote_addr or "", int(port) if str(port).isdecimal() else 0
