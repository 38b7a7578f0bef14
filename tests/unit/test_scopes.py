import pytest

from mailtrap.errors import ConfigError
from mailtrap.scopes import Scopes


def test_settings_come_from_the_parent_until_the_scope_has_its_own():
    scopes = Scopes({"timeout": 9.0})
    child = scopes.open(scopes.root, "child", {})
    grandchild = scopes.open(child, "grandchild", {})
    assert grandchild.live.timeout == 9.0
    scopes.root.change(timeout=1.0)
    assert grandchild.live.timeout == 1.0
    child.change(timeout=2.0, routing="strict")
    assert (grandchild.live.timeout, grandchild.live.routing) == (2.0, "strict")
    assert scopes.root.live.routing == "open"
    child.restore()
    assert (grandchild.live.timeout, grandchild.live.routing) == (1.0, "open")


def test_boot_settings_do_not_change():
    scopes = Scopes({})
    with pytest.raises(ConfigError, match="cannot change while the server runs"):
        scopes.root.change(store="memory")


def test_the_last_entered_open_scope_is_current():
    scopes = Scopes({})
    one, two = (scopes.open(scopes.root, name, {}) for name in ("one", "two"))
    scopes.enter(one)
    scopes.enter(two)
    assert scopes.current is two
    scopes.leave(one)
    assert scopes.current is two
    scopes.leave(two)
    assert scopes.current is scopes.root
    assert one.closed
    assert two.closed


def test_what_was_entered_below_a_scope_is_left_with_it():
    scopes = Scopes({})
    test = scopes.open(scopes.root, "test", {})
    scopes.enter(test)
    forgotten = scopes.open(scopes.open(test, "between", {}), "forgotten", {})
    scopes.enter(forgotten)
    scopes.leave(test)
    assert scopes.current is scopes.root
    assert forgotten.closed
    scopes.leave(forgotten)
    assert scopes.current is scopes.root


def test_a_taken_name_or_label_gets_a_number():
    scopes = Scopes({})
    names = [scopes.open(scopes.root, name, {}) for name in ("test_a[x]", "test_a[x]", "test-a(x)")]
    assert len({scope.name for scope in names}) == 3
    assert len({scope.domain for scope in names}) == 3


def test_domains_name_scopes():
    scopes = Scopes({})
    scope = scopes.open(scopes.root, "Test Übung 1", {})
    assert scope.domain == "test-bung-1.test"
    assert scopes.by_domain("test-bung-1.test") is scope
    assert scopes.by_domain("example.com") is None
    assert scopes.by_domain("other.test") is None


@pytest.mark.parametrize("name", ["", "日本語", "---", "x" * 300, None])
def test_any_name_gives_a_usable_scope(name):
    scopes = Scopes({})
    scope = scopes.open(scopes.root, name, {})
    other = scopes.open(scopes.root, name, {})
    assert scope is not other
    assert scope.name != other.name
    assert scope.domain != other.domain
    assert all(len(label) <= 63 for label in scope.domain.split("."))
    assert scopes.by_domain(scope.domain) is scope
