"""Sets of flags."""

import pytest

from mailtrap.store import flags as flags_module
from mailtrap.store.flags import canonical, change


def test_spelling() -> None:
    assert canonical(["\\seen", "\\DELETED", "Work", "\\Recent", "\\recent"]) == {"\\Seen", "\\Deleted", "Work"}
    assert canonical(["work", "Work"]) == {"Work"}
    assert canonical([]) == canonical(["\\Recent"]) == frozenset()


def test_equal_sets_are_one_object() -> None:
    assert canonical(["a", "b"]) is canonical(iter(["b", "a"]))
    assert change(canonical(["a"]), canonical(["b"]), "add") is canonical(["a", "b"])


@pytest.mark.parametrize(
    ("mode", "asked", "new"),
    [
        ("add", {"A", "c"}, {"a", "b", "c"}),
        ("remove", {"A", "c"}, {"b"}),
        ("replace", {"A", "c"}, {"a", "c"}),
        ("replace", set(), set()),
    ],
)
def test_changes(mode: str, asked: set[str], new: set[str]) -> None:
    assert change(canonical({"a", "b"}), canonical(asked), mode) == new  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("mode", "asked"), [("add", {"B"}), ("remove", {"c"}), ("replace", {"A", "B"}), ("add", set())]
)
def test_no_change_is_the_same_object(mode: str, asked: set[str]) -> None:
    old = canonical({"a", "b"})
    assert change(old, canonical(asked), mode) is old  # type: ignore[arg-type]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flags_module, "_canonical", {})
    monkeypatch.setattr(flags_module, "_KNOWN", 10)
    for number in range(100):
        assert canonical([f"k{number}", "\\SEEN"]) == {f"k{number}", "\\Seen"}
    assert len(flags_module._canonical) <= 10
