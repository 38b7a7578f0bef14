"""THREAD's algorithms."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap.imap.threading import response
from mailtrap.message.ordering import ThreadKeys
from mailtrap.message.threads import ALGORITHMS, Forest, Messages


class Item(NamedTuple):
    """A message: one of each column."""

    number: int
    keys: ThreadKeys
    arrived: float


def mail(
    number: int, own: str = "", refers: str = "", subject: str = "", *, sent: float | None = None, re: bool = False
):
    keys = ThreadKeys(own, tuple(refers.split()), subject, re, float(number) if sent is None else sent)
    return Item(number, keys, 1000.0 + number)


def threads(name: str, *items: Item) -> Forest:
    work = ALGORITHMS[name](Messages(*map(list, zip(*items, strict=True))) if items else Messages([], [], []))
    while True:
        try:
            next(work)
        except StopIteration as done:
            return done.value


def walk(forest: Forest, root: int) -> Iterator[int]:
    waiting = [root]
    while waiting:
        yield (node := waiting.pop())
        waiting += forest.children.get(node, ())


def said(name: str, *items: Item) -> str:
    return response(threads(name, *items)).decode().removeprefix("* THREAD").strip()


class TestOrderedSubject:
    def test_by_subject_and_date(self):
        found = said(
            "ORDEREDSUBJECT",
            mail(1, subject="B", sent=5), mail(2, subject="A", sent=4), mail(3, subject="B", sent=1),
            mail(4, subject="B", sent=2), mail(5, subject="C", sent=3),
        )  # fmt: skip
        assert found == "(3 (4)(1))(5)(2)"

    def test_two_are_a_line(self):
        assert said("ORDEREDSUBJECT", mail(1, subject="A"), mail(2, subject="A")) == "(1 2)"


class TestReferences:
    def test_a_line_and_branches(self):
        assert said("REFERENCES", mail(1, "a"), mail(2, "b", "a"), mail(3, "c", "a b")) == "(1 2 3)"
        assert said("REFERENCES", mail(1, "a"), mail(2, "b", "a"), mail(3, "c", "a")) == "(1 (2)(3))"
        found = said(
            "REFERENCES", mail(1, "a"), mail(2, "b", "a"), mail(3, "c", "a b"), mail(4, "d", "a b"), mail(5, "e")
        )
        assert found == "(1 2 (3)(4))(5)"

    def test_a_parent_that_is_not_there(self):
        assert said("REFERENCES", mail(1, "b", "a"), mail(2, "c", "a")) == "((1)(2))"
        assert said("REFERENCES", mail(1, "b", "x a")) == "(1)"
        assert said("REFERENCES", mail(1, "a"), mail(3, "c", "a b")) == "(1 3)"

    def test_answers_that_came_first(self):
        assert (
            said("REFERENCES", mail(1, "c", "a b", sent=3), mail(2, "b", "a", sent=2), mail(3, "a", sent=1))
            == "(3 2 1)"
        )

    def test_an_id_that_several_have(self):
        assert said("REFERENCES", mail(1, "a"), mail(2, "a"), mail(3, "b", "a")) == "(1 3)(2)"

    def test_no_circles(self):
        assert said("REFERENCES", mail(1, "a", "b"), mail(2, "b", "a")) in ("(1 2)", "(2 1)")
        assert said("REFERENCES", mail(1, "a", "a")) == "(1)"
        assert said("REFERENCES", mail(1, "x", "a b a"), mail(2, "y", "b a b")).count("(") >= 1

    def test_siblings_by_date(self):
        assert said("REFERENCES", mail(1, "a"), mail(2, "b", "a", sent=9), mail(3, "c", "a", sent=8)) == "(1 (3)(2))"
        assert said("REFERENCES", mail(1, "a", sent=9), mail(2, "b", sent=8)) == "(2)(1)"

    def test_a_message_without_a_date_counts_by_its_arrival(self):
        keys = ThreadKeys("a", (), "", False, None)
        assert said("REFERENCES", Item(1, keys, 5.0), mail(2, "b", sent=3)) == "(2)(1)"

    def test_the_same_subject(self):
        # an answer that refers to nothing goes below what it answers
        assert said("REFERENCES", mail(1, "a", subject="S"), mail(2, "b", subject="S", re=True)) == "(1 2)"
        # whichever came first
        assert said("REFERENCES", mail(1, "a", subject="S", re=True), mail(2, "b", subject="S")) == "(2 1)"
        # two that are no answers stand side by side
        assert said("REFERENCES", mail(1, "a", subject="S"), mail(2, "b", subject="S")) == "((1)(2))"
        three = [mail(n, str(n), subject="S") for n in (1, 2, 3)]
        assert said("REFERENCES", *three) == "((1)(2)(3))"
        # into a place that is there already
        places = [mail(1, "b", "a", subject="S"), mail(2, "c", "a", subject="S")]
        assert said("REFERENCES", *places, mail(3, "d", subject="S")) == "((1)(2)(3))"
        assert (
            said("REFERENCES", *places, mail(3, "e", "z", subject="S"), mail(4, "f", "z", subject="S"))
            == "((1)(2)(3)(4))"
        )
        # without a subject nothing is together
        assert said("REFERENCES", mail(1, "a"), mail(2, "b")) == "(1)(2)"

    def test_an_original_found_after_two_answers(self):
        found = said(
            "REFERENCES",
            mail(1, "a", subject="S", re=True),
            mail(2, "b", subject="S", re=True),
            mail(3, "c", subject="S"),
        )
        assert found == "(3 (1)(2))"

    def test_very_deep(self):
        many = 3000
        line = [mail(n, str(n), str(n - 1) if n > 1 else "") for n in range(1, many + 1)]
        assert said("REFERENCES", *line) == "(" + " ".join(str(n) for n in range(1, many + 1)) + ")"
        backwards = [mail(n, str(n), str(n + 1) if n < many else "", sent=-n) for n in range(1, many + 1)]
        assert said("REFERENCES", *backwards) == "(" + " ".join(str(n) for n in range(many, 0, -1)) + ")"
        branching = [mail(n, str(n), str((n - 1) // 2 * 2 - 1) if n > 2 else "") for n in range(1, many + 1)]
        assert said("REFERENCES", *branching).count("(") == said("REFERENCES", *branching).count(")")


class TestRefs:
    def test_subjects_do_not_matter(self):
        assert said("REFS", mail(1, "a", subject="S"), mail(2, "b", subject="S", re=True)) == "(1)(2)"

    def test_the_thread_with_the_message_sent_last_is_the_last(self):
        assert said("REFS", mail(1, "a"), mail(2, "b"), mail(3, "c", "a")) == "(2)(1 3)"


@pytest.mark.parametrize("name", ["REFERENCES", "REFS"])
def test_others_may_run_meanwhile(name):
    items = [mail(n, str(n), str(n - 1) if n % 3 else "", subject=str(n)) for n in range(1, 2001)]
    work = ALGORITHMS[name](Messages(*map(list, zip(*items, strict=True))))
    assert sum(1 for _ in work) > 10


ITEMS = st.lists(
    st.tuples(
        st.sampled_from(["", "a", "b", "c", "d", "e", "f"]),
        st.lists(st.sampled_from("abcdefgh"), max_size=4).map(" ".join),
        st.sampled_from(["", "S", "T"]), st.booleans(), st.integers(0, 3),
    ),
    max_size=12,
)  # fmt: skip


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
@given(drawn=ITEMS)
def test_each_message_once(name, drawn):
    items = [
        mail(n, own, refers, subject, re=re, sent=sent) for n, (own, refers, subject, re, sent) in enumerate(drawn, 1)
    ]
    forest = threads(name, *items)
    size = len(items)
    nodes = [node for root in forest.roots for node in walk(forest, root)]
    assert sorted(forest.numbers[node] for node in nodes if node < size) == list(range(1, size + 1))
    for node in nodes:
        assert node < size or node in forest.roots  # places are at the top alone
        assert node < size or len(forest.children[node]) > 1 or name == "REFERENCES"


@given(drawn=st.lists(st.integers(0, 20), max_size=25), shuffled=st.randoms())
def test_whole_conversations_are_found_whatever_came_first(drawn, shuffled):
    """Message n answers one before it, or none, and names all above it: a model that needs no algorithm."""
    above: dict[int, list[int]] = {}
    for number, pick in enumerate(drawn, 1):
        parent = pick % number  # 0: none
        above[number] = [*above[parent], parent] if parent else []
    items = [mail(n, str(n), " ".join(map(str, chain))) for n, chain in above.items()]
    shuffled.shuffle(items)
    found: dict[int, list[int]] = {}
    forest = threads("REFS", *items)
    waiting: list[tuple[int, list[int]]] = [(root, []) for root in forest.roots]
    while waiting:
        node, chain = waiting.pop()
        number = forest.numbers[node]
        found[number] = chain
        waiting += [(child, [*chain, number]) for child in forest.children.get(node, ())]
    assert found == above
