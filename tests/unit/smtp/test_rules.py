"""Fault rules at SMTP's seams."""

import pytest

from mailtrap.errors import ConfigError
from mailtrap.wire.steps import Delay


def test_a_rule_at_rcpt_refuses_this_recipient_so_many_times(world):
    rule = world.on("RCPT", recipient="bob@x").respond_with(450, "4.2.1 Mailbox busy", times=2)
    client = world.open().begin("alice@x")
    assert client.say(*["RCPT TO:<bob@x>"] * 3) == ["450 4.2.1 Mailbox busy"] * 2 + ["250 2.1.5 Ok"]
    assert rule.hits == 2
    client.say("DATA", "x", ".")
    assert list(world.messages[0].envelope.recipients) == ["alice@x", "bob@x"]
    assert [refusal.reply for refusal in world.refused] == ["450 4.2.1 Mailbox busy"] * 2
    assert list(world.refused[0].envelope.recipients) == ["alice@x", "bob@x"]


def test_a_rule_matches_the_sender_at_each_command(world):
    world.on("DATA", sender="evil@x").respond_with(554, "5.7.1 No")
    client = world.open().begin(sender="evil@x")
    assert client.say("DATA") == ["554 5.7.1 No"]
    assert client.say("hello")[0].startswith("500")  # the data is not awaited
    client = world.open().begin(sender="good@x")
    assert client.say("DATA")[0].startswith("354")


def test_a_command_that_a_rule_answered_was_not_carried_out(world):
    world.on("MAIL", times=1).respond_with(250, "2.1.0 As you like")
    client = world.open().hello()
    assert client.say("MAIL FROM:<a@x>", "RCPT TO:<b@x>") == ["250 2.1.0 As you like", "503 5.5.1 Send MAIL first"]


@pytest.mark.parametrize("verb", ["EHLO", "RSET", "NOOP", "QUIT", "VRFY", "STARTTLS"])
def test_every_command_can_be_answered(make_world, verb):
    world = make_world(starttls="offered")
    world.on(verb).respond_with(421, "4.3.2 Not now")
    client = world.open().hello()
    assert client.say(f"{verb} x" if verb in ("EHLO", "VRFY") else verb) == ["421 4.3.2 Not now"]
    assert client.closed is None


def test_the_connection_can_be_refused(world):
    world.on("CONNECT").respond_with(554, "5.3.2 No service")
    client = world.open()
    assert client.greeting == b"554 5.3.2 No service\r\n"
    assert client.closed is not None
    assert [refusal.stage for refusal in world.refused] == ["CONNECT"]


def test_at_the_end_of_the_data_a_mail_is_read_and_not_kept(world):
    world.on(".", recipient="bob@x.test").respond_with(554, "5.7.1 Spam")
    client = world.open().begin()
    assert client.say("DATA", "viagra", ".")[-1] == "554 5.7.1 Spam"
    assert world.messages == []
    assert [(refusal.stage, refusal.raw) for refusal in world.refused] == [("DATA", b"viagra\r\n")]


def test_the_reply_to_a_kept_mail_can_be_another(world):
    world.on("DATA", stage="reply").respond_with(451, "4.3.0 Try again", times=1)
    client = world.open().begin()
    assert client.say("DATA", "x", ".")[-1] == "451 4.3.0 Try again"
    assert len(world.messages) == 1
    assert b"S 250 2.0.0 Ok: kept" in world.messages[0].transcript
    assert "but the client was told: 451 4.3.0 Try again" in client.record.transcript
    assert world.refused == []


def test_disconnected_before_and_after_the_reply(world):
    world.on("DATA", stage="after").disconnect()
    client = world.open().begin()
    assert client.say("DATA", "x", ".")[-1] == "250 2.0.0 Ok: kept"
    assert client.closed.abort
    world.on("RCPT").disconnect(reset=True)
    client = world.open().hello()
    assert client.say("MAIL FROM:<a@x>", "RCPT TO:<b@x>") == ["250 2.1.0 Ok"]
    assert client.closed.reset


def test_delay_and_shape(world):
    world.on("NOOP").delay(3)
    client = world.open()
    assert client.say("NOOP") == ["250 2.0.0 Ok"]
    assert client.steps == [Delay(3.0)]


@pytest.mark.parametrize("stage", ["before", "reply", "after"])
@pytest.mark.parametrize("verb", ["NOOP", "DATA"])
def test_what_a_rule_raises_is_reported_like_a_bug(world, stage, verb):
    error = RuntimeError("a bug")
    world.on(verb, stage=stage, times=1).raise_(error)
    client = world.open().begin()
    replies = client.say("NOOP") if verb == "NOOP" else client.say("DATA", "x", ".")
    assert ("451 4.3.0 An error inside the server" in replies) == (stage != "after")
    assert world.errors == [error]
    assert client.closed is None


def test_a_reply_of_another_protocol_is_an_error(world):
    with pytest.raises(ConfigError, match="no reply of smtp"):
        world.on("NOOP").respond_with("NO", "never")


def test_bdat_is_answered_after_its_octets(world):
    world.on("BDAT").respond_with(452, "4.3.1 Full")
    client = world.open().begin()
    assert client.send(b"BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n") == b"452 4.3.1 Full\r\n250 2.0.0 Ok\r\n"
    assert [refusal.stage for refusal in world.refused] == ["BDAT"]
