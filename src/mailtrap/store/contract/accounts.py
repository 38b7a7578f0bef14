"""Accounts and mailboxes."""

import pytest

from ... import clock
from ...errors import MailboxExists, NoSuchAccount, NoSuchMailbox, NotAllowed
from .. import search
from ..base import Store
from ..rows import INBOX, Key, Target, same
from .common import BOB, EVE, EVERYTHING, PATIENCE, Contract, Inbox, delivery, mail, uids


class Accounts(Contract):
    """Accounts."""

    def test_accounts(self, store: Store) -> None:
        assert store.account(BOB) is None
        zoe = Key("s", "zoe@example.com")
        row = store.put_account(zoe, password="pw", quota=10)  # noqa: S106
        assert (row.key, row.password, row.quota, row.declared) == (zoe, "pw", 10, True)
        store.put_account(BOB, declared=False)
        assert [account.key for account in store.accounts("s")] == [zoe, BOB]
        assert store.put_account(zoe, declared=False) == row
        changed = store.put_account(zoe, password="new")  # noqa: S106
        assert (changed.password, changed.quota) == ("new", None)
        assert store.account(zoe) == changed
        declared = store.put_account(BOB)
        assert declared.declared
        assert [account.key for account in store.accounts("s")] == [zoe, BOB]
        assert list(store.accounts("t")) == []
        assert [mailbox.name for mailbox in store.mailboxes(BOB)] == [INBOX]
        assert list(store.subscriptions(BOB)) == [INBOX]

    def test_whether_all_have_passwords(self, store: Store) -> None:
        assert store.passwords("s") is None
        store.deliver(delivery())  # to ``all`` alone
        assert store.passwords("s") is None
        store.put_account(BOB, password="pw")  # noqa: S106
        assert store.passwords("s") is True
        store.put_account(EVE)
        assert store.passwords("s") is False
        assert store.passwords("t") is None
        store.put_account(EVE, password="")
        assert store.passwords("s") is True
        store.put_account(BOB)
        assert store.passwords("s") is False
        store.remove_account(BOB)
        assert store.passwords("s") is True
        store.remove_account(EVE)
        assert store.passwords("s") is None

    def test_an_account_that_is_not_there(self, store: Store) -> None:
        for ask in (store.mailboxes, store.subscriptions, store.used):
            with pytest.raises(NoSuchAccount):
                ask(BOB)
        with pytest.raises(NoSuchAccount):
            store.create_mailbox(BOB, "Work")
        with pytest.raises(NoSuchAccount):
            store.subscribe(BOB, "Work")
        with pytest.raises(NoSuchAccount):
            store.fork_account(BOB, EVE)
        assert store.account(EVE) is None
        assert store.mailbox(BOB, INBOX) is None
        store.remove_account(BOB)

    def test_a_removed_account(self, store: Store) -> None:
        box = Inbox(store, 2)
        store.remove_account(BOB)
        assert store.account(BOB) is None
        with pytest.raises(NoSuchMailbox):
            store.snapshot(box.id)
        assert list(store.copies_of(1)) == []
        assert len(store.messages("s")) == 2
        again = store.deliver(delivery(BOB)).placed[0]
        assert again.uid == 1
        assert again.mailbox != box.id
        assert [copy.uid for copy in self.everything(store)] == [1, 2, 3]

    def test_a_fork_begins_as_its_source(self, store: Store) -> None:
        box = Inbox(store, 4)
        store.put_account(BOB, password="pw", quota=100_000)  # noqa: S106
        store.set_flags(box.id, [2], ["\\Deleted"], "add")
        store.expunge(box.id, [3])
        store.subscribe(BOB, "Work")
        store.create_mailbox(BOB, "Work/Old", special_use=["\\Archive"])
        child = Key("child", BOB.address)
        row = store.fork_account(BOB, child)
        assert (row.key, row.password, row.quota, row.declared) == (child, "pw", 100_000, True)
        assert list(store.subscriptions(child)) == [INBOX, "Work"]
        ours, theirs = store.mailboxes(BOB), store.mailboxes(child)
        assert not {r.id for r in ours} & {r.id for r in theirs}
        for mine, other in zip(ours, theirs, strict=True):
            for name in ("name", "uidvalidity", "uidnext", "highestmodseq", "special_use", "selectable"):
                assert getattr(mine, name) == getattr(other, name)
            assert store.status(mine.id) == store.status(other.id)
            assert all(map(same, store.copies(mine.id), store.copies(other.id)))
            assert len(store.copies(mine.id)) == len(store.copies(other.id))
            assert list(store.changes(mine.id, 1).vanished) == list(store.changes(other.id, 1).vanished)
        twin = theirs[0].id
        store.set_flags(twin, [1], ["\\Seen"], "add")
        store.expunge(twin, [4])
        assert box.flags()[1] == frozenset()
        assert box.uids == [1, 2, 4]
        assert len(store.copies_of(1)) == 2
        assert store.fork_account(BOB, child) == row
        assert uids(store.copies(twin)) == [1, 2]
        store.clear("child")
        assert uids(store.copies(twin)) == []
        assert box.uids == [1, 2, 4]


class Mailboxes(Contract):
    """Mailboxes and their names."""

    def test_mailboxes_are_in_order(self, store: Store) -> None:
        store.put_account(BOB)
        for name in ("Work/b", "a", "Sent"):
            store.create_mailbox(BOB, name)
        assert [row.name for row in store.mailboxes(BOB)] == [INBOX, "Sent", "Work", "Work/b", "a"]

    def test_creating_mailboxes(self, store: Store) -> None:
        store.put_account(BOB)
        row = store.create_mailbox(BOB, "Sent", special_use=["\\Sent"])
        assert (row.name, row.special_use, row.uidnext, row.selectable) == ("Sent", frozenset({"\\Sent"}), 1, True)
        assert row.highestmodseq > 0
        assert store.mailbox(BOB, "Sent") == store.mailbox_row(row.id) == row
        assert store.mailbox(BOB, "sent") is None
        assert store.mailbox(BOB, "inBOX") == store.mailbox(BOB, INBOX)
        for taken in ("Sent", "INBOX", "inbox"):
            with pytest.raises(MailboxExists):
                store.create_mailbox(BOB, taken)
        for wrong in ("", "/", "a/", "/a", "a//b"):
            with pytest.raises(NotAllowed):
                store.create_mailbox(BOB, wrong)
        store.create_mailbox(BOB, "a/b/c")
        above = store.mailbox(BOB, "a/b")
        assert above is not None
        assert not above.selectable
        made = store.create_mailbox(BOB, "a/b")
        assert made.selectable

    def test_a_name_that_cannot_be_selected_takes_nothing(self, store: Store) -> None:
        box = Inbox(store, 1)
        store.create_mailbox(BOB, "a/b")
        above = store.mailbox(BOB, "a")
        assert above is not None
        for put in (store.copy, store.move):
            with pytest.raises(NoSuchMailbox):
                put(box.id, [1], above.id)
        with pytest.raises(NoSuchMailbox):
            store.deliver(delivery(Target(BOB, "a", create=False)))
        assert list(store.snapshot(above.id).uids) == []
        assert box.uids == [1]

    def test_deleting_mailboxes(self, store: Store) -> None:
        box = Inbox(store, 1)
        work, below = store.create_mailbox(BOB, "Work"), store.create_mailbox(BOB, "Work/x")
        store.copy(box.id, [1], work.id)
        with pytest.raises(NotAllowed):
            store.delete_mailbox(box.id)
        store.delete_mailbox(work.id)
        with pytest.raises(NoSuchMailbox):
            store.delete_mailbox(work.id)
        rest = store.mailbox(BOB, "Work")
        assert rest is not None
        assert not rest.selectable
        assert rest.id != work.id
        with pytest.raises(NotAllowed):
            store.delete_mailbox(rest.id)
        store.delete_mailbox(below.id)
        assert store.mailbox(BOB, "Work/x") is None
        store.delete_mailbox(rest.id)
        assert [row.name for row in store.mailboxes(BOB)] == [INBOX]
        assert len(store.copies_of(1)) == 1
        assert box.uids == [1]

    def test_a_deleted_mailbox_is_no_mailbox(self, store: Store) -> None:
        box = Inbox(store, 1)
        gone = store.create_mailbox(BOB, "Gone").id
        store.delete_mailbox(gone)
        for ask in (
            store.mailbox_row, store.delete_mailbox, store.renumber, store.status, store.take_recent, store.snapshot,
            store.marks, store.copies, lambda m: store.changes(m, 0), lambda m: store.rename_mailbox(m, "x"),
            lambda m: store.set_flags(m, [1], ["x"], "add"), lambda m: store.expunge(m, [1]),
            lambda m: store.copy(m, [1], box.id), lambda m: store.copy(box.id, [1], m),
            lambda m: store.move(m, [1], box.id), lambda m: store.move(box.id, [1], m),
            lambda m: store.search(m, search.All()), lambda m: store.lock_maildrop(m, "me"),
        ):  # fmt: skip
            for mailbox in (gone, 2**40):
                with pytest.raises(NoSuchMailbox):
                    ask(mailbox)
        assert box.uids == [1]

    def test_a_new_uidvalidity_is_greater_than_any_before(self, store: Store) -> None:
        started = int(clock.now())
        given = []
        for name in ("a", "b", "a"):
            receipt = store.deliver(delivery(Target(BOB, name)))
            given.append(receipt.placed[0].uidvalidity)
            assert receipt.placed[0].uid == 1
            store.delete_mailbox(receipt.placed[0].mailbox)
        store.remove_account(BOB)
        given.append(store.deliver(delivery(BOB)).placed[0].uidvalidity)
        given.append(store.renumber(Inbox(store).id))
        assert given == sorted(set(given))
        assert given[0] >= started - PATIENCE

    def test_renaming_takes_the_mailboxes_below_along(self, store: Store) -> None:
        box = Inbox(store, 2)
        work = store.create_mailbox(BOB, "Work")
        below = store.create_mailbox(BOB, "Work/x/y")
        beside = store.create_mailbox(BOB, "Workshop")
        store.copy(box.id, [1, 2], work.id)
        store.rename_mailbox(work.id, "New/Place")
        names = [(row.name, row.selectable) for row in store.mailboxes(BOB)]
        assert names == [
            (INBOX, True), ("New", False), ("New/Place", True), ("New/Place/x", False), ("New/Place/x/y", True),
            ("Workshop", True),
        ]  # fmt: skip
        row = store.mailbox_row(work.id)
        assert (row.name, row.uidvalidity, row.uidnext) == ("New/Place", work.uidvalidity, 3)
        assert uids(store.copies(work.id)) == [1, 2]
        assert store.mailbox_row(below.id).name == "New/Place/x/y"
        assert store.mailbox_row(beside.id).name == "Workshop"
        for taken in ("Workshop", "New", "INBOX", "New/Place"):
            with pytest.raises(MailboxExists):
                store.rename_mailbox(work.id, taken)
        for wrong in ("New/Place/deeper", "", "a//b"):
            with pytest.raises(NotAllowed):
                store.rename_mailbox(work.id, wrong)

    def test_renaming_to_a_name_that_had_a_greater_uidvalidity(self, store: Store) -> None:
        store.put_account(BOB)
        old = store.create_mailbox(BOB, "old")
        young = store.create_mailbox(BOB, "young")
        store.delete_mailbox(young.id)
        store.rename_mailbox(old.id, "young")
        row = store.mailbox(BOB, "young")
        assert row is not None
        assert row.id == old.id
        assert row.uidvalidity > young.uidvalidity

    def test_renaming_inbox_moves_its_copies(self, store: Store) -> None:
        box = Inbox(store, 3)
        store.expunge(box.id, [1])
        store.create_mailbox(BOB, "INBOX/below")
        before = box.modseq
        store.annotate(BOB, box.id, {"/private/a": b"1", "/shared/b": b"2"})
        store.rename_mailbox(box.id, "Old/Mail")
        assert [row.name for row in store.mailboxes(BOB)] == [INBOX, "INBOX/below", "Old", "Old/Mail"]
        new = store.mailbox(BOB, "Old/Mail")
        assert new is not None
        assert store.annotations(BOB, [box.id, new.id]) == [{"/private/a": b"1", "/shared/b": b"2"}] * 2
        store.annotate(BOB, box.id, {"/private/a": None})
        assert store.annotations(BOB, [new.id]) == [{"/private/a": b"1", "/shared/b": b"2"}]
        assert uids(store.copies(new.id)) == [1, 2]
        assert box.uids == []
        assert list(store.changes(box.id, before).vanished) == [2, 3]
        assert store.deliver(delivery(BOB)).placed[0].uid == 4
        with pytest.raises(MailboxExists):
            store.rename_mailbox(new.id, "inbox")

    def test_subscriptions_are_names(self, store: Store) -> None:
        store.put_account(BOB)
        store.subscribe(BOB, "b")
        store.subscribe(BOB, "a")
        store.subscribe(BOB, "a")
        assert list(store.subscriptions(BOB)) == [INBOX, "a", "b"]
        store.subscribe(BOB, "inbox", False)
        store.subscribe(BOB, "never", False)
        assert list(store.subscriptions(BOB)) == ["a", "b"]
        row = store.create_mailbox(BOB, "a")
        store.delete_mailbox(row.id)
        assert list(store.subscriptions(BOB)) == ["a", "b"]

    def test_renumbering(self, store: Store) -> None:
        box = Inbox(store, 3)
        store.take_recent(box.id)
        store.deliver(delivery(BOB, raw=mail(4)))
        store.set_flags(box.id, [3], ["x"], "add")
        store.expunge(box.id, [1])
        before = store.changes(box.id, 0)
        row = store.mailbox_row(box.id)
        uidvalidity = store.renumber(box.id)
        assert uidvalidity > row.uidvalidity
        now = store.mailbox_row(box.id)
        assert (now.id, now.uidvalidity, now.uidnext) == (row.id, uidvalidity, 4)
        assert now.highestmodseq == row.highestmodseq + 1
        assert box.subjects() == [2, 3, 4]
        assert box.flags() == {1: frozenset(), 2: {"x"}, 3: frozenset()}
        changes = store.changes(box.id, before.highestmodseq)
        assert changes.uidvalidity == uidvalidity != before.uidvalidity
        assert uids(changes.changed) == [1, 2, 3]
        assert not changes.complete
        assert list(changes.vanished) == list(store.changes(box.id, 0).vanished) == []
        assert store.take_recent(box.id, peek=True) == 3
        assert store.changes(box.id, changes.highestmodseq).complete

    def test_status_counts(self, store: Store) -> None:
        box = Inbox(store)
        sizes = []
        for number, flags in enumerate([{"\\Seen"}, {"\\Deleted"}, {"\\Seen", "\\Deleted"}, set[str]()]):
            prefix = b"X: y\r\n" * number
            store.deliver(delivery(Target(BOB, flags=frozenset(flags), prefix=prefix), raw=b"a\n" * number))
            sizes.append(len(prefix) + 3 * number)
        status = store.status(box.id)
        assert (status.messages, status.unseen, status.deleted, status.recent, status.size) == (4, 2, 2, 4, sum(sizes))
        store.set_flags(box.id, [2, 3], ["\\Deleted"], "remove")
        store.set_flags(box.id, [1], ["\\Seen", "\\Deleted"], "replace")
        store.set_flags(box.id, [4], ["\\Seen"], "add")
        store.expunge(box.id, [2])
        status = store.status(box.id)
        assert (status.messages, status.unseen, status.deleted) == (3, 0, 1)
        assert (status.size, 3) == store.used(BOB) == (sum(sizes) - sizes[1], 3)

    def test_marks(self, store: Store) -> None:
        box = Inbox(store, 4)
        assert store.marks(box.id) == (frozenset(), 1)
        store.set_flags(box.id, [1, 2], ["\\Seen"], "add")
        store.set_flags(box.id, [2, 4], ["work"], "add")
        assert store.marks(box.id) == (frozenset({"\\Seen", "work"}), 3)
        store.set_flags(box.id, EVERYTHING, ["\\Seen"], "replace")
        assert store.marks(box.id) == (frozenset({"\\Seen"}), 0)

    def test_marks_of_many_kinds(self, store: Store) -> None:
        """In whatever order a store has them; those of another mailbox are not among them."""
        box, other = Inbox(store, 12), store.create_mailbox(BOB, "Other")
        for uid, names in enumerate(["b", "B2", "a", "$x", "\\Flagged", "zz", "Z", "a-b", "_c", "a.a",
                                     "\\Seen", "~"], start=1):  # fmt: skip
            store.set_flags(box.id, [uid], [names], "add")
        store.copy(box.id, [3, 6], other.id)
        store.set_flags(box.id, [3], ["a"], "remove")
        assert store.marks(other.id) == (frozenset({"a", "zz"}), 1)
        found = {"b", "B2", "$x", "\\Flagged", "zz", "Z", "a-b", "_c", "a.a", "\\Seen", "~"}
        assert store.marks(box.id) == (frozenset(found), 1)

    def test_recent_is_for_the_first_who_asks(self, store: Store) -> None:
        box = Inbox(store, 2)
        assert store.take_recent(box.id, peek=True) == 1
        assert store.take_recent(box.id) == 1
        assert store.take_recent(box.id) == 3
        assert store.status(box.id).recent == 0
        store.deliver(delivery(BOB))
        assert store.status(box.id).recent == 1
        assert store.take_recent(box.id, peek=True) == 3
        assert store.take_recent(box.id) == 3
        before = box.modseq
        store.take_recent(box.id)
        assert box.modseq == before
