"""Several sessions on one mailbox: what each client believes of message numbers is true, whatever the others do.

A client believes what it was told: EXISTS, EXPUNGE and VANISHED change its list, FETCH says which UID a number has.
Each number that it sends must mean to the server what it means to the client, also where it sent the command before it
heard of a change (RFC 3501, 5.5 and 7.4.1; RFC 5465, 6.1; RFC 7162, 3.2.10).
"""

import re
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mailtrap.imap.sequence import parse

from .conftest import World

MODES = ["plain", "qresync", "uidonly", "selected", "selected-delayed", "qresync selected", "idle"]
_LINE = re.compile(rb"\* (?:(\d+) (EXISTS|EXPUNGE|FETCH|UIDFETCH)|(VANISHED) ([0-9:,]+))(.*)")
_UID = re.compile(rb"UID (\d+)")
_who = st.integers(0, 2)
_place = st.integers(0, 7)
EVENTS = "(MessageNew MessageExpunge FlagChange)"


class Reader:
    """One client, and its list of UIDs by number; 0 where it does not know the UID yet."""

    def __init__(self, world: World, mode: str) -> None:
        self.mode = mode
        self.idle = mode == "idle"
        self.uidonly = mode == "uidonly"
        self.list: list[int] = []
        self.tags = 0
        self.client = world.login()
        if "qresync" in mode or self.uidonly:
            self.client.ok("ENABLE QRESYNC" + (" UIDONLY" if self.uidonly else ""))
        self.hear(self.client.ok("SELECT INBOX"), numbered=False)
        if "selected" in mode:
            kind = "selected-delayed" if "delayed" in mode else "selected"
            self.client.ok(f"NOTIFY SET ({kind} {EVENTS})")
        self.learn()
        if self.idle:
            self.client.send(b"i IDLE\r\n")

    def say(self, command: str, *, numbered: bool = False) -> bytes:
        """Send a command, hear what comes before its tagged reply and behind it; that reply without its tag."""
        self.tags += 1
        tag = b"s%d" % self.tags
        before, _, rest = self.client.send(b"%b %b\r\n" % (tag, command.encode())).rpartition(tag + b" ")
        tagged, _, behind = rest.partition(b"\r\n")
        self.hear(before, numbered=numbered)
        self.hear(behind, numbered=False)
        return tagged

    def hear(self, answer: bytes, *, numbered: bool) -> None:
        """Take in untagged responses; ``numbered``: of a command during which numbers must not change."""
        for line in answer.splitlines():
            if (found := _LINE.match(line)) is None:
                continue
            number, kind, vanished, uids, rest = found.groups()
            if vanished:
                assert not numbered, line
                for low, high in parse(uids):
                    for uid in range(low, high + 1):
                        if not self.uidonly or uid in self.list:
                            self.list.remove(uid if uid in self.list else 0)  # one that came and went, else
            elif kind == b"EXISTS":
                assert int(number) >= len(self.list), line
                self.list += [0] * (int(number) - len(self.list))
            elif kind == b"EXPUNGE":
                assert not numbered, line
                assert 1 <= int(number) <= len(self.list), line
                del self.list[int(number) - 1]
            elif kind == b"FETCH":
                assert not self.uidonly, line
                assert 1 <= int(number) <= len(self.list), line
                if uid := _UID.search(rest):
                    assert self.list[int(number) - 1] in (0, int(uid[1])), (line, self.list)
                    self.list[int(number) - 1] = int(uid[1])
            else:
                assert self.uidonly, line

    def learn(self) -> None:
        """Ask for the UIDs of all messages."""
        if self.uidonly:
            self.list = [int(uid) for uid in self.client.ok("UID SEARCH ALL").splitlines()[0].split()[2:]]
        elif self.list:
            self.say("UID FETCH 1:* (UID)")

    def listen(self) -> None:
        """What comes by itself."""
        self.hear(self.client.woken(), numbered=False)


class Sessions(RuleBasedStateMachine):
    """Three clients of one mailbox, and somebody who changes it."""

    @initialize(modes=st.tuples(*[st.sampled_from(MODES)] * 3), messages=st.integers(0, 4))
    def begin(self, modes: tuple[str, ...], messages: int) -> None:
        self.world = World()
        self.world.account()
        for _ in range(messages):
            self.world.put()
        self.box = self.world.mailbox().id
        self.readers = [Reader(self.world, mode) for mode in modes]

    def uids(self) -> list[int]:
        return list(self.world.store.snapshot(self.box).uids)

    def reader(self, who: int) -> Reader:
        """A client that is not idle any more."""
        reader = self.readers[who]
        if reader.idle:
            reader.idle = False
            reader.hear(reader.client.send(b"DONE\r\n"), numbered=False)
        return reader

    @rule()
    def deliver(self) -> None:
        self.world.put()

    @rule(place=_place, flag=st.sampled_from(["\\Seen", "\\Deleted", "work"]))
    def flag(self, place: int, flag: str) -> None:
        if uids := self.uids():
            self.world.store.set_flags(self.box, [uids[place % len(uids)]], [flag], "add")

    @rule(places=st.sets(_place, max_size=3))
    def expunge(self, places: set[int]) -> None:
        if uids := self.uids():
            self.world.store.expunge(self.box, {uids[place % len(uids)] for place in places})

    @rule(who=_who)
    def listen(self, who: int) -> None:
        self.readers[who].listen()

    @rule(who=_who, command=st.sampled_from(["NOOP", "CHECK", "EXPUNGE", "UID SEARCH ALL", "UID STORE 1:* +FLAGS (x)"]))
    def command(self, who: int, command: str) -> None:
        assert self.reader(who).say(command).startswith(b"OK")

    @rule(who=_who, place=_place,
          command=st.sampled_from(
              ["FETCH {} (UID FLAGS)", "STORE {} +FLAGS (y)", "SEARCH {}", "UID SEARCH {}", "COPY {} INBOX"]
          ))  # fmt: skip
    def numbered(self, who: int, place: int, command: str) -> None:
        reader = self.reader(who)
        if reader.uidonly or not reader.list:
            return
        number = place % len(reader.list) + 1
        believed = reader.list[number - 1]
        tagged = reader.say(command.format(number), numbered=True)
        assert tagged.startswith((b"OK", b"NO [EXPUNGEISSUED]")), (command, tagged)
        if believed and b"COPYUID" in tagged:
            assert tagged.split()[3] == b"%d" % believed

    @rule(who=_who, place=_place, first=st.sampled_from([b"NOOP", b"UID SEARCH ALL", b"CHECK"]))
    def pipelined(self, who: int, place: int, first: bytes) -> None:
        """A command with a number is there before what the one before it has to tell was read."""
        reader = self.reader(who)
        if reader.uidonly or not reader.list:
            return
        number = place % len(reader.list) + 1
        believed = reader.list[number - 1]
        answer = reader.client.send(b"p1 %b\r\np2 FETCH %d (UID)\r\n" % (first, number))
        head, _, rest = answer.partition(b"p1 OK")
        reader.hear(head, numbered=True)  # which waits behind it
        body, _, tagged = rest.partition(b"p2 ")
        if believed and (found := _UID.search(body)):
            assert int(found[1]) == believed
        reader.hear(body, numbered=True)
        assert tagged.startswith((b"OK", b"NO [EXPUNGEISSUED]")), answer
        reader.hear(tagged, numbered=False)

    @rule(who=_who, place=_place)
    def pipelined_behind_idle(self, who: int, place: int) -> None:
        reader = self.readers[who]
        if not reader.idle or not reader.list:
            return
        reader.idle = False
        number = place % len(reader.list) + 1
        believed = reader.list[number - 1]
        answer = reader.client.send(b"DONE\r\np2 FETCH %d (UID)\r\n" % number)
        head, _, rest = answer.partition(b"i OK")
        reader.hear(head, numbered=True)
        body, _, behind = rest.partition(b"p2 ")
        if believed and (found := _UID.search(body)):
            assert int(found[1]) == believed
        reader.hear(body, numbered=True)
        reader.hear(behind, numbered=False)

    @rule(who=_who)
    def go_idle(self, who: int) -> None:
        reader = self.readers[who]
        if not reader.idle and reader.mode == "idle":
            reader.idle = True
            reader.hear(reader.client.send(b"i IDLE\r\n"), numbered=False)

    @rule(who=_who)
    def settle(self, who: int) -> None:
        """After NOOP a client knows the truth."""
        reader = self.reader(who)
        assert reader.say("NOOP").startswith(b"OK")
        if reader.uidonly:
            reader.learn()
        assert len(reader.list) == len(self.uids())
        reader.learn()
        assert reader.list == self.uids()

    @invariant()
    def nothing_failed(self) -> None:
        if hasattr(self, "world"):
            assert self.world.errors == []
            assert all(reader.client.closed is None for reader in self.readers)


TestSessions: Any = Sessions.TestCase
TestSessions.settings = settings(
    max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
