"""A model of a store, as simple as can be, and random histories in which a store is compared with it.

The model keeps dicts and forgets nothing. After each step everything that can be asked of a mailbox is compared, and
the changes since some moments. Followers, each with a MODSEQ of its own, catch up now and then, and must then know the
truth: so must one who only listens to hints, of which some are lost, come twice, or late. Every change was hinted in
the end, to each of the stores where there are several on the same mail.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from ... import clock, limits
from ...errors import MailboxExists, NoSuchMailbox, NotAllowed, StoreError
from ..base import Store
from ..rows import ALL, INBOX, NO_FLAGS, Delivery, FlagMode, Hint, Key, Receipt, Tally, Target
from .common import BOB, EVE, PATIENCE, delivery, submit

NAMES = [INBOX, "a", "a/b", "a/b/c", "b", "INBOX/a"]
KEYS = [BOB, EVE]
SEEN, DELETED = "\\Seen", "\\Deleted"

_names = st.sampled_from(NAMES)
_keys = st.sampled_from(KEYS)
_places = st.tuples(_keys, _names)
_uids = st.sets(st.integers(1, 12), max_size=8) | st.just(range(1, 2**40)) | st.sampled_from([range(2, 5), range(7, 9)])
_flags = st.sets(st.sampled_from([SEEN, DELETED, "k"]), max_size=3).map(frozenset)


class Box:
    """A mailbox of the model."""

    def __init__(self, id: int, uidvalidity: int, selectable: bool) -> None:  # noqa: A002
        self.id = id
        self.uidvalidity = uidvalidity
        self.selectable = selectable
        self.uidnext = 1
        self.modseq = 1
        self.copies: dict[int, tuple[int, frozenset[str], int]] = {}  # UID to seq, flags, MODSEQ
        self.gone: list[tuple[int, int]] = []  # MODSEQ, UID
        self.runs = 0  # ranges of UIDs that vanished at once
        self.renumbered = 0

    def add(self, seq: int, flags: frozenset[str], uid: int | None = None) -> int:
        """A copy with the MODSEQ of the box now."""
        uid = self.uidnext if uid is None else uid
        self.uidnext = uid + 1
        self.copies[uid] = seq, flags, self.modseq
        return uid

    def those(self, uids: Iterable[int]) -> list[int]:
        """Those UIDs that are there."""
        return [uid for uid in self.copies if uid in uids]

    def take(self, uids: list[int]) -> None:
        """Copies go; the MODSEQ is the one of the box now."""
        for uid in uids:
            del self.copies[uid]
            self.gone.append((self.modseq, uid))
            self.runs += uid - 1 not in uids


class History(RuleBasedStateMachine):
    """A random history of a store, or of several on the same mail."""

    make: Callable[[], Sequence[Store]]

    def __init__(self) -> None:
        super().__init__()
        self.stores = type(self).make()
        self.store = self.stores[0]
        self.hints: list[list[Hint]] = [[] for _ in self.stores]
        for store, hints in zip(self.stores, self.hints, strict=True):
            store.subscribe_hints(hints.append)
        self.agreed = False
        self.boxes: dict[tuple[Key, str], Box] = {}
        self.given_up: dict[tuple[Key, str], int] = {}
        self.messages: dict[int, bytes] = {}
        self.head = 0
        self.last_uidvalidity = 0
        self.followers: dict[tuple[int, int], tuple[int, int, dict[int, frozenset[str]]]] = {}

    @initialize()
    def begin(self) -> None:
        self.learn(Key("s", ALL), INBOX)
        for key in KEYS:
            self.store.put_account(key)
            self.learn(key, INBOX)

    def teardown(self) -> None:
        try:
            if self.agreed:
                self.all_was_hinted()
        finally:
            for store in self.stores:
                store.close()

    def all_was_hinted(self) -> None:
        """Each change of a mailbox that is there, to each store."""
        end = clock.monotonic() + PATIENCE
        for hints in self.hints:
            for box in self.boxes.values():
                while box.modseq > 1 and not any(hint.mailboxes.get(box.id) == box.modseq for hint in hints):
                    assert clock.monotonic() < end, f"no hint says that mailbox {box.id} is at {box.modseq}"
                    clock.sleep(0.001)

    @rule(server=st.integers(0, 3))
    def elsewhere(self, server: int) -> None:
        self.store = self.stores[server % len(self.stores)]

    # ------------------------------------------------------------ names

    def learn(self, key: Key, name: str) -> Box:
        """A mailbox that has just come to be in the store, and the names above it."""
        parts = name.split("/")
        for depth in range(1, len(parts) + 1):
            place = key, "/".join(parts[:depth])
            if place not in self.boxes:
                row = self.store.mailbox(*place)
                assert row is not None
                assert row.uidvalidity > self.last_uidvalidity
                self.last_uidvalidity = row.uidvalidity
                self.boxes[place] = Box(row.id, row.uidvalidity, selectable=False)
        box = self.boxes[key, name]
        box.selectable = True
        return box

    def below(self, place: tuple[Key, str]) -> list[tuple[Key, str]]:
        return [other for other in self.boxes if other[0] == place[0] and other[1].startswith(f"{place[1]}/")]

    @rule(place=_places)
    def create(self, place: tuple[Key, str]) -> None:
        box = self.boxes.get(place)
        if box is not None and box.selectable:
            with pytest.raises(MailboxExists):
                self.store.create_mailbox(*place)
        else:
            row = self.store.create_mailbox(*place)
            assert self.learn(*place).id == row.id

    @rule(place=_places)
    def delete(self, place: tuple[Key, str]) -> None:
        box = self.boxes.get(place)
        if box is None:
            return
        if place[1] == INBOX or (self.below(place) and not box.selectable):
            with pytest.raises(NotAllowed):
                self.store.delete_mailbox(box.id)
            return
        self.store.delete_mailbox(box.id)
        del self.boxes[place]
        self.given_up[place] = box.uidvalidity
        if self.below(place):
            self.learn(*place).selectable = False

    @rule(place=_places, name=_names)
    def rename(self, place: tuple[Key, str], name: str) -> None:
        box = self.boxes.get(place)
        if box is None:
            return
        key, old = place
        if (key, name) in self.boxes:
            with pytest.raises(MailboxExists):
                self.store.rename_mailbox(box.id, name)
        elif old == INBOX:
            self.store.rename_mailbox(box.id, name)
            self.transfer(box, list(box.copies), self.learn(key, name), move=True)
        elif name.startswith(f"{old}/"):
            with pytest.raises(NotAllowed):
                self.store.rename_mailbox(box.id, name)
        else:
            self.store.rename_mailbox(box.id, name)
            moved = {place: box} | {other: self.boxes[other] for other in self.below(place)}
            for other in moved:
                self.given_up[other] = self.boxes.pop(other).uidvalidity
            for (_, was), other_box in moved.items():
                self.boxes[key, name + was[len(old) :]] = other_box
            for (_, was), other_box in moved.items():
                now = key, name + was[len(old) :]
                row = self.store.mailbox(*now)
                assert row is not None
                if self.given_up.get(now, 0) > other_box.uidvalidity:
                    assert row.uidvalidity > self.last_uidvalidity
                    self.last_uidvalidity = other_box.uidvalidity = row.uidvalidity
            selectable = box.selectable
            self.learn(key, name).selectable = selectable

    @rule(place=_places)
    def renumber(self, place: tuple[Key, str]) -> None:
        box = self.boxes.get(place)
        if box is None:
            return
        uidvalidity = self.store.renumber(box.id)
        assert uidvalidity > self.last_uidvalidity
        self.last_uidvalidity = box.uidvalidity = uidvalidity
        copies = list(box.copies.values())
        box.copies.clear()
        box.gone.clear()
        box.uidnext = 1
        box.runs = 0
        box.modseq += 1
        box.renumbered = box.modseq
        for seq, flags, _ in copies:
            box.add(seq, flags)

    # ------------------------------------------------------------ mail

    @rule(batch=st.lists(st.lists(st.tuples(_places, _flags), max_size=3), min_size=1, max_size=3))
    def deliver(self, batch: list[list[tuple[tuple[Key, str], frozenset[str]]]]) -> None:
        deliveries: list[Delivery] = []
        for targets in batch:
            raw = b"%d\n" % (len(self.messages) + len(deliveries))
            made = [Target(key, name, flags=flags) for (key, name), flags in targets]
            deliveries.append(delivery(*made, raw=raw))
        receipts: list[Receipt] = []
        if len(batch) == 1:
            receipts.append(self.store.deliver(deliveries[0]))
        else:
            receipts += submit(self.store, deliveries)
        everything = self.boxes[Key("s", ALL), INBOX]
        everything.modseq += 1
        raised = {id(everything)}
        for receipt, targets, given in zip(receipts, batch, deliveries, strict=True):
            self.head += 1
            assert receipt.seq == self.head
            self.messages[receipt.seq] = given.raw
            everything.add(receipt.seq, NO_FLAGS, receipt.seq)
            for placed, (place, flags) in zip(receipt.placed, targets, strict=True):
                box = self.learn(*place)
                if id(box) not in raised:
                    raised.add(id(box))
                    box.modseq += 1
                uid = box.add(receipt.seq, flags)
                assert placed == (box.id, box.uidvalidity, uid)

    @rule(place=_places, good=_places)
    def fail(self, place: tuple[Key, str], good: tuple[Key, str]) -> None:
        box = self.boxes.get(place)
        if place == good or (box is not None and box.selectable) or f"{good[1]}/".startswith(f"{place[1]}/"):
            return
        with pytest.raises(NoSuchMailbox):
            submit(self.store, [delivery(Target(*good)), delivery(Target(*place, create=False))])

    @rule(place=_places, uids=_uids, flags=_flags, mode=st.sampled_from(["add", "remove", "replace"]),
          back=st.none() | st.integers(0, 4), everything=st.booleans())  # fmt: skip
    def set_flags(
        self,
        place: tuple[Key, str],
        uids: Any,
        flags: frozenset[str],
        mode: FlagMode,
        back: int | None,
        everything: bool,
    ) -> None:
        box = self.boxes[Key("s", ALL), INBOX] if everything else self.boxes.get(place)
        if box is None:
            return
        since = None if back is None else box.modseq - back
        rows, left = self.store.set_flags(box.id, uids, flags, mode, unchanged_since=since)
        there = box.those(uids)
        untouched = [uid for uid in there if since is not None and box.copies[uid][2] > since]
        assert list(left) == untouched
        asked = [uid for uid in there if uid not in untouched]
        changed = False
        for uid in asked:
            seq, old, modseq = box.copies[uid]
            new = old | flags if mode == "add" else old - flags if mode == "remove" else flags
            if new != old:
                changed = True
                modseq = box.modseq + 1
            box.copies[uid] = seq, new, modseq
        box.modseq += changed
        assert [(row.uid, row.flags, row.modseq) for row in rows] == [(uid, *box.copies[uid][1:]) for uid in asked]

    @rule(source=_places, uids=_uids, into=_places, move=st.booleans(), everything=st.booleans())
    def copy(self, source: tuple[Key, str], uids: Any, into: tuple[Key, str], move: bool, everything: bool) -> None:
        box = self.boxes[Key("s", ALL), INBOX] if everything else self.boxes.get(source)
        other = self.boxes.get(into)
        if box is None or other is None:
            return
        function = self.store.move if move else self.store.copy
        if not other.selectable:
            with pytest.raises(NoSuchMailbox):
                function(box.id, uids, other.id)
            return
        pairs = function(box.id, uids, other.id)
        assert list(pairs) == self.transfer(box, box.those(uids), other, move=move)

    def transfer(self, box: Box, uids: list[int], other: Box, *, move: bool) -> list[tuple[int, int]]:
        if not uids:
            return []
        other.modseq += 1
        pairs = [(uid, other.add(*box.copies[uid][:2])) for uid in uids]
        if move:
            box.modseq += box is not other
            box.take(uids)
        return pairs

    @rule(place=_places, uids=_uids, everything=st.booleans())
    def expunge(self, place: tuple[Key, str], uids: Any, everything: bool) -> None:
        box = self.boxes[Key("s", ALL), INBOX] if everything else self.boxes.get(place)
        if box is None:
            return
        there = box.those(uids)
        assert list(self.store.expunge(box.id, uids)) == there
        if there:
            box.modseq += 1
            box.take(there)

    @rule(seqs=st.sets(st.integers(0, 20), max_size=5))
    def remove(self, seqs: set[int]) -> None:
        assert self.store.remove(seqs) == len(seqs & self.messages.keys())
        self.forget(seqs)

    @rule(scope=st.sampled_from([None, "s", "other"]), submitted=st.booleans())
    def remove_all(self, scope: str | None, submitted: bool) -> None:
        gone = set() if scope == "other" else set(self.messages)  # all of them came by SMTP
        assert self.store.remove_all(scope, submitted=submitted) == len(gone)
        self.forget(gone)

    @rule()
    def clear(self) -> None:
        self.store.clear("s")
        self.forget(set(self.messages))

    def forget(self, seqs: set[int]) -> None:
        for box in self.boxes.values():
            gone = [uid for uid, (seq, _, _) in box.copies.items() if seq in seqs]
            if gone:
                box.modseq += 1
                box.take(gone)
        for seq in seqs:
            self.messages.pop(seq, None)

    # ------------------------------------------------------------ comparing

    @invariant()
    def agree(self) -> None:
        self.agreed = False
        if not self.boxes:
            return
        assert self.store.head() == self.head
        assert {row.seq: self.store.raw(row.seq) for row in self.store.messages("s")} == self.messages
        record = self.boxes[Key("s", ALL), INBOX]
        unread = sum(SEEN not in flags for _, flags, _ in record.copies.values())
        octets = sum(map(len, self.messages.values()))
        tally = Tally(len(self.messages), octets, len(self.messages), octets, unread)
        assert self.store.tally("s") == tally
        for key in KEYS:
            expected = {name: (box.id, box.selectable) for (owner, name), box in self.boxes.items() if owner == key}
            assert {row.name: (row.id, row.selectable) for row in self.store.mailboxes(key)} == expected
        used = dict.fromkeys([*KEYS, Key("s", ALL)], 0)
        for (key, name), box in self.boxes.items():
            used[key] += self.agree_on(name, box)
        self.agreed = True
        for key in KEYS:
            assert self.store.used(key).octets == used[key]

    def agree_on(self, name: str, box: Box) -> int:
        """One mailbox; returns its octets."""
        row = self.store.mailbox_row(box.id)
        assert (row.name, row.uidvalidity, row.uidnext) == (name, box.uidvalidity, box.uidnext)
        assert row.highestmodseq == box.modseq
        copies = {copy.uid: (copy.message.seq, copy.flags, copy.modseq) for copy in self.store.copies(box.id)}
        assert copies == box.copies
        assert list(copies) == sorted(copies) == list(self.store.snapshot(box.id).uids)
        status = self.store.status(box.id)
        size = sum(len(self.messages[seq]) + 1 for seq, _, _ in copies.values())
        assert (status.messages, status.size) == (len(copies), size)
        assert status.unseen == sum(SEEN not in flags for _, flags, _ in copies.values())
        assert status.deleted == sum(DELETED in flags for _, flags, _ in copies.values())
        marked = frozenset[str]().union(*(flags for _, flags, _ in copies.values()))
        unseen = next((uid for uid, (_, flags, _) in copies.items() if SEEN not in flags), 0)
        assert self.store.marks(box.id) == (marked, unseen)
        for since in {0, box.modseq // 2, box.modseq - 2, box.modseq - 1, box.modseq}:
            changes = self.store.changes(box.id, since)
            assert (changes.highestmodseq, changes.uidvalidity) == (box.modseq, box.uidvalidity)
            assert [copy.uid for copy in changes.changed] == [uid for uid in copies if copies[uid][2] > since]
            vanished = sorted(uid for modseq, uid in box.gone if modseq > since)
            if changes.complete:
                assert list(changes.vanished) == vanished
                assert since >= box.renumbered
            else:
                assert since < box.renumbered or (vanished and box.runs > limits.VANISHED_RANGES)
        return size

    @rule(place=_places, who=st.integers(0, 1), everything=st.booleans())
    def follow(self, place: tuple[Key, str], who: int, everything: bool) -> None:
        box = self.boxes[Key("s", ALL), INBOX] if everything else self.boxes.get(place)
        if box is None:
            return
        self.catch_up(box, who)

    @rule(pick=st.integers(0, 200), times=st.sampled_from([1, 1, 2]))
    def hear(self, pick: int, times: int) -> None:
        """One who listens hears of something, maybe again; what is not picked is lost or late."""
        hints = self.hints[self.stores.index(self.store)]
        if hints:
            told = hints[pick % len(hints)].mailboxes
            for box in [box for box in self.boxes.values() if box.id in told] * times:
                self.catch_up(box, -1)

    def catch_up(self, box: Box, who: int) -> None:
        cursor, uidvalidity, known = self.followers.get((box.id, who), (0, 0, {}))
        changes = self.store.changes(box.id, cursor)
        if changes.uidvalidity != uidvalidity and not changes.complete:
            known = {}
        known = known | {copy.uid: copy.flags for copy in changes.changed}
        if changes.complete:
            gone = set(changes.vanished)
        else:
            gone = known.keys() - set(self.store.snapshot(box.id).uids)
        known = {uid: flags for uid, flags in known.items() if uid not in gone}
        assert known == {uid: flags for uid, (_, flags, _) in box.copies.items()}
        self.followers[box.id, who] = changes.highestmodseq, changes.uidvalidity, known

    @rule(place=_places)
    def ask_for_what_is_not_there(self, place: tuple[Key, str]) -> None:
        if place not in self.boxes:
            assert self.store.mailbox(*place) is None
        with pytest.raises(StoreError):
            self.store.raw(self.head + 1)


def compare_with_model(make: Callable[[], Sequence[Store]], examples: int) -> None:
    """Run random histories; ``make`` gives an empty store for each, as often as it is open."""

    class OfThisStore(History):
        pass

    OfThisStore.make = staticmethod(make)
    run_state_machine_as_test(
        OfThisStore,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
