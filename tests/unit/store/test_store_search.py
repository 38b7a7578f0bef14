"""Search trees: what each condition means, and how little is computed for an answer."""

from collections.abc import Collection, Sequence
from datetime import date

import pytest

from mailtrap import clock
from mailtrap.message.facts import Facts
from mailtrap.store.contract.common import BOB, Inbox, delivery
from mailtrap.store.memory import MemoryStore
from mailtrap.store.rows import Target
from mailtrap.store.search import (
    All,
    And,
    Before,
    Body,
    Flag,
    HeaderContains,
    Larger,
    ModSeq,
    Not,
    Older,
    On,
    Or,
    SavedBefore,
    SavedOn,
    SavedSince,
    SentBefore,
    SentOn,
    SentSince,
    Since,
    Smaller,
    Text,
    Tree,
    Uids,
    Younger,
    predicate,
)

DAY = 86400
NOON = 19_000 * DAY + DAY / 2  # some day of 2022, UTC
THAT_DAY = date.fromordinal(date(1970, 1, 1).toordinal() + 19_000)


class Counting(MemoryStore):
    """Notes for which messages facts were asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def facts(self, seqs: Sequence[int], kinds: Collection[str]) -> Sequence[Facts | None]:
        self.asked += seqs
        return super().facts(seqs, kinds)


@pytest.fixture
def store() -> Counting:
    return Counting()


def fill(store: MemoryStore, *raws: bytes, **target: object) -> Inbox:
    for raw in raws:
        store.deliver(delivery(Target(BOB, **target), raw=raw))  # type: ignore[arg-type]
    return Inbox(store)


def found(store: MemoryStore, box: Inbox, tree: Tree) -> list[int]:
    return list(store.search(box.id, tree))


def test_all_and_the_junctions(store: Counting) -> None:
    box = fill(store, *[b"Subject: %d\r\n\r\n" % number for number in range(4)])
    store.set_flags(box.id, [1, 2], ["\\Seen"], "add")
    store.set_flags(box.id, [2, 3], ["work"], "add")
    seen, work = Flag("\\SEEN"), Flag("Work")
    assert found(store, box, All()) == [1, 2, 3, 4]
    assert found(store, box, And((seen, work))) == [2]
    assert found(store, box, Or((seen, work))) == [1, 2, 3]
    assert found(store, box, Not(Or((seen, work)))) == [4]
    assert found(store, box, Flag("work", is_set=False)) == [1, 4]
    assert found(store, box, And(())) == [1, 2, 3, 4]
    assert found(store, box, Or(())) == []
    assert store.asked == []


def test_facts_are_asked_for_only_where_nothing_cheaper_decides(store: Counting) -> None:
    box = fill(store, *[b"Subject: %d\r\n\r\nword\r\n" % number for number in range(6)])
    store.set_flags(box.id, [2, 4], ["\\Seen"], "add")
    assert found(store, box, And((Text("word"), Flag("\\Seen")))) == [2, 4]
    assert store.asked == [2, 4]
    store.asked.clear()
    assert found(store, box, Or((Body("never"), Not(Flag("\\Seen"))))) == [1, 3, 5, 6]
    assert store.asked == [2, 4]
    store.asked.clear()
    assert found(store, box, Not(And((Body("word"), Uids(((3, 3),)))))) == [1, 2, 4, 5, 6]
    assert store.asked == [3]


def test_only_the_kinds_that_are_needed(store: Counting) -> None:
    assert predicate(And((All(), Flag("x"), Larger(3)))).kinds == frozenset()
    assert predicate(HeaderContains("a", "b")).kinds == {"head"}
    assert predicate(Not(Or((Body("b"), SentOn(THAT_DAY))))).kinds == {"text", "headers"}
    (copy,) = store.copies(fill(store, b"Subject: a\r\n\r\n").id)
    assert predicate(Body("b")).test(copy, None) is None
    assert predicate(And((Body("b"), Flag("x")))).test(copy, None) is False
    assert predicate(Or((Body("b"), Flag("x")))).test(copy, None) is None
    assert predicate(Or((Body("b"), All()))).test(copy, None) is True


def test_uids(store: Counting) -> None:
    box = fill(store, *[b"\r\n"] * 9)
    store.expunge(box.id, [4])
    assert found(store, box, Uids(((8, 2**32 - 1), (1, 2), (5, 3), (2, 2)))) == [1, 2, 3, 5, 8, 9]
    assert found(store, box, Uids.of([9, 1, 4, 3, 2])) == [1, 2, 3, 9]
    assert Uids.of([9, 1, 4, 3, 2]).ranges == ((1, 4), (9, 9))
    assert found(store, box, Uids(())) == []
    assert found(store, box, Not(Uids(((1, 2**40),)))) == []
    assert found(store, box, And((Uids(((1, 5),)), Uids(((3, 9),))))) == [3, 5]
    assert found(store, box, Or((Uids(((1, 1),)), Uids(((9, 9),))))) == [1, 9]
    assert found(store, box, Uids(tuple((n, n) for n in range(1, 60_000, 2)))) == [1, 3, 5, 7, 9]


def test_internal_dates_are_days_in_utc(store: Counting) -> None:
    times = [NOON - DAY, NOON - DAY / 2, NOON, NOON + DAY / 2 - 0.001, NOON + DAY / 2]
    for time in times:
        fill(store, b"\r\n", internal_date=time)
    box = Inbox(store)
    assert found(store, box, Before(THAT_DAY)) == [1]
    assert found(store, box, On(THAT_DAY)) == [2, 3, 4]
    assert found(store, box, Since(THAT_DAY)) == [2, 3, 4, 5]


def test_save_dates(store: Counting) -> None:
    box = fill(store, b"\r\n", internal_date=NOON)
    (copy,) = store.copies(box.id)
    today = clock.to_datetime(copy.save_date).date()
    assert found(store, box, SavedOn(today)) == found(store, box, SavedSince(today)) == [1]
    assert found(store, box, SavedBefore(today)) == found(store, box, SavedOn(THAT_DAY)) == []


def test_older_and_younger_count_from_now(store: Counting) -> None:
    for age in (10, 1000, 100_000):
        fill(store, b"\r\n", internal_date=clock.now() - age)
    box = Inbox(store)
    assert found(store, box, Younger(5000)) == [1, 2]
    assert found(store, box, Older(5000)) == [3]
    assert found(store, box, And((Older(500), Younger(5000)))) == [2]


@pytest.mark.parametrize(
    ("written", "fits"),
    [
        ("Sun, 8 Jan 2023 10:00:00 +0000", True),
        ("8 Jan 2023 23:59:59 -1100", True),  # the day as it is written, whatever its zone
        ("Sun, 8 Jan 2023 00:00:01 +1400 (comment)", True),
        ("Mon, 9 Jan 2023 10:00:00 +0000", False),
        ("Thu, 32 Jan 2023 10:00:00 +0000", False),
        ("gestern", False),
        ("", False),
        ("Sun, 8 Jan 99999999999999999999 10:00:00 +0000", False),
        ("=?utf-8?q?=FF?=", False),
    ],
)
def test_the_date_field(store: Counting, written: str, fits: bool) -> None:
    box = fill(store, f"Date: {written}\r\n\r\n".encode())
    day = date(2023, 1, 8)
    assert found(store, box, SentOn(day)) == ([1] if fits else [])


def test_before_and_since_of_the_date_field(store: Counting) -> None:
    box = fill(
        store, b"Date: Sat, 7 Jan 2023 10:00:00 +0000\r\n\r\n", b"Date: Sun, 8 Jan 2023 10:00:00 +0000\r\n\r\n", b"\r\n"
    )
    day = date(2023, 1, 8)
    assert found(store, box, SentBefore(day)) == [1]
    assert found(store, box, SentSince(day)) == [2]
    assert found(store, box, Not(SentSince(day))) == [1, 3]


def test_headers_are_decoded_unfolded_and_compared_without_case(store: Counting) -> None:
    box = fill(
        store,
        b"Subject: =?utf-8?b?R3LDvMOfZSBhdXMgS8O2bG4=?=\r\n\r\nbody\r\n",
        b"SUBJECT: folded\r\n value\r\nX-Empty:\r\n\r\nKoeln\r\n",
        b"subject: one\r\nSubject: two\r\n\r\n",
    )
    assert found(store, box, HeaderContains("subject", "GRÜSSE AUS".replace("SS", "ß"))) == [1]
    assert found(store, box, HeaderContains("Subject", "KÖLN")) == [1]
    assert found(store, box, HeaderContains("Subject", "folded value")) == [2]
    assert found(store, box, HeaderContains("Subject", "TWO")) == [3]
    assert found(store, box, HeaderContains("x-empty", "")) == [2]
    assert found(store, box, HeaderContains("x-none", "")) == []
    assert found(store, box, HeaderContains("", "")) == []


def test_text_is_headers_and_body(store: Counting) -> None:
    box = fill(
        store,
        b"Subject: needle\r\n\r\nhay\r\n",
        b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
        b"NEEDL=\r\nE =FC\r\n",
        b"Content-Transfer-Encoding: base64\r\n\r\nbmVlZGxl\r\n",
        b"X-Needle: hay\r\n\r\nhay\r\n",
        b"\r\nhay\r\n",
    )
    assert found(store, box, Text("Needle")) == [1, 2, 3, 4]
    assert found(store, box, Body("needle")) == [2, 3]
    assert found(store, box, Body("Ü")) == [2]
    assert found(store, box, Text("x-needle: H")) == [4]
    assert found(store, box, Text("")) == found(store, box, Body("")) == [1, 2, 3, 4, 5]


def test_prefix_headers_are_of_the_copy(store: Counting) -> None:
    store.deliver(
        delivery(Target(BOB, prefix=b"Delivered-To: bob@example.com\r\nDate: Sun, 8 Jan 2023 1:00 +0\r\n"), BOB)
    )
    box = Inbox(store)
    assert found(store, box, HeaderContains("delivered-to", "BOB@")) == [1]
    assert found(store, box, Text("delivered-to: bob")) == [1]
    assert found(store, box, SentOn(date(2023, 1, 8))) == [1]


def test_sizes_are_as_served(store: Counting) -> None:
    box = fill(store, b"a\nb\n")  # 6 octets as served
    fill(store, b"a\nb\n", prefix=b"P: q\r\n")
    assert found(store, box, Larger(5)) == [1, 2]
    assert found(store, box, Larger(6)) == [2]
    assert found(store, box, Smaller(7)) == [1]
    assert found(store, box, And((Larger(5), Smaller(12)))) == [1]


def test_modseqs(store: Counting) -> None:
    box = fill(store, b"\r\n", b"\r\n", b"\r\n")
    store.set_flags(box.id, [1], ["x"], "add")
    modseq = {copy.uid: copy.modseq for copy in store.copies(box.id)}
    assert found(store, box, ModSeq(modseq[3])) == [1, 3]
    assert found(store, box, ModSeq(modseq[1] + 1)) == []


def test_a_message_that_goes_meanwhile_is_passed_over() -> None:
    class Vanishing(MemoryStore):
        def facts(self, seqs: Sequence[int], kinds: Collection[str]) -> Sequence[Facts | None]:
            self.remove([2])
            return super().facts(seqs, kinds)

    store = Vanishing()
    box = fill(store, *[b"Subject: x\r\n\r\n"] * 3)
    assert found(store, box, HeaderContains("subject", "x")) == [1, 3]


def test_many_copies_are_looked_at_in_parts(store: Counting) -> None:
    box = fill(store, *[b"Subject: %d\r\n\r\n" % (number % 3) for number in range(700)])
    assert found(store, box, HeaderContains("subject", "2")) == list(range(3, 701, 3))
    assert store.asked == list(range(1, 701))
