"""CONDSTORE and QRESYNC are exact, whoever changes what in the middle of a command.

A client keeps account of a mailbox by what it is told alone. Between any two questions that the session asks the store
others do something. Whenever the connection is lost, the client comes back with what it knows (RFC 7162, 3.2.5), and
then has to know everything.
"""

import re

import hypothesis.strategies as st
from hypothesis import HealthCheck, given, settings

from mailtrap.imap.sequence import parse

from .conftest import BOB, World

_FETCH = re.compile(rb"\* \d+ FETCH \(UID (\d+)(?: FLAGS \(([^)]*)\))?(?: MODSEQ \((\d+)\))?\)")
_QUESTIONS = ("copies", "set_flags", "changes", "snapshot", "search", "expunge", "marks", "take_recent", "move")


class Device:
    """A client that caches a mailbox.

    Attributes:
        known: flags by UID.
        modseq: everything up to here is known.
        upto: all UIDs up to here were asked for; of one above it may have heard by chance.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.known: dict[int, frozenset[bytes]] = {}
        self.validity = self.modseq = self.upto = 0
        self.connect()

    def connect(self) -> None:
        self.client = self.world.login()
        self.client.ok("ENABLE QRESYNC")
        resync = ""
        if self.validity:
            resync = f" (QRESYNC ({self.validity} {self.modseq} {','.join(map(str, sorted(self.known))) or '1'}))"
        untagged, _ = self.client.raw(f"SELECT INBOX{resync}")
        self.validity = int(re.search(rb"UIDVALIDITY (\d+)", untagged)[1])
        self.hear(untagged)
        self.modseq = int(re.search(rb"HIGHESTMODSEQ (\d+)", untagged)[1])
        self.look_for_more()

    def look_for_more(self) -> None:
        self.say(f"UID FETCH {self.upto + 1}:* (FLAGS MODSEQ)")
        self.upto = max(self.upto, *self.known, 0)

    def say(self, command: str) -> None:
        untagged, tagged = self.client.raw(command)
        told = self.hear(untagged)
        code = re.search(rb"\[HIGHESTMODSEQ (\d+)\]", untagged + tagged)
        if code:  # else all up to the highest that was said is known (RFC 7162, 6)
            self.modseq = int(code[1])
        else:
            self.modseq = max(self.modseq, told)
        if re.search(rb"^\* \d+ EXISTS", untagged, re.MULTILINE):
            self.look_for_more()

    def hear(self, untagged: bytes) -> int:
        """Take in what was said; the highest MODSEQ in it."""
        highest = 0
        for line in untagged.split(b"\r\n"):
            if found := re.fullmatch(rb"\* VANISHED (?:\(EARLIER\) )?([\d:,]+)", line):
                for low, high in parse(found[1]):
                    for uid in [uid for uid in self.known if low <= uid <= high]:
                        del self.known[uid]
            elif found := _FETCH.fullmatch(line):
                if found[2] is not None:
                    self.known[int(found[1])] = frozenset(found[2].split()) - {b"\\Recent"}
                highest = max(highest, int(found[3] or 0))
        return highest

    def assert_it_knows_everything(self) -> None:
        rows = self.world.store.copies(self.world.mailbox().id)
        assert self.known == {row.uid: frozenset(flag.encode() for flag in row.flags) for row in rows}
        assert self.modseq <= self.world.mailbox().highestmodseq


OTHERS = st.tuples(st.sampled_from(["flag", "unflag", "expunge", "put", "move"]), st.integers(0, 7))
COMMANDS = st.sampled_from(
    [
        "NOOP", "FETCH 1 (UID FLAGS)", "FETCH 1:* (UID FLAGS MODSEQ)", "STORE 1 +FLAGS (own)", "STORE 1 -FLAGS (own)",
        "SEARCH 1", "UID SEARCH ALL", "UID STORE 1:3 FLAGS (\\Deleted)", "UID EXPUNGE 1:4", "EXPUNGE",
        "UID MOVE 2 INBOX", "UID FETCH 1:* (FLAGS MODSEQ)", "STATUS INBOX (HIGHESTMODSEQ)", "SORT (DATE) UTF-8 1",
        "CHECK",
    ]
)  # fmt: skip
# what the client does, and what others do at its 1st, 2nd ... question to the store
STEPS = st.lists(
    st.tuples(COMMANDS | st.just("lost"), st.lists(st.lists(OTHERS, max_size=2), max_size=6)), min_size=1, max_size=8
)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_a_client_that_comes_back_knows_everything(steps):
    world = World()
    for _ in range(4):
        world.put()
    box = world.mailbox().id
    pending: list[list[tuple[str, int]]] = []
    store = world.store

    def others(action: str, pick: int) -> None:
        uids = plain["snapshot"](box).uids
        some = [uids[pick % len(uids)]] if uids else []
        if action == "put":
            world.put()
        elif action == "expunge":
            plain["expunge"](box, some)
        elif action == "move":
            plain["move"](box, some, box)
        else:
            plain["set_flags"](box, some, ["theirs"], "add" if action == "flag" else "remove")

    def hooked(name):
        def question(*args, **kwargs):
            for action in pending.pop(0) if pending else ():
                others(*action)
            return plain[name](*args, **kwargs)

        return question

    plain = {name: getattr(store, name) for name in _QUESTIONS}
    for name in _QUESTIONS:
        setattr(store, name, hooked(name))
    device = Device(world)
    for command, between in steps:
        pending[:] = between
        if command == "lost":
            device.connect()
        elif device.client.session.view.uids or "1" not in command:
            device.say(command)
    pending.clear()
    device.connect()
    device.assert_it_knows_everything()
    device.say("NOOP")
    device.assert_it_knows_everything()
    assert device.modseq == world.mailbox().highestmodseq
    assert not world.errors
    assert world.account().address == BOB
