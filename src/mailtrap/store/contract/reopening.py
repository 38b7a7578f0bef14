"""What a store that keeps mail finds again."""

from pathlib import Path

from .. import search
from ..base import Store
from ..rows import Target
from .common import BOB, EVE, EVERYTHING, Contract, Inbox, delivery, uids


class Reopening(Contract):
    """``close``, then ``make`` with the same path."""

    def test_everything_is_there_again(self, store: Store, tmp_path: Path) -> None:
        box = Inbox(store, 12)
        store.put_account(EVE, password="pw", quota=5, message_quota=6)  # noqa: S106
        target = Target(BOB, "Work/x", flags=frozenset({"k"}), internal_date=5.5, prefix=b"A: b\r\n")
        store.deliver(delivery(target))
        work = store.mailbox(BOB, "Work/x")
        assert work is not None
        store.set_flags(box.id, [3], ["\\Seen"], "add")
        store.expunge(box.id, [5, 6])
        store.subscribe(BOB, "Work")
        store.set_rights(work.id, "eve@example.com", "lr")
        store.annotate(BOB, work.id, {"/private/a": b"\xff", "/shared/b": b""})
        store.annotate(BOB, None, {"/private/c": b"1", "/shared/d": b"2"})
        store.remove([9])
        store.take_recent(box.id)
        store.remove([10], evicted=True)
        state, life, head, changes = self.state(store), store.life(), store.head(), store.changes(box.id, 2)
        tally = store.tally("s")
        store.close()
        again = self.make(tmp_path)
        assert self.state(again) == state
        assert (again.life(), again.head()) == (life, head)
        assert again.tally("s") == tally
        assert (tally.evicted, tally.last_evicted) == (1, 10)
        after = again.changes(box.id, 2)
        assert uids(after.changed) == uids(changes.changed)
        assert list(after.vanished) == list(changes.vanished)
        assert list(again.search(box.id, search.Text("number 11"))) == [11]
        newer = again.deliver(delivery(Target(BOB, "Newer")))
        assert newer.seq == head + 1
        assert newer.placed[0].uidvalidity > work.uidvalidity
        again.close()

    def test_neither_uids_nor_seqs_come_again(self, store: Store, tmp_path: Path) -> None:
        box = Inbox(store, 3)
        store.remove([3])
        store.expunge(box.id, EVERYTHING)
        store.close()
        again = self.make(tmp_path)
        receipt = again.deliver(delivery(BOB))
        assert (receipt.seq, receipt.placed[0].uid) == (4, 4)
        again.close()

    def test_uidvalidities_rise_over_openings(self, store: Store, tmp_path: Path) -> None:
        given = []
        for _ in range(3):
            receipt = store.deliver(delivery(Target(BOB, "Box")))
            given.append(receipt.placed[0].uidvalidity)
            store.delete_mailbox(receipt.placed[0].mailbox)
            store.close()
            store = self.make(tmp_path)
        store.close()
        assert given == sorted(set(given))
