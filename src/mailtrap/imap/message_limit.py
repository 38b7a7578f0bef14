"""How many messages one command may be about (MESSAGELIMIT, RFC 9738): a setting, off by default.

What can be done in part is done for the newest messages, and the client is told down to which. What is done for all or
for none is refused.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .responses import Refusal

if TYPE_CHECKING:
    from .session import IMAPSession


def newest(session: "IMAPSession", uids: Sequence[int]) -> tuple[Sequence[int], str]:
    """As many UIDs as a command may be about, and the response code where that is not all (RFC 9738, 3.1)."""
    limit = session.scope.live.imap_message_limit
    if not limit or len(uids) <= limit or not session.offers("MESSAGELIMIT"):
        return uids, ""
    kept = uids[len(uids) - limit :]
    return kept, f"MESSAGELIMIT {limit} {kept[0]}"


def told_limit(session: "IMAPSession", done: Sequence[int]) -> str:
    """The response code where a command may have stopped at the limit."""
    limit = session.scope.live.imap_message_limit
    return f"MESSAGELIMIT {limit} {done[0]}" if limit and len(done) == limit else ""


def not_more(session: "IMAPSession", count: int) -> None:
    """That a command which is done for all or none is about no more messages than it may be.

    Raises:
        Refusal: it is about more (RFC 9738, 3.1.1).
    """
    limit = session.scope.live.imap_message_limit
    if limit and count > limit and session.offers("MESSAGELIMIT"):
        raise Refusal("That is about too many messages at once", f"MESSAGELIMIT {limit}")
