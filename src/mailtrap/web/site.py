"""What all parts of the application share: the server, the cache of summaries, and how a request names a scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Final

from flask import request

from ..message.model import Message
from ..server import MailServer
from ..waiting import SUBMITTED
from .problems import Problem
from .summaries import Summaries

EVERY_SCOPE: Final = "*"


@dataclass(frozen=True, slots=True)
class Selection:
    """The scope, or all of them, that a request is about."""

    view: MailServer
    all_scopes: bool = False

    def page(
        self, *, limit: int | None = None, before: int | None = None, after: int = 0, newest_first: bool = True
    ) -> Sequence[Message]:
        """Messages of every origin; see ``MailServer.page``."""
        return self.view.page(
            limit=limit, before=before, after=after, newest_first=newest_first, all_scopes=self.all_scopes
        )

    def search(
        self, query: str, *, limit: int | None = None, before: int | None = None, after: int = 0,
        newest_first: bool = True, zone: tzinfo = UTC,
    ) -> Sequence[Message]:  # fmt: skip
        """Messages of every origin that a query fits; see ``MailServer.search``."""
        return self.view.search(
            query, limit=limit, before=before, after=after, newest_first=newest_first, zone=zone,
            all_scopes=self.all_scopes,
        )  # fmt: skip

    def submitted(self) -> list[Message]:
        """All that was submitted, newest first: what programs that look for mail mean."""
        return [message for message in self.page() if message.origin in SUBMITTED]

    def views(self) -> list[MailServer]:
        """One view for each scope selected."""
        if not self.all_scopes:
            return [self.view]
        return [view for name in self.view.scopes if (view := self.view.view(name)) is not None]


class Site:
    """One application's share of a server."""

    def __init__(self, server: MailServer) -> None:
        self.server = server
        self.summaries = Summaries()

    def select(self, default: str | None = None) -> Selection:
        """What ``scope=`` of the request names: a scope's name, ``""`` for the first, ``*`` for all.

        Args:
            default: where it names none; None is the scope that is current on the listeners.

        Raises:
            Problem: 404, there is no such scope.
        """
        name = request.args.get("scope", default)
        if name == EVERY_SCOPE:
            return Selection(self.server, True)
        view = self.server.view(name)
        if view is None:
            raise Problem(404, f"there is no scope {name!r}", kind="NoSuchScope", parameter="scope")
        return Selection(view)

    def message(self, id: str) -> Message:  # noqa: A002
        """A message by its id; ``latest`` is the newest that was submitted in the scope selected.

        Raises:
            Problem: 404, there is none.
        """
        if id == "latest":
            found = next((m for m in self.select().page() if m.origin in SUBMITTED), None)
        else:
            found = self.server.get(id)
        if found is None:
            raise Problem(404, f"there is no message {id!r}", kind="NoSuchMessage")
        return found
