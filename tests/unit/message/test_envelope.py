"""The envelope and its recipients."""

from mailtrap.message.address import Address
from mailtrap.message.envelope import Addresses, Envelope


def test_recipients_equal_a_list_and_a_tuple_of_the_same():
    recipients = Envelope(Address("a@x"), [Address("b@x"), Address("c@x")]).recipients
    assert recipients == ["b@x", "c@x"]
    assert ["b@x", "c@x"] == recipients  # noqa: SIM300  the reflected comparison
    assert recipients == ("b@x", "c@x")
    assert recipients != ["c@x", "b@x"]
    assert not recipients != ["b@x", "c@x"]  # noqa: SIM202  __ne__ is its own
    assert recipients != "b@x"
    assert hash(recipients) == hash(("b@x", "c@x"))
    assert Addresses() == []


def test_parameters_of_each_recipient_in_their_order():
    envelope = Envelope(Address(), [Address("b@x"), Address("b@x")], {"SIZE": "1"}, [{"NOTIFY": "NEVER"}, {}])
    assert [dict(parameters) for parameters in envelope.recipient_parameters] == [{"NOTIFY": "NEVER"}, {}]
    assert len(Envelope(Address(), [Address("b@x")]).recipient_parameters) == 1
    assert envelope == Envelope(Address(), [Address("b@x")] * 2, {"SIZE": "1"}, [{"NOTIFY": "NEVER"}, {}])
    assert envelope != Envelope(Address(), [Address("b@x")])
