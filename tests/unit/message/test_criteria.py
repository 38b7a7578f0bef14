import re
from datetime import UTC, datetime
from time import process_time
from unittest.mock import ANY, MagicMock

import pytest

from mailtrap.message.address import Address
from mailtrap.message.criteria import matches_header, matches_value


@pytest.mark.parametrize(
    ("expected", "actual", "result"),
    [
        ("a", "a", True),
        ("a", "ab", False),
        ("a", None, False),
        ("1", 1, False),
        (1, 1, True),
        (None, None, True),
        (None, "a", False),
        ("a@EXAMPLE.com", Address("a@example.com"), True),
        ("A@example.com", Address("a@example.com"), False),
        ("a@xn--bcher-kva.example", Address("a@bücher.example"), True),
        (re.compile("b"), "abc", True),
        (re.compile("^b"), "abc", False),
        (re.compile("2024-01"), datetime(2024, 1, 1, tzinfo=UTC), True),
        (re.compile(b"b"), b"abc", True),
        (re.compile(b"b"), "abc", False),
        (re.compile("b"), b"abc", True),
        (re.compile("b"), 7, False),
        (lambda value: value > 3, 4, True),
        (str.isupper, "ABC", True),
        (ANY, None, True),
        (["a", "b"], "b", True),  # one of these
        (["a", "b"], "c", False),
        (b"x", b"x", True),
        # lists
        ("a", ["a", "b"], True),
        ("c", ["a", "b"], False),
        (re.compile("^b"), ["a", "b"], True),
        (["b", "a"], ["a", "b"], True),
        (["b"], ["a", "b"], False),
        (["a", "a"], ["a", "b"], False),
        (("a", "b"), ["a", "b"], True),
        (("b", "a"), ["a", "b"], False),
        ([], [], True),
        ([], ["a"], False),
        ((), ("a",), False),
        ([re.compile("."), "a"], ["a", "b"], True),
        ([re.compile("[ab]"), re.compile("a")], ["a", "b"], True),
        ([re.compile("a"), re.compile("a")], ["a", "b"], False),
        (lambda items: len(items) == 2, ["a", "b"], True),
        (ANY, [], True),
        # sets
        ("a", frozenset({"a", "b"}), True),
        ({"a", "b"}, frozenset({"b", "a"}), True),
        ({"a"}, frozenset({"b", "a"}), False),
        (frozenset(), frozenset(), True),
    ],
)
def test_values(expected: object, actual: object, result: bool) -> None:
    assert matches_value(expected, actual) is result


def test_an_object_with_an_eq_of_its_own_is_asked_even_where_it_can_be_called() -> None:
    class Even:
        def __eq__(self, other: object) -> bool:
            return isinstance(other, int) and other % 2 == 0

        def __call__(self, value: object) -> bool:
            raise AssertionError("it is compared, not called")

        __hash__ = None  # type: ignore[assignment]

    assert matches_value(Even(), 2)
    assert not matches_value(Even(), 3)
    assert matches_value(Even(), [3, 4])
    assert not matches_value(MagicMock(), "a")


def test_many_patterns_that_each_fit_many_items_are_assigned_quickly() -> None:
    patterns = [re.compile("a")] * 40 + [re.compile("b")]
    start = process_time()
    assert not matches_value(patterns, ["a"] * 41)
    assert matches_value(patterns, ["b"] + ["a"] * 40)
    assert process_time() - start < 1


def test_headers() -> None:
    found = {"x": ["1", "2"], "y": []}
    assert matches_header({"x": "2"}, lambda name: found.get(name, []))
    assert matches_header({"x": re.compile("1"), "y": None, "z": None}, lambda name: found.get(name, []))
    assert not matches_header({"x": "3"}, lambda name: found.get(name, []))
    assert not matches_header({"x": None}, lambda name: found.get(name, []))
    assert matches_header({}, lambda name: [])
