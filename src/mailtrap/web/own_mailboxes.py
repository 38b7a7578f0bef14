"""``/api/mailtrap/accounts`` and ``/api/mailtrap/mailboxes``: what another device could do, each one command's worth.

An account is named by its address in the scope selected; a mailbox by its number.
"""

import base64
from collections.abc import Callable, Sequence
from typing import Any, Final, Literal

from flask import Blueprint, Response, jsonify, request

from ..errors import NoSuchAccount, StoreError
from ..mailboxes import Account, Mailbox
from ..message.model import Copy
from . import describe, questions
from .problems import BadParameter
from .site import Site

Json = dict[str, Any]
_MODES: Final[dict[str, Literal["add", "remove", "replace"]]] = {
    "add": "add", "remove": "remove", "replace": "replace",
}  # fmt: skip


class MailboxAPI:
    """The routes of accounts, mailboxes and copies."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._server = site.server

    def blueprint(self) -> Blueprint:
        """Its routes."""
        routes = Blueprint("own_mailboxes", __name__, url_prefix="/api/mailtrap")
        add = routes.add_url_rule
        add("/accounts", view_func=self.accounts)
        add("/accounts", view_func=self.put_account, methods=["POST"])
        add("/accounts/<path:address>", view_func=self.account)
        add("/accounts/<path:address>", view_func=self.remove_account, methods=["DELETE"])
        add("/accounts/<path:address>", view_func=self.set_quota, methods=["PATCH"])
        add("/annotations", view_func=self.server_annotations)
        add("/annotations", view_func=self.annotate_server, methods=["POST"])
        add("/mailboxes/<int:id>/annotations", view_func=self.annotations)
        add("/mailboxes/<int:id>/annotations", view_func=self.annotate, methods=["POST"])
        add("/mailboxes/<int:id>/rights", view_func=self.set_rights, methods=["POST"])
        add("/mailboxes", view_func=self.mailboxes)
        add("/mailboxes", view_func=self.create, methods=["POST"])
        add("/subscriptions", view_func=self.subscriptions)
        add("/subscriptions", view_func=self.subscribe, methods=["POST"])
        add("/mailboxes/<int:id>", view_func=self.mailbox)
        add("/mailboxes/<int:id>", view_func=self.rename, methods=["PATCH"])
        add("/mailboxes/<int:id>", view_func=self.remove, methods=["DELETE"])
        add("/mailboxes/<int:id>/copies", view_func=self.copies)
        add("/mailboxes/<int:id>/copies", view_func=self.append, methods=["POST"])
        add("/mailboxes/<int:id>/<any(flags,copy,move,expunge,renumber):change>", view_func=self.change,
            methods=["POST"])  # fmt: skip
        return routes

    # ------------------------------------------------------------ accounts

    def accounts(self) -> Response:
        """The accounts of the scopes selected."""
        return jsonify([describe.account(account) for view in self._site.select().views() for account in view.accounts])

    def put_account(self) -> tuple[Response, int]:
        """Declare an account; with ``"open": true`` only see to it that there is one, as a login would."""
        given = questions.body()
        questions.known(given, ("address", "password", "quota", "message_quota", "open"))
        view = self._site.select().view
        address = questions.text("address", given.get("address"))
        if questions.flag("open", given.get("open", False)):
            return jsonify(describe.account(view.account(address))), 200
        password = given.get("password")
        if password is not None:
            questions.text("password", password)
        quota, message_quota = _quotas(given)
        made = view.add_account(address, password, quota=quota, message_quota=message_quota)
        return jsonify(describe.account(made)), 201

    def set_quota(self, address: str) -> Response:
        """Limit what an account may keep; a limit that is not given is none."""
        given = questions.body()
        questions.known(given, ("quota", "message_quota"))
        found = self._find(address)
        found.set_quota(*_quotas(given))
        return jsonify(describe.account(found))

    def account(self, address: str) -> Response:
        """One account with its mailboxes. It does not come to be by this."""
        found = self._find(address)
        mailboxes = [describe.mailbox(mailbox) for mailbox in found.mailboxes]
        return jsonify({**describe.account(found), "mailboxes": mailboxes})

    def remove_account(self, address: str) -> Response:
        """Take an account with its mailboxes away. Its messages stay."""
        self._find(address).remove()
        return jsonify(removed=address)

    def _find(self, address: str) -> Account:
        view = self._site.select().view
        if address == "all":
            return view.record().account
        for account in view.accounts:
            if account.address == address.lower() or account.address == address:
                return account
        raise NoSuchAccount(f"there is no account {address}")

    # ------------------------------------------------------------ mailboxes

    def mailboxes(self) -> Response:
        """The mailboxes of ``account=``, or of all accounts of the scopes selected."""
        if address := request.args.get("account"):
            accounts = [self._find(address)]
        else:
            accounts = [account for view in self._site.select().views() for account in view.accounts]
        return jsonify([describe.mailbox(mailbox) for account in accounts for mailbox in account.mailboxes])

    def create(self) -> tuple[Response, int]:
        """Make a mailbox."""
        given = questions.body()
        questions.known(given, ("account", "name", "special_use", "subscribed"))
        account = self._site.select().view.account(questions.text("account", given.get("account")))
        special_use = given.get("special_use")
        if special_use is not None:
            questions.text("special_use", special_use)
        made = account.create(
            questions.text("name", given.get("name")), special_use=special_use,
            subscribed=questions.flag("subscribed", given.get("subscribed", True)),
        )  # fmt: skip
        return jsonify(describe.mailbox(made)), 201

    def mailbox(self, id: int) -> Response:  # noqa: A002
        """One mailbox."""
        return jsonify(describe.mailbox(self._server.mailbox_by_id(id)))

    def rename(self, id: int) -> Response:  # noqa: A002
        """Rename a mailbox with its children."""
        given = questions.body()
        questions.known(given, ("name",))
        found = self._server.mailbox_by_id(id)
        found.rename(questions.text("name", given.get("name")))
        return jsonify(describe.mailbox(found))

    def remove(self, id: int) -> Response:  # noqa: A002
        """Delete a mailbox with the copies in it."""
        self._server.mailbox_by_id(id).delete()
        return jsonify(removed=id)

    def subscriptions(self) -> Response:
        """The names that the clients of ``account=`` are subscribed to."""
        return jsonify(self._find(questions.text("account", request.args.get("account"))).subscriptions)

    def subscribe(self) -> Response:
        """Subscribe the clients of an account to a name, or end that."""
        given = questions.body()
        questions.known(given, ("account", "name", "subscribed"))
        account = self._find(questions.text("account", given.get("account")))
        on = questions.flag("subscribed", given.get("subscribed", True))
        account.subscribe(questions.text("name", given.get("name")), on)
        return jsonify(account.subscriptions)

    def set_rights(self, id: int) -> Response:  # noqa: A002
        """Give somebody rights on a mailbox; ``null`` takes him out of its list."""
        given = questions.body()
        questions.known(given, ("who", "rights"))
        found = self._server.mailbox_by_id(id)
        rights = given.get("rights")
        try:
            found.set_rights(
                questions.text("who", given.get("who")), None if rights is None else questions.text("rights", rights)
            )
        except ValueError as error:
            raise BadParameter("rights", str(error)) from None
        return jsonify(describe.mailbox(found))

    def annotations(self, id: int) -> Response:  # noqa: A002
        """The annotations of a mailbox, as its owner sees them."""
        return jsonify(describe.annotations(self._server.mailbox_by_id(id).annotations))

    def annotate(self, id: int) -> Response:  # noqa: A002
        """Change annotations of a mailbox; ``null`` removes one."""
        found = self._server.mailbox_by_id(id)
        found.annotate(_entries(questions.body()))
        return jsonify(describe.annotations(found.annotations))

    def server_annotations(self) -> Response:
        """The server's annotations, as ``account=`` sees them."""
        return jsonify(describe.annotations(self._find(_account_asked()).annotations))

    def annotate_server(self) -> Response:
        """Change the server's annotations, as ``account=`` sees them; ``null`` removes one."""
        found = self._find(_account_asked())
        found.annotate(_entries(questions.body()))
        return jsonify(describe.annotations(found.annotations))

    # ------------------------------------------------------------ copies

    def copies(self, id: int) -> Response:  # noqa: A002
        """The copies in a mailbox, ascending by UID; those of ``uid=``, given once or more, or all."""
        found = self._server.mailbox_by_id(id)
        wanted = {int(uid) for uid in request.args.getlist("uid") if uid.isdecimal()}
        if len(wanted) != len(set(request.args.getlist("uid"))):
            raise BadParameter("uid", "uid is a whole number")
        copies = found.copies(wanted) if "uid" in request.args else found.messages
        return jsonify(_described(copies))

    def append(self, id: int) -> tuple[Response, int]:  # noqa: A002
        """Put the mail in the body into a mailbox, byte for byte."""
        questions.known(request.args, ("flag", "internal_date"))
        copy = self._server.mailbox_by_id(id).append(
            request.get_data(), flags=request.args.getlist("flag"),
            internal_date=questions.moment("internal_date", request.args.get("internal_date")),
        )  # fmt: skip
        return jsonify(describe.copy(copy)), 201

    def change(self, id: int, change: str) -> Response:  # noqa: A002
        """Change copies: ``flags``, ``copy``, ``move``, ``expunge``, or ``renumber`` the mailbox."""
        found = self._server.mailbox_by_id(id)
        return _CHANGES[change](found, questions.body())


def _account_asked() -> str:
    return questions.text("account", request.args.get("account"))


def _quotas(given: Json) -> tuple[int | None, int | None]:
    quota, message_quota = (
        None if given.get(name) is None else questions.integer(name, 0, source=given)
        for name in ("quota", "message_quota")
    )
    return quota, message_quota


def _entries(given: Json) -> dict[str, bytes | str | None]:
    """Annotations, their values in base64."""
    entries: dict[str, bytes | str | None] = {}
    for name, value in given.items():
        try:
            entries[name] = None if value is None else base64.b64decode(questions.text(name, value), validate=True)
        except ValueError:
            raise BadParameter(name, f"{name} is a value in base64, or null") from None
    return entries


def _described(copies: Sequence[Copy]) -> list[Json]:
    described = []
    for copy in copies:
        try:
            described.append(describe.copy(copy))
        except StoreError:
            continue  # expunged meanwhile
    return described


def _flags(mailbox: Mailbox, given: Json) -> Response:
    questions.known(given, ("uids", "flags", "mode"))
    mode = questions.text("mode", given.get("mode"), default="add")
    if mode not in _MODES:
        raise BadParameter("mode", f"mode is {', '.join(_MODES)}, not {mode!r}")
    copies = mailbox.copies(questions.numbers("uids", given.get("uids")))
    mailbox.set_flags(copies, questions.texts("flags", given.get("flags")), _MODES[mode])
    return jsonify(_described(copies))


def _copy(mailbox: Mailbox, given: Json) -> Response:
    return _elsewhere(mailbox, given, mailbox.copy)


def _move(mailbox: Mailbox, given: Json) -> Response:
    return _elsewhere(mailbox, given, mailbox.move)


def _elsewhere(mailbox: Mailbox, given: Json, act: Callable[[Sequence[Copy], str], Sequence[Copy]]) -> Response:
    questions.known(given, ("uids", "to"))
    target = questions.text("to", given.get("to"))
    copies = mailbox.copies(questions.numbers("uids", given.get("uids")))
    new = act(copies, target)
    return jsonify(uids=[[old.uid, made.uid] for old, made in zip(copies, new, strict=True)])


def _expunge(mailbox: Mailbox, given: Json) -> Response:
    questions.known(given, ("uids",))
    if given.get("uids") is None:
        mailbox.expunge()
    else:
        mailbox.expunge(mailbox.copies(questions.numbers("uids", given["uids"])))
    return jsonify(describe.mailbox(mailbox))


def _renumber(mailbox: Mailbox, given: Json) -> Response:
    questions.known(given, ())
    return jsonify(uidvalidity=mailbox.renumber())


_CHANGES: Final[dict[str, Callable[[Mailbox, Json], Response]]] = {
    "flags": _flags, "copy": _copy, "move": _move, "expunge": _expunge, "renumber": _renumber,
}  # fmt: skip
