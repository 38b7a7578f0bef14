import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap.message.address import Address, normalize
from mailtrap.message.envelope import NO_PARAMETERS, Envelope


def test_it_compares_as_a_str() -> None:
    address = Address("Bob@EXAMPLE.com", name="Bob")
    assert address == "Bob@example.com"
    assert address == "Bob@example.com"
    assert (address.local, address.domain, address.name, address.original) == (
        "Bob",
        "example.com",
        "Bob",
        "Bob@EXAMPLE.com",
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a@Example.COM.", "a@example.com"),
        ("a@xn--bcher-kva.example", "a@bücher.example"),
        ("a@XN--BCHER-KVA.example", "a@bücher.example"),
        ("a@BÜCHER.example", "a@bücher.example"),
        ("a@xn--.example", "a@xn--.example"),
        ("a@[IPv6:::1]", "a@[ipv6:::1]"),
        ("noat", "noat"),
        ("", ""),
        ('"a@b"@X', '"a@b"@x'),
    ],
)
def test_one_form(text: str, expected: str) -> None:
    assert Address(text) == expected


@pytest.mark.parametrize(
    ("text", "account"),
    [
        ("Bob+news@X.example", "bob@x.example"),
        ('"Bob"@x', "bob@x"),
        ('"b\\"o"@x', 'b"o@x'),
        ("+tag@x", "+tag@x"),
        ("bob", "bob"),
        ("", ""),
        ('""@x', "@x"),
    ],
)
def test_the_account(text: str, account: str) -> None:
    assert Address(text).account == account


def test_the_null_path() -> None:
    assert (Address(), Address().local, Address().domain, bool(Address())) == ("", "", "", False)


def test_copies_keep_everything() -> None:
    address = Address("a@XN--BCHER-KVA.example", "Name")
    for again in (copy.copy(address), copy.deepcopy(address), pickle.loads(pickle.dumps(address))):
        assert type(again) is Address
        assert (str(again), again.name, again.original) == (str(address), "Name", "a@XN--BCHER-KVA.example")


@given(st.text(max_size=40))
def test_any_text_has_one_form(text: str) -> None:
    once = normalize(text)
    assert isinstance(Address(text).account, str)
    assert normalize(once).count("@") == text.count("@")


def test_envelopes() -> None:
    one = Envelope(Address("a@x"), [Address("b@x"), Address("b@x")], {"SIZE": "7"}, [{"NOTIFY": "NEVER"}, {}])
    assert one == Envelope(Address("a@X"), (Address("b@x"), Address("b@x")), {"SIZE": "7"}, ({"NOTIFY": "NEVER"}, {}))
    assert one != Envelope(Address("a@x"), [Address("b@x")])
    assert one != "x"
    assert one.recipients == ("b@x", "b@x")
    assert Envelope(Address(), [Address("b@x")]).recipient_parameters == (NO_PARAMETERS,)
    assert repr(one) == "<Envelope a@x -> b@x, b@x>"
    with pytest.raises(TypeError):
        hash(one)
    with pytest.raises(TypeError):
        NO_PARAMETERS["X"] = "y"  # type: ignore[index]
