"""Whose mailbox an address is, over scopes."""

import pytest

from mailtrap.delivery.accounts import Directory
from mailtrap.message.address import Address
from mailtrap.message.envelope import Envelope
from mailtrap.scopes import Scopes
from mailtrap.store.memory import MemoryStore
from mailtrap.store.rows import Delivery, Key, Target


@pytest.fixture
def scopes():
    return Scopes({})


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def directory(store, scopes):
    return Directory(store, scopes)


def put(store, key, raw=b"Subject: x\r\n\r\n"):
    envelope = Envelope(Address(), [Address(key.address)])
    return store.deliver(Delivery(key.scope, "deliver", raw, envelope, [Target(key)]))


def test_case_quotes_and_tags_lead_to_one_account(directory, scopes):
    keys = {
        directory.open_account(scopes.root, Address(text))
        for text in ("bob@example.com", "Bob@EXAMPLE.com", "bob+news@example.com", '"bob"@example.com')
    }
    assert keys == {Key("", "bob@example.com")}


def test_an_account_of_the_parent_is_forked_at_its_first_use(directory, scopes, store):
    store.put_account(Key("", "bob@x"), password="pw")
    put(store, Key("", "bob@x"))
    child = scopes.open(scopes.root, "child", {})
    key = directory.claim(child, Address("bob@x"))
    assert key == Key("child", "bob@x")
    assert store.account(key).password == "pw"
    box = store.mailbox(key, "INBOX")
    assert len(store.snapshot(box.id).uids) == 1
    # what the child does, the parent does not see
    put(store, key)
    store.expunge(box.id, [1])
    assert list(store.snapshot(store.mailbox(Key("", "bob@x"), "INBOX").id).uids) == [1]
    # a sibling begins as the parent is, too
    other = directory.claim(scopes.open(scopes.root, "other", {}), Address("bob@x"))
    assert list(store.snapshot(store.mailbox(other, "INBOX").id).uids) == [1]


def test_an_undeclared_address_is_the_scopes_own_and_starts_empty(directory, scopes, store):
    one, two = (scopes.open(scopes.root, name, {}) for name in ("one", "two"))
    put(store, directory.open_account(one, Address("bob@x")))
    key = directory.open_account(two, Address("bob@x"))
    assert not store.snapshot(store.mailbox(key, "INBOX").id).uids


@pytest.mark.parametrize(
    ("declared", "default", "routing", "given", "right"),
    [
        ("pw", None, "open", "pw", True),
        ("pw", None, "open", "other", False),
        ("pw", "dp", "open", "dp", False),
        (None, None, "open", "anything", True),
        (None, None, "open", "", True),
        (None, "dp", "open", "dp", True),
        (None, "dp", "open", "other", False),
        (None, None, "strict", "anything", True),
        (..., None, "open", "anything", True),
        (..., "dp", "open", "other", False),
        (..., None, "strict", "anything", False),
    ],
)
def test_who_may_come_in(directory, scopes, store, declared, default, routing, given, right):
    scopes.root.change(default_password=default, routing=routing)
    if declared is not ...:
        store.put_account(Key("", "bob@x"), password=declared)
    assert directory.check("bob@x", given, scopes.root) is right


def test_a_first_login_makes_an_account_that_is_not_declared(directory, scopes, store):
    login = directory.authenticate("Bob@X", "pw", scopes.root)
    assert login.key == Key("", "bob@x")
    assert store.account(login.key).declared is False
    assert store.mailbox(login.key, "INBOX") is not None


def test_a_user_name_without_anything_is_nobody(directory, scopes):
    assert directory.authenticate("", "pw", scopes.root) is None


def test_the_domain_of_a_user_name_names_its_scope(directory, scopes):
    scope = scopes.open(scopes.root, "child", {})
    assert directory.authenticate("bob@child.test", "", scopes.root).scope is scope


def test_mechanisms_that_need_a_password_only_where_every_account_has_one(directory, scopes, store, monkeypatch):
    monkeypatch.delattr(type(store), "accounts")  # who greets looks at no list: of 10,000 it took 60 ms
    assert directory.knows_passwords(scopes.root) is False
    store.put_account(Key("", "a@x"), password="pw")
    child = scopes.open(scopes.root, "child", {})
    assert directory.knows_passwords(child) is True
    store.put_account(Key("child", "b@x"))
    assert directory.knows_passwords(child) is False
    assert directory.knows_passwords(scopes.root) is True
    child.change(default_password="dp")
    assert directory.knows_passwords(child) is True


def test_tokens_hold_for_their_user_and_their_time(directory, scopes):
    token = directory.issue_token(scopes.root, "bob@x", 60)
    assert directory.check_token("bob@x", token, scopes.root)
    assert not directory.check_token("eve@x", token, scopes.root)
    assert not directory.check_token("bob@x", "made-up", scopes.root)
    expired = directory.issue_token(scopes.root, "bob@x", -1)
    assert not directory.check_token("bob@x", expired, scopes.root)
