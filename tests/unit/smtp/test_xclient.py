"""XCLIENT: a trusted proxy says whom it speaks for."""

import pytest

from mailtrap.hookspecs import Refuse, hookimpl

PROXY = {"trusted_proxies": ["192.0.2.0/24"]}  # the test client's address is in it
GREETING = "220 mailtrap.test ESMTP ready"


@pytest.fixture
def client(make_world):
    return make_world(**PROXY).open().hello()


def test_it_is_offered_to_trusted_peers_alone(make_world):
    line = "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT"
    assert line in make_world(**PROXY).open().say("EHLO x")
    assert line in make_world(trusted_proxies=["2001:db8::/32", "192.0.2.1"]).open().say("EHLO x")
    for world in (make_world(), make_world(trusted_proxies=["192.0.2.2"]), make_world(trusted_proxies=["unix"])):
        client = world.open()
        assert line not in client.say("EHLO x")
        assert client.say("XCLIENT ADDR=203.0.113.9") == ["550 5.7.0 XCLIENT is for trusted proxies"]
        assert client.record.peer == ("192.0.2.1", 4711)
        assert [refusal.stage for refusal in world.refused] == ["XCLIENT"]
    gone = make_world(**PROXY, smtp_extensions={"-XCLIENT"}).open()
    assert line not in gone.say("EHLO x")


def test_the_conversation_begins_anew(client):
    client.say("AUTH PLAIN AGJvYgBwdw==")
    assert client.session.user == "bob"
    assert client.say("XCLIENT NAME=spike.example ADDR=203.0.113.9 PORT=25001") == [GREETING]
    assert client.record.peer == ("203.0.113.9", 25001)
    assert (client.session.user, client.record.user, client.record.helo) == (None, None, None)
    assert client.say("MAIL FROM:<a@x>")[0].startswith("503 5.5.1")
    assert "250-XCLIENT" in client.say("EHLO x")[-3][:11]  # still: its address is not the one it spoke of
    client.say("MAIL FROM:<a@x>", "RCPT TO:<b@x>", "DATA", "x", ".")
    assert len(client.world.messages) == 1


def test_helo_protocol_and_login_are_taken_over(client):
    assert client.say("xclient helo=host+2Eexample Proto=esmtp LOGIN=Bob+40x.test ADDR=IPV6:2001:DB8::9") == [GREETING]
    assert client.record.helo == client.session.helo == "host.example"
    assert client.session.extended
    assert (client.record.user, client.record.mechanism, client.session.user) == ("Bob@x.test", "XCLIENT", "Bob@x.test")
    assert client.record.peer == ("2001:db8::9", 4711)
    assert client.say("MAIL FROM:<a@x> SIZE=1", "AUTH PLAIN")[0] == "250 2.1.0 Ok"
    client.say("RSET", "XCLIENT PROTO=SMTP HELO=old.example")
    assert (client.session.extended, client.session.user) == (False, None)
    assert client.say("MAIL FROM:<a@x> SIZE=1")[0].startswith("555")


@pytest.mark.parametrize("nothing", ["[UNAVAILABLE]", "[tempunavail]", ""])
def test_what_is_not_available(client, nothing):
    names = ("NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT")
    assert client.say("XCLIENT " + " ".join(f"{name}={nothing}" for name in names)) == [GREETING]
    assert client.record.peer == ("unknown", 0)
    assert (client.session.helo, client.session.user) == (None, None)


@pytest.mark.parametrize(
    "argument",
    [
        "", "ADDR", "COLOUR=red", "ADDR=nowhere", "ADDR=203.0.113.256", "ADDR=IPV6:203.0.113.9", "ADDR=fe80::1+25eth0",
        "PORT=65536", "PORT=-1", "PORT=x", "PORT=٣", "NAME=a+0Ab", "NAME=a+zz", "NAME=a<b>", "NAME=" + "x" * 256,
        "HELO=a+0D+0Ab", "HELO=" + "x" * 256, "HELO=+C3+BC", "PROTO=LMTP", "LOGIN=a+00b", "DESTADDR=x", "DESTPORT=x",
        "ADDR=203.0.113.9 PORT=x",
    ],
)  # fmt: skip
def test_what_it_cannot_say(client, argument):
    assert client.say(f"XCLIENT {argument}")[0].startswith("501 5.5.4")
    assert client.record.peer == ("192.0.2.1", 4711)
    assert client.session.helo == "client.example"


def test_not_within_a_mail(client):
    client.say("MAIL FROM:<a@x>")
    assert client.say("XCLIENT ADDR=203.0.113.9") == ["503 5.5.1 XCLIENT is not possible in a transaction"]
    assert client.say("RCPT TO:<b@x>")[0].startswith("250")


def test_rules_see_the_new_peer(make_world):
    world = make_world(**PROXY)
    world.on("CONNECT", peer="203.0.113.9").respond_with(554, "5.7.1 Not you")
    client = world.open().hello()
    assert client.say("XCLIENT ADDR=203.0.113.8") == [GREETING]
    assert client.say("XCLIENT ADDR=203.0.113.9") == ["554 5.7.1 Not you"]
    assert client.closed is not None
    assert [refusal.reply for refusal in world.refused] == ["554 5.7.1 Not you"]


def test_a_plugin_may_refuse_the_login(make_world):
    class Plugin:
        @hookimpl
        def mailtrap_before_login(self, session, user, mechanism):
            return Refuse(535, f"5.7.8 no {user} by {mechanism}")

    client = make_world(Plugin(), **PROXY).open().hello()
    assert client.say("XCLIENT LOGIN=bob") == ["535 5.7.8 no bob by XCLIENT"]
    assert client.session.user is None


def test_it_speaks_lmtp_too_and_comes_before_starttls(make_world):
    client = make_world(**PROXY, starttls="required").open("lmtp").hello()
    assert client.say("XCLIENT ADDR=203.0.113.9") == ["220 mailtrap.test LMTP ready"]
    assert client.say("HELP XCLIENT")[0].startswith("530")
