"""What EHLO offers, what a setting takes away, and the parameters it brings."""

import pytest

from mailtrap import clock
from mailtrap.smtp.extensions import MAX_HOLD, TABLE
from mailtrap.store.rows import Key

DEFAULT = [
    "250-mailtrap.test", "250-PIPELINING", "250-SIZE 52428800", "250-8BITMIME", "250-SMTPUTF8",
    "250-ENHANCEDSTATUSCODES", "250-CHUNKING", "250-BINARYMIME", "250-DSN", "250-AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER",
    "250-LIMITS RCPTMAX=1000", "250-VRFY", "250 HELP",
]  # fmt: skip


def test_the_default_offer(world):
    assert world.open().say("EHLO x") == DEFAULT


def keywords(client):
    return [line[4:].split()[0] for line in client.say("EHLO x")[1:]]


@pytest.mark.parametrize(
    "keyword", [row.keyword for row in TABLE if row.default and row.keyword not in ("STARTTLS", "REQUIRETLS")]
)
def test_each_keyword_can_be_taken_away(make_world, keyword):
    gone = {row.keyword for row in TABLE if keyword in (row.keyword, *row.needs)}
    world = make_world(smtp_extensions={f"-{keyword}"})
    assert keywords(world.open()) == [line[4:].split()[0] for line in DEFAULT[1:] if line[4:].split()[0] not in gone]


def test_a_keyword_can_be_added(make_world):
    client = make_world(smtp_extensions={"+EXPN", "-vrfy"}).open()
    assert "EXPN" in keywords(client)
    assert client.say("EXPN bob@x") == ["250 2.1.5 <bob@x>"]
    assert client.say("VRFY bob@x")[0].startswith("502 5.5.1")


@pytest.mark.parametrize(
    ("keyword", "mail", "rcpt"),
    [
        ("SIZE", "SIZE=1", ""),
        ("8BITMIME", "BODY=8BITMIME", ""),
        ("SMTPUTF8", "SMTPUTF8", ""),
        ("DSN", "RET=FULL", ""),
        ("DSN", "ENVID=x", ""),
        ("AUTH", "AUTH=<>", ""),
        ("DSN", "", "NOTIFY=NEVER"),
        ("DSN", "", "ORCPT=rfc822;b@x"),
    ],
)
def test_a_parameter_that_is_not_offered_gets_555(make_world, keyword, mail, rcpt):
    for world, code in ((make_world(), "250"), (make_world(smtp_extensions={f"-{keyword}"}), "555 5.5.4")):
        client = world.open().hello()
        reply = client.say(f"MAIL FROM:<a@x> {mail}", f"RCPT TO:<b@x> {rcpt}")[0 if mail else 1]
        assert reply.startswith(code)


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        ("SIZE=1000", "250"), ("SIZE=1001", "552 5.3.4"), ("SIZE=-1", "501"), ("SIZE=x", "501"), ("SIZE", "501"),
        ("SIZE=99999999999999999999", "552"), ("SIZE=999999999999999999999", "501"), ("SIZE=٣", "501"),
        ("BODY=7BIT", "250"), ("BODY=8bitmime", "250"), ("BODY=BINARYMIME", "250"), ("BODY=9BIT", "501"),
        ("BODY", "501"),
        ("SMTPUTF8", "250"), ("SMTPUTF8=1", "501"),
        ("RET=full", "250"), ("RET=HDRS", "250"), ("RET=NO", "501"), ("RET", "501"),
        ("ENVID=QQ314159", "250"), ("ENVID=a+2Bb", "250"), ("ENVID=a+2bb", "501"), ("ENVID=a+0Ab", "501"),
        ("ENVID=" + "x" * 100, "250"), ("ENVID=" + "x" * 101, "501"), ("ENVID", "501"),
        ("AUTH=<>", "250"), ("AUTH=e+3Dmc2@example.com", "250"), ("AUTH=nobody", "501"), ("AUTH", "501"),
        ("AUTH=a+zz@x", "501"), ("AUTH=<e+3Dmc2@example.com>", "250"), ("AUTH=<nobody>", "501"),
        ("AUTH=<<a@x>>", "501"),
    ],
)  # fmt: skip
def test_parameters_of_mail(make_world, parameter, code):
    client = make_world(max_message_size=1000).open().hello()
    assert client.say(f"MAIL FROM:<a@x> {parameter}")[0].startswith(code)


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        ("NOTIFY=NEVER", "250"), ("NOTIFY=never", "250"), ("NOTIFY=SUCCESS,FAILURE,DELAY", "250"), ("NOTIFY=", "501"),
        ("NOTIFY=SUCCESS,SUCCESS", "501"), ("NOTIFY=SUCCESS,", "501"), ("NOTIFY", "501"),
        ("ORCPT=rfc822;Bob+2B1@example.com", "250"), ("ORCPT=bob@x", "501"), ("ORCPT=rfc822;", "501"),
        ("ORCPT=rfc822;b+zz@x", "501"), ("ORCPT=rfc822;" + "b" * 500, "501"),
        ("ORCPT=utf-8;b\\x{FC}@x", "250"), ("ORCPT=utf-8;bü@x", "501"), ("ORCPT", "501"),
    ],
)  # fmt: skip
def test_parameters_of_rcpt(world, parameter, code):
    client = world.open().hello()
    assert client.say("MAIL FROM:<a@x>", f"RCPT TO:<b@x> {parameter}")[1].startswith(code)


def test_utf8_in_orcpt_needs_smtputf8(world):
    client = world.open().hello()
    client.say("MAIL FROM:<a@x> SMTPUTF8")
    assert client.say("RCPT TO:<bü@x> ORCPT=utf-8;bü@x")[0].startswith("250")


def test_parameters_are_kept_as_they_came(world):
    client = world.open().hello()
    client.say("MAIL FROM:<a@x> size=5 Body=8bitMime ret=hdrs ENVID=Qq+2B AUTH=Bob@x SMTPUTF8")
    client.say("RCPT TO:<b@x> notify=Success,delay ORCPT=rfc822;B@X", "RCPT TO:<c@x>", "DATA", "x", ".")
    envelope = world.messages[0].envelope
    assert dict(envelope.mail_parameters) == {
        "SIZE": "5", "BODY": "8bitMime", "RET": "hdrs", "ENVID": "Qq+2B", "AUTH": "Bob@x", "SMTPUTF8": None,
    }  # fmt: skip
    assert [dict(one) for one in envelope.recipient_parameters] == [
        {"NOTIFY": "Success,delay", "ORCPT": "rfc822;B@X"},
        {},
    ]


def test_a_limit_of_nothing_is_no_limit(make_world):
    client = make_world(max_message_size=0).open()
    assert "250-SIZE 0" in client.say("EHLO x")
    client.say("MAIL FROM:<a@x> SIZE=99999999999", "RCPT TO:<b@x>", "DATA")
    assert client.send(b"x" * 100_000 + b"\r\n.\r\n").startswith(b"250 2.0.0")


def test_without_enhanced_status_codes(make_world):
    client = make_world(smtp_extensions={"-ENHANCEDSTATUSCODES"}).open().begin()
    assert client.say("NOOP", "FOO", "RSET") == ["250 Ok", "500 Unknown command", "250 Ok"]
    client.begin()
    assert client.say("DATA", "x", ".")[-1] == "250 Ok: kept"


def test_every_reply_has_an_enhanced_code_but_greeting_and_hello(world):
    client = world.open()
    for line in ("FOO", "NOOP", "MAIL", "RCPT", "DATA", "VRFY a", "HELP", "HELP x", "RSET", "RSET 1", "AUTH", "EXPN"):
        for reply in client.say(line):
            assert reply[4:].split()[0].startswith(f"{reply[0]}."), reply


def test_the_keyword_is_not_offered_to_helo(world):
    assert world.open().say("HELO x") == ["250 mailtrap.test"]


@pytest.mark.parametrize("mode", ["offered", "required"])
def test_starttls_forgets_what_was_said(make_world, mode):
    world = make_world(starttls=mode, auth_before_tls=True)
    client = world.open()
    offer = client.say("EHLO before")
    assert "250-STARTTLS" in offer
    assert any("AUTH" in line for line in offer) == (mode == "offered")
    assert client.say("STARTTLS now")[0].startswith("501")
    # what is sent behind STARTTLS, in clear, is never carried out (RFC 3207, 4.2)
    assert client.send(b"STARTTLS\r\nMAIL FROM:<evil@x>\r\n") == b"220 2.0.0 Ready to start TLS\r\n"
    assert client.say("MAIL FROM:<a@x>")[0].startswith("503")
    assert client.record.helo is None
    offer = client.say("EHLO after")
    assert "250-STARTTLS" not in offer
    assert any(line.startswith("250-AUTH PLAIN") for line in offer)
    assert client.say("STARTTLS")[0].startswith("503 5.5.1")
    assert client.record.tls.version == "TLSv1.3"
    assert client.say("MAIL FROM:<a@x>")[0].startswith("250")


def test_required_starttls_comes_before_nearly_everything(make_world):
    world = make_world(starttls="required")
    client = world.open()
    for line in ("MAIL FROM:<a@x>", "RCPT TO:<a@x>", "DATA", "RSET", "VRFY a", "HELP", "AUTH PLAIN", "HELO x"):
        assert client.say(line) == ["530 5.7.0 Send STARTTLS first"], line
    assert client.say("NOOP")[0].startswith("250")
    assert client.say("EHLO x")[-1].startswith("250 ")
    assert [refusal.stage for refusal in world.refused] == ["MAIL", "RCPT", "DATA", "AUTH"]
    assert client.say("QUIT")[0].startswith("221")
    secure = world.open(implicit_tls=True)
    assert "250-STARTTLS" not in secure.say("EHLO x")
    assert secure.say("MAIL FROM:<a@x>")[0].startswith("250")


RELAYS = {"+DELIVERBY", "+FUTURERELEASE", "+MT-PRIORITY"}


@pytest.fixture
def noon(monkeypatch):
    monkeypatch.setattr(clock, "now", lambda: 1_800_000_000.0)  # 2027-01-15T08:00:00Z


def test_what_is_asked_of_a_relay_is_offered_where_it_was_added(make_world, noon):
    lines = make_world(smtp_extensions=RELAYS).open().say("EHLO x")
    assert [line for line in lines if line[4:].split()[0] in ("DELIVERBY", "FUTURERELEASE", "MT-PRIORITY")] == [
        "250-DELIVERBY", "250-FUTURERELEASE 31622400 2028-01-17T00:00:00Z", "250-MT-PRIORITY",
    ]  # fmt: skip
    assert not {"DELIVERBY", "FUTURERELEASE", "MT-PRIORITY"} & set(keywords(make_world().open()))


@pytest.mark.parametrize(
    ("parameter", "code"),
    [
        ("BY=120;R", "250"), ("BY=120;n", "250"), ("BY=120;rt", "250"), ("BY=-30;N", "250"), ("BY=0;NT", "250"),
        ("BY=+120;R", "250"), ("BY=999999999;R", "250"),
        ("BY", "501"), ("BY=120", "501"), ("BY=120;X", "501"), ("BY=0;R", "501"), ("BY=-1;R", "501"),
        ("BY=+0;RT", "501"), ("BY=1000000000;N", "501"), ("BY=;N", "501"), ("BY=1;T", "501"), ("BY=٣;N", "501"),
        ("HOLDFOR=1", "250"), (f"HOLDFOR={MAX_HOLD}", "250"), (f"HOLDFOR={MAX_HOLD + 1}", "501"), ("HOLDFOR", "501"),
        ("HOLDFOR=0", "501"), ("HOLDFOR=-1", "501"), ("HOLDFOR=01", "501"), ("HOLDFOR=1.5", "501"),
        ("HOLDFOR=9999999999", "501"),
        ("HOLDUNTIL=2027-06-01T12:00:00Z", "250"), ("HOLDUNTIL=2027-06-01t12:00:00.25z", "250"),
        ("HOLDUNTIL=2027-06-01T12:00:00+02:00", "250"), ("HOLDUNTIL=2020-01-01T00:00:00Z", "250"),
        ("HOLDUNTIL=2028-01-17T00:00:00Z", "250"), ("HOLDUNTIL=2028-01-17T00:00:01Z", "501"),
        ("HOLDUNTIL=2027-02-30T12:00:00Z", "501"), ("HOLDUNTIL=2027-06-01T12:00:00", "501"),
        ("HOLDUNTIL=2027-06-01", "501"), ("HOLDUNTIL=tomorrow", "501"), ("HOLDUNTIL", "501"),
        ("HOLDUNTIL=0001-01-01T00:00:00+23:59", "250"), ("HOLDUNTIL=9999-12-31T23:59:59-23:59", "501"),
        ("HOLDFOR=5 HOLDUNTIL=2027-06-01T12:00:00Z", "501"), ("HOLDUNTIL=2027-06-01T12:00:00Z HOLDFOR=5", "501"),
        ("MT-PRIORITY=0", "250"), ("MT-PRIORITY=9", "250"), ("MT-PRIORITY=-9", "250"), ("MT-PRIORITY=10", "501"),
        ("MT-PRIORITY=-0", "501"), ("MT-PRIORITY=+3", "501"), ("MT-PRIORITY", "501"), ("MT-PRIORITY=x", "501"),
    ],
)  # fmt: skip
def test_parameters_that_ask_something_of_a_relay(make_world, noon, parameter, code):
    client = make_world(smtp_extensions=RELAYS).open().hello()
    reply = client.say(f"MAIL FROM:<a@x> {parameter}")[0]
    assert reply.startswith(code)
    assert code == "250" or reply.startswith("501 5.5.4")


@pytest.mark.parametrize(
    "parameter", ["BY=120;R", "HOLDFOR=5", "HOLDUNTIL=2027-06-01T12:00:00Z", "MT-PRIORITY=3", "REQUIRETLS"]
)
def test_they_are_unknown_where_they_are_not_offered(world, parameter):
    client = world.open().hello()
    assert client.say(f"MAIL FROM:<a@x> {parameter}")[0].startswith("555 5.5.4")
    (refusal,) = world.refused
    assert (refusal.stage, list(refusal.envelope.mail_parameters)) == ("MAIL", [parameter.partition("=")[0]])
    client.say("MAIL FROM:<a@x>")
    assert client.say(f"RCPT TO:<b@x> {parameter}")[0].startswith("555 5.5.4")


def test_they_are_kept_as_they_came(make_world):
    client = make_world(smtp_extensions=RELAYS).open(implicit_tls=True).hello()
    client.say("MAIL FROM:<a@x> By=+0120;rT holdfor=60 mt-priority=-3 RequireTLS", "RCPT TO:<b@x>", "DATA", "x", ".")
    assert dict(client.world.messages[0].envelope.mail_parameters) == {
        "BY": "+0120;rT", "HOLDFOR": "60", "MT-PRIORITY": "-3", "REQUIRETLS": None,
    }  # fmt: skip


def test_requiretls_is_offered_under_tls_only(make_world):
    world = make_world(starttls="offered")
    client = world.open()
    assert "REQUIRETLS" not in keywords(client)
    assert client.say("MAIL FROM:<a@x> REQUIRETLS")[0].startswith("555 5.5.4")
    client.send(b"STARTTLS\r\n")
    assert "REQUIRETLS" in keywords(client)
    assert client.say("MAIL FROM:<a@x> REQUIRETLS=1", "MAIL FROM:<a@x> REQUIRETLS") == [
        "501 5.5.4 REQUIRETLS has no value", "250 2.1.0 Ok",
    ]  # fmt: skip
    without = make_world(smtp_extensions={"-REQUIRETLS"}).open(implicit_tls=True)
    assert "REQUIRETLS" not in keywords(without)
    assert without.say("MAIL FROM:<a@x> REQUIRETLS")[0].startswith("555 5.5.4")


def test_lmtp_holds_nothing_for_the_future(make_world):
    client = make_world(smtp_extensions=RELAYS).open("lmtp")
    offered = [line[4:].split()[0] for line in client.say("LHLO x")]
    assert "DELIVERBY" in offered
    assert "FUTURERELEASE" not in offered
    assert client.say("MAIL FROM:<a@x> HOLDFOR=5")[0].startswith("555 5.5.4")


def test_vrfy_says_what_rcpt_would(make_world):
    world = make_world(routing="strict", local_domains=["x.test"], smtp_extensions={"+EXPN"})
    world.store.put_account(Key("", "bob@x.test"), declared=True)
    client = world.open()
    assert client.say("VRFY Bob+tag@x.test", "VRFY eve@x.test", "VRFY eve@far.example", "VRFY all") == [
        "250 2.1.5 <Bob+tag@x.test>", "550 5.1.1 <eve@x.test> is not known here", "252 2.0.0 <eve@far.example>",
        "550 5.1.1 <all> is not known here",
    ]  # fmt: skip
    assert client.say("EXPN bob@x.test", "EXPN eve@x.test") == [
        "250 2.1.5 <bob@x.test>", "550 5.1.1 <eve@x.test> is not known here",
    ]  # fmt: skip


def test_help_tells_of_what_is_there(make_world):
    def verbs(client):
        return client.say("HELP")[-1].removeprefix("214 2.0.0 ").split()

    assert verbs(make_world().open().hello()) == [
        "EHLO", "HELO", "AUTH", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "VRFY", "HELP", "QUIT",
    ]  # fmt: skip
    world = make_world(smtp_extensions={"+EXPN", "-VRFY", "-CHUNKING"}, starttls="offered")
    client = world.open("lmtp").hello()
    assert verbs(client) == [
        "LHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "EXPN", "HELP", "QUIT",
    ]  # fmt: skip
    assert client.say("HELP VRFY")[0].startswith("504 5.5.4")
    assert client.say("HELP EXPN") == ["214 2.0.0 Syntax: EXPN address"]
    gone = make_world(smtp_extensions={"-HELP"}).open()
    assert gone.say("HELP")[0].startswith("502 5.5.1")
