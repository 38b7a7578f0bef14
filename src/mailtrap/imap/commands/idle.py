"""IDLE (RFC 2177): what is new is told at once."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from ... import limits
from ...wire.steps import NEED_DATA, Step, Watch
from ..command import AFTER_LOGIN, Handled, command
from ..responses import Refusal
from ..telling import tell
from ..tokens import Scanner

if TYPE_CHECKING:
    from ..session import IMAPSession


@command("IDLE", AFTER_LOGIN, arguments=False, announced=True)
def idle(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 2177, 3: until the client says DONE. Without a mailbox there is nothing to tell."""
    del scanner, uid
    yield b"+ idling\r\n"
    yield _watch(session, idle=True)
    # Not before: what a test does then would come in one piece with the continuation, behind which clients do not look.
    session.heard("IDLE")
    try:
        line = yield from _wait(session)
    except Exception:
        yield _watch(session, idle=False)
        raise
    yield _watch(session, idle=False)
    if line.upper() != b"DONE":
        raise Refusal("IDLE ends with DONE", kind="BAD")
    return None


def _watch(session: "IMAPSession", *, idle: bool) -> Watch:
    """What the session is woken for: the selected mailbox in IDLE, and always what NOTIFY asked for."""
    wanted = [] if session.notifier is None else list(session.notifier.watch(session).wanted)
    if idle and session.view is not None and session.view.mailbox.id not in wanted:
        wanted.append(session.view.mailbox.id)
    return Watch(wanted, session.patience if idle else None)


def _wait(session: "IMAPSession") -> Generator[Step, Any, bytes]:
    """Tell what happens until a line comes; the line."""
    while True:
        # The hint is taken before the question: what comes after the answer wakes again.
        session.woken = False
        if session.view is not None:
            yield from tell(session, expunges=True)
        if session.notifier is not None and (news := (yield from session.notifier.news(session))):
            yield news
        if session.notifier is not None or session.patience is not None:
            yield _watch(session, idle=True)
        while not session.woken:
            if session.eof or b"\n" in session.buffer or len(session.buffer) > limits.IMAP_LINE:
                return (yield from session.read_line())
            yield NEED_DATA
