"""Server-sent events: what came, and that something changed. A wake-up, never a poll.

    event: ready      at the beginning: the mark from which it goes on
    event: message    a message that is new, its heading as data
    event: change     something else changed: flags, deletions, refusals. State answers, this only wakes
    event: restarted  the store began anew since ``Last-Event-ID``: what was seen before is gone

Each but ``change`` has an id, a mark; whoever comes back with it as ``Last-Event-ID`` misses no message.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

from .. import clock
from ..errors import StoreError
from ..waiting import Mark
from . import describe
from .questions import write_mark
from .site import Selection

HEARTBEAT: Final = 15.0  # seconds of silence until a comment is sent: it tells whether somebody still listens
GATHER: Final = 0.01  # seconds in which changes are gathered, so that a busy server is not woken for each of them
BATCH: Final = 500  # messages asked for at once
RETRY: Final = 1000  # milliseconds until a browser comes back


def stream(selection: Selection, last: Mark | None) -> Iterator[str]:
    """The events of a selection from a mark on, or from now on; it ends when the server stops.

    Args:
        last: of a life that is over: everything there is counts as new.
    """
    server = selection.view
    bell = server.bell
    rings = bell.rings
    try:
        now = server.mark()
        restarted = last is not None and last.life != now.life
        cursor = now.seq if last is None else 0 if restarted else last.seq
        yield f"retry: {RETRY}\n"
        yield _event("restarted" if restarted else "ready", {"mark": write_mark(now)}, Mark(now.life, cursor))
        changed = False
        while not server.stopped:
            fresh = selection.page(after=cursor, limit=BATCH, newest_first=False)
            for message in fresh:
                cursor = message.seq
                try:
                    data = describe.heading(message)
                except StoreError:
                    continue  # cleared meanwhile
                yield _event("message", data, Mark(now.life, cursor))
            if len(fresh) == BATCH:
                continue
            if changed and not fresh:
                yield _event("change", {"mark": write_mark(server.mark())})
            if changed:
                clock.sleep(GATHER)  # after the first was told, which came at once
            bell.wait(rings, HEARTBEAT)
            changed = bell.rings != rings
            if not changed:
                yield ":\n\n"
            rings = bell.rings
    except StoreError:
        return  # it was closed: the server stops


def _event(kind: str, data: dict[str, Any], mark: Mark | None = None) -> str:
    identity = "" if mark is None else f"id: {write_mark(mark)}\n"
    return f"event: {kind}\n{identity}data: {json.dumps(data)}\n\n"
