"""The view against a model of a client that knows only what it was told."""

from collections.abc import Sequence

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mailtrap.imap.view import News, View
from mailtrap.message.address import Address
from mailtrap.message.envelope import Envelope
from mailtrap.store.memory import MemoryStore
from mailtrap.store.rows import Changes, CopyRow, Delivery, Key, MailboxRow, MessageRow, Snapshot, Target

KEY = Key("", "bob@example.com")
FLAGS = st.sampled_from(["\\Seen", "\\Flagged", "\\Deleted", "work"])
PICKS = st.lists(st.integers(0, 30), min_size=1, max_size=6)


class Conversation(RuleBasedStateMachine):
    """Somebody changes a mailbox, a session tells its client, and the client must never be wrong."""

    @initialize(count=st.integers(0, 8))
    def open(self, count: int) -> None:
        self.store = MemoryStore()
        self.store.put_account(KEY)
        row = self.store.mailbox(KEY, "INBOX")
        assert row is not None
        self.id = row.id
        for _ in range(count):
            self._deliver()
        snapshot = self.store.snapshot(self.id)
        self.view = View(snapshot, read_only=False)
        self.client = list(snapshot.uids)  # by number, as the client was told
        self.flags = {row.uid: row.flags for row in self.store.copies(self.id)}

    def _deliver(self) -> None:
        envelope = Envelope(Address(), (Address(KEY.address),))
        self.store.deliver(Delivery("", "smtp", b"Subject: x\r\n\r\n", envelope, (Target(KEY),)))

    def _pick(self, picks: Sequence[int]) -> list[int]:
        uids = self.store.snapshot(self.id).uids
        return sorted({uids[pick % len(uids)] for pick in picks}) if uids else []

    # ------------------------------------------------------------ what others do

    @rule(count=st.integers(1, 4))
    def deliver(self, count: int) -> None:
        for _ in range(count):
            self._deliver()

    @rule(picks=PICKS, flag=FLAGS, add=st.booleans())
    def others_flag(self, picks: list[int], flag: str, add: bool) -> None:
        self.store.set_flags(self.id, self._pick(picks), [flag], "add" if add else "remove")

    @rule(picks=PICKS)
    def others_expunge(self, picks: list[int]) -> None:
        self.store.expunge(self.id, self._pick(picks))

    # ------------------------------------------------------------ what the session does

    @rule(picks=PICKS, flag=FLAGS, add=st.booleans())
    def own_store(self, picks: list[int], flag: str, add: bool) -> None:
        if not self.client:
            return
        uids = sorted({self.client[pick % len(self.client)] for pick in picks})
        rows, _ = self.store.set_flags(self.id, uids, [flag], "add" if add else "remove")
        self.view.note(rows)
        for row in rows:  # the answer to STORE
            self.flags[self.client[self.view.number(row.uid) - 1]] = row.flags

    @rule(expunges=st.booleans(), look=st.booleans())
    def tell(self, expunges: bool, look: bool) -> None:
        changes = self.store.changes(self.id, self.view.modseq)
        current = self.store.snapshot(self.id) if look or not changes.complete else None
        before = len(self.client)
        news = self.view.apply(changes, expunges=expunges, current=current)
        self._hear(news, before)
        if expunges:
            assert self.client == list(self.store.snapshot(self.id).uids)
            assert not self.view.withheld
        else:
            assert not news.expunged
        for row in self.store.copies(self.id):
            assert self.flags[row.uid] == row.flags

    def _hear(self, news: News, before: int) -> None:
        for number in news.expunged:
            del self.flags[self.client.pop(number - 1)]
        if news.exists is not None:
            assert news.exists == len(self.client) + len(news.arrived) >= 1
            self.client += news.arrived
            for row in self.store.copies(self.id, news.arrived):  # a client fetches what is new
                self.flags[row.uid] = row.flags
        else:
            assert not news.arrived
        for number, row in news.changed:
            assert self.client[number - 1] == row.uid
            self.flags[row.uid] = row.flags

    # ------------------------------------------------------------ what always holds

    @invariant()
    def the_client_numbers_as_the_view_does(self) -> None:
        assert list(self.view.uids) == self.client
        assert self.client == sorted(set(self.client))
        for number, uid in enumerate(self.client, 1):
            assert self.view.number(uid) == number
        assert self.view.number(10**6) == 0
        assert self.view.places(self.client[::-1]) == list(range(len(self.client), 0, -1))
        assert self.view.places(self.client[-1:]) == ([len(self.client)] if self.client else [])
        assert list(self.view.known([10**6, *self.client[::-1]])) == self.client[::-1]
        assert list(self.view.known([10**6, *self.client[:1]])) == self.client[:1]
        assert list(self.view.numbers(self.client[1::2])) == list(range(2, len(self.client) + 1, 2))


Conversation.TestCase.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
TestConversation = Conversation.TestCase


def _snapshot(uids: Sequence[int], modseq: int = 10) -> Snapshot:
    return Snapshot(MailboxRow(1, KEY, "INBOX", 7, (uids[-1] if uids else 0) + 1, modseq), tuple(uids))


def _copy(uid: int, modseq: int, *flags: str) -> CopyRow:
    envelope = Envelope(Address(), ())
    return CopyRow(uid, MessageRow(uid, "", "smtp", 0.0, 1, 1, envelope, None, b""), frozenset(flags), modseq, 0.0, 0.0)


class TestSharing:
    def test_the_stores_tuple_is_kept_while_nothing_is_withheld(self):
        shared = _snapshot(range(1, 100))
        view = View(shared, read_only=False)
        assert view.uids is shared.uids
        later = _snapshot(range(1, 102), 12)
        view.apply(Changes(12, 7, [_copy(100, 11), _copy(101, 12)], []), expunges=True, current=later)
        assert view.uids is later.uids

    def test_a_snapshot_of_a_later_moment_is_not_taken(self):
        view = View(_snapshot([1, 2, 3]), read_only=False)
        view.apply(Changes(11, 7, [_copy(4, 11)], []), expunges=True, current=_snapshot([1, 2, 3, 4, 5], 12))
        assert list(view.uids) == [1, 2, 3, 4]


class TestForgottenExpunges:
    def test_uids_are_compared_where_the_store_has_forgotten(self):
        view = View(_snapshot([1, 2, 3, 4, 5]), read_only=False)
        changes = Changes(500, 7, [], [], complete=False)
        news = view.apply(changes, expunges=True, current=_snapshot([2, 4], 500))
        assert list(news.expunged) == [5, 3, 1]
        assert list(view.uids) == [2, 4]


class TestNote:
    def test_a_command_that_changed_nothing_does_not_hide_what_anothers_did(self):
        view = View(_snapshot([1, 2]), read_only=False)
        view.note([_copy(1, 11, "\\Seen")])  # another's change of 1 and 2, seen in the answer to ours of 1
        changes = Changes(11, 7, [_copy(1, 11, "\\Seen"), _copy(2, 11, "\\Seen")], [])
        assert [number for number, _ in view.apply(changes, expunges=True).changed] == [2]

    def test_what_came_between_is_still_told_and_the_own_change_is_not(self):
        view = View(_snapshot([1, 2]), read_only=False)
        view.note([_copy(1, 12, "\\Seen")])
        changes = Changes(12, 7, [_copy(1, 12, "\\Seen"), _copy(2, 11, "\\Flagged")], [])
        assert [number for number, _ in view.apply(changes, expunges=True).changed] == [2]

    def test_silence_is_kept_only_where_nobody_else_changed_anything(self):
        view = View(_snapshot([1, 2]), read_only=False)
        view.note([_copy(1, 12, "\\Seen", "\\Flagged")], silent=True)
        changes = Changes(12, 7, [_copy(1, 12, "\\Seen", "\\Flagged")], [])
        assert [number for number, _ in view.apply(changes, expunges=True).changed] == [1]
        view.note([_copy(2, 13, "\\Seen")], silent=True)
        assert not view.apply(Changes(13, 7, [_copy(2, 13, "\\Seen")], []), expunges=True).changed


class TestRecent:
    def test_ranges_that_touch_become_one(self):
        view = View(_snapshot([1, 2, 5, 6, 9]), read_only=False)
        view.add_recent(2, 5)
        view.add_recent(6, 6)
        assert view.recent_ranges == [(2, 6)]
        assert view.recent == 3
        assert [view.is_recent(uid) for uid in (1, 2, 6, 9)] == [False, True, True, False]
        assert view.any_recent(6, 20)
        assert not view.any_recent(7, 20)

    def test_an_empty_range_adds_nothing(self):
        view = View(_snapshot([1, 2]), read_only=False)
        view.add_recent(3, 2)
        assert view.recent == 0
