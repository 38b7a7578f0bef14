"""The bounded caches."""

from collections.abc import Collection

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailtrap import limits
from mailtrap.message.facts import Facts
from mailtrap.store import cache as cache_module
from mailtrap.store.cache import Cache, FactsCache
from mailtrap.store.contract.common import run_together


def test_the_longest_unused_goes_first() -> None:
    cache: Cache[str] = Cache(10)
    for number in (1, 2, 3):
        cache.put(number, str(number), 3)
    assert cache.get([1]) == {1: "1"}
    cache.put(4, "4", 3)
    assert cache.get([1, 2, 3, 4]) == {1: "1", 3: "3", 4: "4"}
    assert cache.weight == 9
    cache.put(5, "5", 10)
    assert cache.get(range(9)) == {5: "5"}


def test_a_weight_is_corrected_and_what_is_too_heavy_is_not_kept() -> None:
    cache: Cache[str] = Cache(10)
    cache.put(1, "a", 4)
    cache.put(1, "b", 6)
    assert (cache.weight, len(cache), cache.get([1])) == (6, 1, {1: "b"})
    cache.put(1, "c", 11)
    assert (cache.weight, len(cache)) == (0, 0)
    cache.put(2, "d", 3)
    cache.discard([1, 2, 3])
    assert (cache.weight, len(cache)) == (0, 0)


def test_threads_keep_the_weight_right() -> None:
    cache: Cache[int] = Cache(50)

    def work() -> None:
        for number in range(500):
            cache.put(number % 30, number, number % 7 + 1)
            cache.get([number % 11])
            cache.discard([number % 13])

    run_together(*[work] * 6)
    assert cache.weight == sum(weight for _, weight in cache._kept.values()) <= 50


def test_facts_are_computed_once_and_completed_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[tuple[str, ...]] = []
    real = cache_module.computing.compute

    def compute(facts: Facts, raw: bytes, kinds: Collection[str]) -> None:
        computed.append(tuple(facts.missing(kinds)))
        real(facts, raw, kinds)

    monkeypatch.setattr(cache_module.computing, "compute", compute)
    cache = FactsCache()
    raws = {1: b"Subject: a\r\n\r\nx"}.get
    (first,) = cache.get([1], ["headers"], raws)
    (second,) = cache.get([1], ["headers"], raws)
    (third,) = cache.get([1], ["headers", "text"], raws)
    assert first is second is third
    assert computed == [("headers",), ("text",)]
    assert list(cache.get([2, 1, 2], ["size"], raws)) == [None, first, None]
    cache.discard([1])
    (fresh,) = cache.get([1], ["headers"], raws)
    assert fresh is not first


def test_the_cache_of_facts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FACTS_CACHE", 20_000)
    cache = FactsCache()
    raw = b"Subject: a\r\n\r\n" + b"word " * 400
    facts = cache.get(range(100), ["text", "headers"], lambda seq: raw)
    assert all(fact is not None and fact.text is not None for fact in facts)
    assert cache.weight <= 20_000
    assert 1 <= len(cache) < 20


def test_what_was_asked_for_lately_stays_when_others_have_to_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "FACTS_CACHE", 40_000)
    cache = FactsCache()
    raw = b"Subject: a\r\n\r\n" + b"word " * 400
    favourite, *_ = cache.get(range(5), ["text"], lambda seq: raw)
    for seq in range(5, 200):
        assert cache.get([0], ["text"], lambda seq: raw)[0] is favourite
        cache.get([seq], ["text"], lambda seq: raw)
    assert cache.find([1], ["text"]) is None
    assert cache.weight == sum(facts.weight for facts in cache._kept.values()) <= 40_000


def test_what_is_found_without_computing(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = FactsCache()
    assert cache.find([1, 2], ["size"]) is None
    known = cache.get([1, 2], ["size"], lambda seq: b"x" * seq)
    assert cache.find([2, 1, 2], ["size"]) == [known[1], known[0], known[1]]
    assert cache.find([2, 1], ["size", "header"]) is None
    assert cache.find([2, 3], ["size"]) is None
    cache.discard([1, 2, 3])
    assert (cache.weight, len(cache)) == (0, 0)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["text", "headers", "drop"])), max_size=40))
def test_the_weight_of_facts_is_their_sum(steps: list[tuple[int, str]]) -> None:
    cache = FactsCache()
    cache.limit = 6_000
    for seq, kind in steps:
        if kind == "drop":
            cache.discard([seq])
        else:
            (facts,) = cache.get([seq], [kind], lambda seq: b"Subject: a\r\n\r\n" + b"word " * 100 * seq)
            assert facts is not None
            assert getattr(facts, kind) is not None
        assert cache.weight == sum(facts.weight for facts in cache._kept.values()) <= cache.limit
