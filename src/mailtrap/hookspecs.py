"""The hooks that a plugin of the server can implement.

``before_*`` hooks may refuse or change; the first plugin that returns something else than None decides. They run in a
worker thread unless marked ``@fast``, and no longer than the setting ``hook_timeout``. ``after_*`` hooks cannot
change anything. An exception in a hook is a 451 or NO for the client (``before_*``) and always in ``server.errors``.

A plugin is a module or an object with functions marked ``@hookimpl``, given as ``MailServer(plugins=[...])`` or
installed under the entry-point group ``mailtrap``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import pluggy

if TYPE_CHECKING:
    from .delivery.refusal import Refusal as RefusalRecord
    from .message.address import Address
    from .message.envelope import Envelope
    from .message.model import Message
    from .server import MailServer
    from .store.base import Store
    from .transcript import Session

PROJECT = "mailtrap"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

_F = TypeVar("_F", bound=Callable[..., Any])


def fast(function: _F) -> _F:
    """Mark an implementation of a ``before_*`` or ``after_*`` hook that neither blocks nor works long.

    It is called without a worker thread.
    """
    function.mailtrap_fast = True  # type: ignore[attr-defined]
    return function


@dataclass(frozen=True, slots=True)
class Refuse:
    """A ``before_*`` hook's no. IMAP and POP3 use the text alone."""

    code: int = 550
    text: str = "5.7.1 Refused"


@dataclass(frozen=True, slots=True)
class Change:
    """What a ``before_message`` hook changes; None leaves it as it came."""

    raw: bytes | None = None
    envelope: "Envelope | None" = None


class Specifications:
    """Each method is one hook."""

    @hookspec
    def mailtrap_server_started(self, server: "MailServer") -> None:
        """All listeners are bound."""

    @hookspec
    def mailtrap_server_stopping(self, server: "MailServer") -> None:
        """The listeners are about to close."""

    @hookspec
    def mailtrap_store_schemes(self) -> "Mapping[str, Callable[[str], Store]]":
        """URL schemes of stores: name to a function from the whole URL to a store."""
        raise AssertionError("a specification is not called")

    @hookspec(firstresult=True)
    def mailtrap_before_login(self, session: "Session", user: str, mechanism: str) -> Refuse | None:
        """Credentials were right; the login has not happened. May refuse."""

    @hookspec(firstresult=True)
    def mailtrap_before_recipient(
        self, session: "Session", mail_from: "Address", recipient: "Address", parameters: "Mapping[str, str | None]"
    ) -> Refuse | None:
        """RCPT was understood; nothing was looked up. May refuse."""

    @hookspec(firstresult=True)
    def mailtrap_before_message(
        self, session: "Session | None", origin: str, envelope: "Envelope", raw: bytes
    ) -> "Refuse | Change | None":
        """A message has come in whole (smtp, lmtp, http, append), and is not kept yet. May refuse or change it."""

    @hookspec
    def mailtrap_after_message(self, message: "Message") -> None:
        """A message is kept and can be seen."""

    @hookspec
    def mailtrap_after_refusal(self, refusal: "RefusalRecord") -> None:
        """Something was turned away."""
