"""What all parts of the application share: the server, the cache of summaries, and how a request names a scope."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING, Final

from flask import request

from ..message.model import Message
from ..server import MailServer
from .problems import Problem
from .summaries import Kept, summary

if TYPE_CHECKING:
    from ..store.rows import Tally

EVERY_SCOPE: Final = "*"


@dataclass(frozen=True, slots=True)
class Selection:
    """The scope, or all of them, that a request is about."""

    view: MailServer
    all_scopes: bool = False

    def page(
        self, *, limit: int | None = None, before: int | None = None, after: int = 0, newest_first: bool = True,
        submitted: bool = False, skip: int = 0,
    ) -> Sequence[Message]:  # fmt: skip
        """Messages; see ``MailServer.page``."""
        return self.view.page(
            limit=limit, before=before, after=after, newest_first=newest_first, submitted=submitted, skip=skip,
            all_scopes=self.all_scopes,
        )  # fmt: skip

    def found(
        self, query: str, *, limit: int, skip: int, submitted: bool, zone: tzinfo = UTC
    ) -> tuple[Sequence[Message], int, int]:
        """A page, and the counts of all; see ``MailServer.found``."""
        return self.view.found(
            query, limit=limit, skip=skip, submitted=submitted, zone=zone, all_scopes=self.all_scopes
        )

    def tally(self) -> "Tally":
        """Its counts."""
        return self.view.tally(all_scopes=self.all_scopes)

    def search(
        self, query: str, *, limit: int | None = None, before: int | None = None, after: int = 0,
        newest_first: bool = True, submitted: bool = False, skip: int = 0, zone: tzinfo = UTC,
    ) -> Sequence[Message]:  # fmt: skip
        """Messages that a query fits; see ``MailServer.search``."""
        return self.view.search(
            query, limit=limit, before=before, after=after, newest_first=newest_first, submitted=submitted, skip=skip,
            zone=zone, all_scopes=self.all_scopes,
        )  # fmt: skip

    def submitted(self, *, limit: int | None = None, skip: int = 0) -> Sequence[Message]:
        """What was submitted, newest first: what programs that look for mail mean."""
        return self.page(limit=limit, skip=skip, submitted=True)

    def delete_all(self, *, submitted: bool) -> int:
        """Delete all messages, or those that were submitted; see ``MailServer.delete_all``."""
        return self.view.delete_all(submitted=submitted, all_scopes=self.all_scopes)

    def views(self) -> list[MailServer]:
        """One view for each scope selected."""
        if not self.all_scopes:
            return [self.view]
        return [view for name in self.view.scopes if (view := self.view.view(name)) is not None]


class Site:
    """One application's share of a server."""

    def __init__(self, server: MailServer) -> None:
        self.server = server
        self.summaries = Kept(summary)

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
            found = next(iter(self.select().submitted(limit=1)), None)
        else:
            found = self.server.get(id)
        if found is None:
            raise Problem(404, f"there is no message {id!r}", kind="NoSuchMessage")
        return found
