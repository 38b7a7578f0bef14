"""What belongs to whom: quotas, rights on mailboxes, annotations."""

import pytest

from ...errors import NoSuchAccount, NoSuchMailbox, NotAllowed, OverQuota
from ..base import Store
from ..rows import ALL, INBOX, Hint, Key, Target
from .common import BOB, EVE, Contract, Inbox, delivery, mail, submit

SIZE = len(mail(1))


class Quotas(Contract):
    """How much an account may keep."""

    def test_quotas(self, store: Store) -> None:
        with pytest.raises(NoSuchAccount):
            store.set_quota(BOB, 1, 1)
        store.put_account(BOB, password="pw", quota=5)  # noqa: S106
        row = store.set_quota(BOB, None, 7)
        assert (row.password, row.quota, row.message_quota, row.declared) == ("pw", None, 7, True)
        assert store.account(BOB) == row
        assert list(store.accounts("s")) == [row]
        assert store.put_account(BOB, quota=1, message_quota=2).message_quota == 2
        with pytest.raises(NotAllowed):
            store.set_quota(Key("s", ALL), 1, 1)

    def test_more_messages_than_an_account_may_keep(self, store: Store) -> None:
        box = Inbox(store, 2)
        store.set_quota(BOB, None, 3)
        assert store.used(BOB) == (2 * SIZE, 2)
        for over in ([delivery(BOB), delivery(BOB)], [delivery(BOB, Target(BOB, "Other"))], [delivery(EVE, BOB, BOB)]):
            with pytest.raises(OverQuota) as caught:
                submit(store, over)
            assert caught.value.account == BOB
        assert store.mailbox(BOB, "Other") is None
        assert store.account(EVE) is None
        with pytest.raises(OverQuota):
            store.copy(box.id, [1, 2], box.id)
        assert store.used(BOB).messages == 2
        store.copy(box.id, [1], box.id)
        with pytest.raises(OverQuota):
            store.deliver(delivery(BOB))
        store.expunge(box.id, [1])
        store.deliver(delivery(BOB))
        assert store.used(BOB).messages == 3

    def test_what_is_over_already_stays(self, store: Store) -> None:
        box = Inbox(store, 3)
        store.set_quota(BOB, 1, 1)
        assert box.uids == [1, 2, 3]
        other = store.create_mailbox(BOB, "Other")
        assert len(store.move(box.id, [1, 2], other.id)) == 2
        with pytest.raises(OverQuota):
            store.deliver(delivery(BOB))

    def test_the_size_of_what_is_deleted(self, store: Store) -> None:
        box = Inbox(store, 4)
        store.set_flags(box.id, [1, 2, 3], ["\\Deleted"], "add")
        assert store.status(box.id).deleted_size == 3 * SIZE
        store.copy(box.id, [1], box.id)
        store.deliver(delivery(Target(BOB, flags=frozenset({"\\Deleted"}), prefix=b"A: b\r\n"), raw=mail(5)))
        assert store.status(box.id).deleted_size == 5 * SIZE + 6
        store.set_flags(box.id, [2], ["\\Deleted"], "remove")
        store.expunge(box.id, [1])
        status = store.status(box.id)
        assert (status.deleted, status.deleted_size) == (3, 3 * SIZE + 6)
        store.renumber(box.id)
        assert store.status(box.id) == status


class Replacing(Contract):
    """A delivery that comes instead of copies."""

    def test_it_is_one_commit(self, store: Store) -> None:
        box, other = Inbox(store, 3), Inbox(store, name="Other")
        before = box.modseq
        receipt = store.deliver(delivery(BOB, raw=mail(9), replaces=[(box.id, 2), (box.id, 8)]))
        assert box.subjects() == [1, 3, 9]
        assert box.modseq == before + 1
        assert list(store.changes(box.id, before).vanished) == [2]
        assert store.copies(box.id, [receipt.placed[0].uid])[0].modseq == before + 1
        store.deliver(delivery(Target(BOB, "Other"), replaces=[(box.id, 1), (box.id, 3)]))
        assert (box.modseq, box.subjects(), len(other.uids)) == (before + 2, [9], 1)
        assert len(self.everything(store)) == 5

    def test_what_fails_takes_nothing_away(self, store: Store) -> None:
        box = Inbox(store, 2)
        gone = store.create_mailbox(BOB, "Gone").id
        store.delete_mailbox(gone)
        for wrong in (
            delivery(Target(BOB, "None", create=False), replaces=[(box.id, 1)]),
            delivery(BOB, replaces=[(box.id, 1), (gone, 1)]),
        ):
            with pytest.raises(NoSuchMailbox):
                store.deliver(wrong)
        assert box.subjects() == [1, 2]

    def test_what_goes_makes_room(self, store: Store) -> None:
        box = Inbox(store, 2)
        store.set_quota(BOB, 2 * SIZE, 2)
        store.deliver(delivery(BOB, raw=mail(7), replaces=[(box.id, 1)]))
        with pytest.raises(OverQuota):
            store.deliver(delivery(BOB, raw=mail(8, 1), replaces=[(box.id, 2)]))
        assert box.subjects() == [2, 7]


class Rights(Contract):
    """Who may do what with a mailbox."""

    def test_rights(self, store: Store) -> None:
        box = Inbox(store)
        assert store.mailbox_row(box.id).acl == {}
        assert store.set_rights(box.id, "eve", "rl").acl == {"eve": "lr"}
        assert store.set_rights(box.id, "eve", "rs", "add").acl == {"eve": "lrs"}
        assert store.set_rights(box.id, "eve", "lx", "remove").acl == {"eve": "rs"}
        assert store.set_rights(box.id, "-eve", "s").acl == {"eve": "rs", "-eve": "s"}
        assert store.set_rights(box.id, "eve", "").acl == {"eve": "", "-eve": "s"}
        row = store.set_rights(box.id, "eve", None)
        assert row.acl == {"-eve": "s"}
        assert store.mailbox(BOB, INBOX) == store.mailbox_row(box.id) == row == store.mailboxes(BOB)[0]
        assert store.set_rights(box.id, "-eve", None).acl == store.set_rights(box.id, "never", None).acl == {}
        everything = store.mailbox(Key("s", ALL), INBOX)
        assert everything is not None
        with pytest.raises(NotAllowed):
            store.set_rights(everything.id, "eve", "r")
        with pytest.raises(NoSuchMailbox):
            store.set_rights(2**40, "eve", "r")

    def test_special_uses(self, store: Store) -> None:
        box = Inbox(store)
        uses = frozenset({"\\Sent", "\\Trash"})
        assert store.set_special_use(box.id, ["\\Trash", "\\Sent"]).special_use == uses
        assert store.mailbox_row(box.id).special_use == store.mailboxes(BOB)[0].special_use == uses
        assert store.set_special_use(box.id, ()).special_use == frozenset()
        everything = store.mailbox(Key("s", ALL), INBOX)
        assert everything is not None
        with pytest.raises(NotAllowed):
            store.set_special_use(everything.id, ["\\Sent"])
        with pytest.raises(NoSuchMailbox):
            store.set_special_use(2**40, ["\\Sent"])

    def test_what_is_shared_with_somebody(self, store: Store) -> None:
        assert list(store.shared("s", ["eve"])) == []
        for key in (EVE, BOB, Key("t", "bob@example.com")):
            store.put_account(key)
            for name in ("Work", INBOX, "Alone"):
                row = store.mailbox(key, name) or store.create_mailbox(key, name)
                if name != "Alone":
                    store.set_rights(row.id, "zoe" if key is EVE else "eve", "lr")
        found = [(row.account, row.name) for row in store.shared("s", ["eve", "zoe", "anyone"])]
        assert found == [(BOB, INBOX), (BOB, "Work"), (EVE, INBOX), (EVE, "Work")]
        (inbox, work) = store.shared("s", ["eve"])
        assert inbox == store.mailbox(BOB, INBOX)
        store.set_rights(inbox.id, "eve", "")
        store.delete_mailbox(work.id)
        assert list(store.shared("s", ["eve"])) == []
        assert len(store.shared("t", ["eve"])) == 2
        store.remove_account(EVE)
        assert list(store.shared("s", ["zoe"])) == []

    def test_what_is_made_below_has_the_same_rights(self, store: Store) -> None:
        store.put_account(BOB)
        above = store.create_mailbox(BOB, "Team")
        store.set_rights(above.id, "eve", "lrk")
        made = store.create_mailbox(BOB, "Team/a/b")
        assert made.acl == {"eve": "klr"}
        assert store.create_mailbox(BOB, "Teams").acl == {}
        store.set_rights(made.id, "eve", "l")
        assert store.mailbox_row(above.id).acl == {"eve": "klr"}
        store.rename_mailbox(above.id, "Crew")
        assert [row.name for row in store.shared("s", ["eve"])] == ["Crew", "Crew/a", "Crew/a/b"]
        assert store.mailbox_row(made.id).acl == {"eve": "l"}

    def test_a_fork_has_rights_quotas_and_annotations(self, store: Store) -> None:
        box = Inbox(store)
        store.put_account(EVE)
        store.put_account(BOB, quota=3, message_quota=4)
        store.set_rights(box.id, "eve", "lr")
        store.annotate(BOB, box.id, {"/private/a": b"1", "/shared/a": b"2"})
        store.annotate(BOB, None, {"/private/b": b"3", "/shared/b": b"4"})
        store.annotate(EVE, box.id, {"/private/a": b"5"})
        child = Key("child", BOB.address)
        assert store.fork_account(BOB, child).message_quota == 4
        (twin,) = store.shared("child", ["eve"])
        assert store.annotations(child, [twin.id, None]) == [
            {"/private/a": b"1", "/shared/a": b"2"},
            {"/private/b": b"3"},
        ]
        store.annotate(child, twin.id, {"/shared/a": None})
        store.set_rights(twin.id, "eve", None)
        assert store.mailbox_row(box.id).acl == {"eve": "lr"}
        assert store.annotations(BOB, [box.id]) == [{"/private/a": b"1", "/shared/a": b"2"}]


class Annotations(Contract):
    """Annotations of mailboxes and of the server."""

    def test_each_sees_its_own_and_everybodys(self, store: Store) -> None:
        box = Inbox(store)
        store.put_account(EVE)
        assert store.annotations(BOB, []) == []
        assert store.annotations(BOB, [box.id, None]) == [{}, {}]
        store.annotate(BOB, box.id, {"/private/comment": b"mine", "/shared/comment": b"\x00\xff"})
        store.annotate(EVE, box.id, {"/private/comment": b"hers"})
        store.annotate(EVE, None, {"/private/x": b"e", "/shared/admin": b"a"})
        seen = {"/private/comment": b"mine", "/shared/comment": b"\x00\xff"}
        assert store.annotations(BOB, [None, box.id, 2**40]) == [{"/shared/admin": b"a"}, seen, {}]
        assert store.annotations(EVE, [box.id]) == [{"/private/comment": b"hers", "/shared/comment": b"\x00\xff"}]
        assert store.annotations(EVE, [None]) == [{"/private/x": b"e", "/shared/admin": b"a"}]
        assert store.annotations(Key("s", ALL), [None]) == [{"/shared/admin": b"a"}]
        store.annotate(BOB, box.id, {"/private/comment": None, "/private/none": None, "/shared/comment": b""})
        assert store.annotations(BOB, [box.id]) == [{"/shared/comment": b""}]
        assert store.annotations(EVE, [box.id]) == [{"/private/comment": b"hers", "/shared/comment": b""}]

    def test_all_or_none(self, store: Store) -> None:
        box = Inbox(store)
        everything = store.mailbox(Key("s", ALL), INBOX)
        assert everything is not None
        for key, mailbox, entries, error in (
            (BOB, box.id, {"/shared/a": b"1", "/vendor/a": b"2"}, NotAllowed),
            (BOB, everything.id, {"/shared/a": b"1"}, NotAllowed),
            (Key("s", ALL), None, {"/shared/a": b"1", "/private/a": b"2"}, NotAllowed),
            (EVE, box.id, {"/shared/a": b"1"}, NoSuchAccount),
            (BOB, 2**40, {"/shared/a": b"1"}, NoSuchMailbox),
        ):
            with pytest.raises(error):
                store.annotate(key, mailbox, entries)
        with pytest.raises(NoSuchAccount):
            store.annotations(EVE, [None])
        assert store.annotations(BOB, [box.id, everything.id, None]) == [{}, {}, {}]

    def test_they_go_along_and_end_with_what_they_are_of(self, store: Store) -> None:
        store.put_account(EVE)
        box = Inbox(store, name="Work")
        store.annotate(BOB, box.id, {"/shared/a": b"1"})
        store.annotate(EVE, box.id, {"/private/a": b"2"})
        store.annotate(EVE, None, {"/private/a": b"3"})
        store.rename_mailbox(box.id, "New")
        store.remove_account(EVE)
        store.put_account(EVE)
        assert store.annotations(EVE, [box.id, None]) == [{"/shared/a": b"1"}, {}]
        store.delete_mailbox(box.id)
        again = store.create_mailbox(BOB, "New")
        assert store.annotations(BOB, [again.id, box.id]) == [{}, {}]


class Audience(Contract):
    """Whose lists of mailboxes changed is in the hints."""

    def test_accounts_in_hints(self, store: Store) -> None:
        box = Inbox(store, 1)
        store.put_account(EVE)
        hints: list[Hint] = []
        self.settle(store)
        store.subscribe_hints(hints.append)

        def told(*keys: Key) -> None:
            self.until(lambda: set(keys) <= set[Key]().union(*(hint.accounts for hint in hints)))
            hints.clear()

        row = store.create_mailbox(BOB, "Work")
        told(BOB)
        store.set_rights(row.id, EVE.address, "lr")
        told(BOB, EVE)
        store.rename_mailbox(row.id, "Play")
        told(BOB, EVE)
        store.create_mailbox(BOB, "Play/below")
        told(BOB, EVE)
        store.subscribe(EVE, "x")
        told(EVE)
        store.annotate(EVE, row.id, {"/private/a": b""})
        told(EVE)
        store.annotate(BOB, row.id, {"/shared/a": b""})
        told(BOB, EVE)
        store.annotate(BOB, None, {"/shared/a": b""})
        told(Key("s", ALL))
        store.set_rights(row.id, EVE.address, None)
        told(BOB, EVE)
        store.delete_mailbox(row.id)
        told(BOB)
        store.rename_mailbox(box.id, "Old")
        told(BOB)
        store.deliver(delivery(Target(BOB, "Fresh")))
        told(BOB)
        store.set_quota(BOB, 100_000, None)
        told(BOB)
        store.fork_account(BOB, Key("child", BOB.address))
        told(Key("child", BOB.address))
        store.remove_account(EVE)
        told(EVE)

    def test_mail_changes_no_list(self, store: Store) -> None:
        box = Inbox(store, 1)
        hints: list[Hint] = []
        self.settle(store)
        store.subscribe_hints(hints.append)
        store.deliver(delivery(BOB))
        store.set_flags(box.id, [1], ["\\Seen"], "add")
        store.expunge(box.id, [1])
        last = box.modseq
        self.until(lambda: any(hint.mailboxes.get(box.id) == last for hint in hints))
        assert [hint.accounts for hint in hints if hint.accounts] == []
