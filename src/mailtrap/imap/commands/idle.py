"""IDLE (RFC 2177): what is new is told at once."""

from typing import TYPE_CHECKING

from ...wire.lines import LineTooLong
from ...wire.steps import NEED_DATA, Watch
from ..command import AFTER_LOGIN, Handled, command
from ..responses import Refusal
from ..tokens import Scanner

if TYPE_CHECKING:
    from ..session import IMAPSession


@command("IDLE", AFTER_LOGIN, arguments=False, announced=True)
def idle(session: "IMAPSession", scanner: Scanner, uid: bool) -> Handled:
    """RFC 2177, 3: until the client says DONE. Without a mailbox there is nothing to tell."""
    del scanner, uid
    session.heard("IDLE")
    yield b"+ idling\r\n"
    view = session.view
    if view is not None:
        yield Watch((view.mailbox.id,))
    try:
        while True:
            # The hint is taken before the question: what comes after the answer wakes again.
            session.woken = False
            if view is not None:
                yield from session.tell(expunges=True, explicit=True)
            while not session.woken and not session.eof and b"\n" not in session.buffer:
                yield NEED_DATA
            if session.eof or b"\n" in session.buffer:
                break
        line = yield from session.read_line()
    except LineTooLong:
        raise Refusal("IDLE ends with DONE", kind="BAD") from None
    finally:
        session.woken = False
    if view is not None:
        yield Watch(())
    if line.upper() != b"DONE":
        raise Refusal("IDLE ends with DONE", kind="BAD")
    return None
