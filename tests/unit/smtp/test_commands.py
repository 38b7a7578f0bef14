"""Each command in each state: order, arguments, syntax."""

import pytest

STATES = {
    "fresh": [],
    "greeted": ["EHLO client.example"],
    "mail": ["EHLO client.example", "MAIL FROM:<a@x>"],
    "rcpt": ["EHLO client.example", "MAIL FROM:<a@x>", "RCPT TO:<b@x>"],
}

# state, command, beginning of the (last) reply
TABLE = [
    # EHLO and HELO: no enhanced status codes
    ("fresh", "EHLO", "501 Syntax: EHLO name"),
    ("fresh", "EHLO ", "501 Syntax: EHLO name"),
    ("fresh", "HELO", "501 Syntax: HELO name"),
    ("fresh", "HELO client.example", "250 mailtrap.test"),
    ("fresh", "HELO [192.0.2.1]", "250 mailtrap.test"),
    ("fresh", "EHLO [IPv6:2001:db8::1]", "250 HELP"),
    ("fresh", "ehlo client", "250 HELP"),
    ("fresh", "EHLO münchen.example", "501 Syntax"),
    ("fresh", "LHLO client", "500 5.5.1"),
    ("rcpt", "EHLO again", "250 HELP"),
    # the order of the envelope
    ("fresh", "MAIL FROM:<a@x>", "503 5.5.1"),
    ("fresh", "RCPT TO:<a@x>", "503 5.5.1"),
    ("fresh", "DATA", "503 5.5.1"),
    ("fresh", "BDAT 0 LAST", "503 5.5.1"),
    ("greeted", "RCPT TO:<a@x>", "503 5.5.1"),
    ("greeted", "DATA", "503 5.5.1"),
    ("greeted", "BDAT 0 LAST", "503 5.5.1"),
    ("mail", "MAIL FROM:<a@x>", "503 5.5.1"),
    ("mail", "DATA", "503 5.5.1"),
    ("rcpt", "MAIL FROM:<a@x>", "503 5.5.1"),
    ("rcpt", "AUTH PLAIN", "503 5.5.1"),
    # MAIL
    ("greeted", "MAIL", "501 5.5.4"),
    ("greeted", "MAIL FROM", "501 5.5.4"),
    ("greeted", "MAIL <a@x>", "501 5.5.4"),
    ("greeted", "MAIL TO:<a@x>", "501 5.5.4"),
    ("greeted", "MAIL FROM:", "501 5.1.7"),
    ("greeted", "MAIL FROM:<a@x", "501 5.1.7"),
    ("greeted", "MAIL FROM:<a b@x>", "501 5.1.7"),
    ("greeted", "MAIL FROM:<a@x> <b@x>", "501 5.5.4"),
    ("greeted", "MAIL FROM:Bob <a@x>", "501 5.5.4"),
    ("greeted", "MAIL FROM:<a@x>SIZE=1", "501 5.1.7"),
    ("greeted", "MAIL FROM:<a@x> SIZE=1 SIZE=1", "501 5.5.4"),
    ("greeted", "MAIL FROM:<a@x> SIZE=", "501 5.5.4"),
    ("greeted", "MAIL FROM:<a@x> =1", "501 5.5.4"),
    ("greeted", "MAIL FROM:<a@x> FOO=1", "555 5.5.4"),
    ("greeted", "MAIL FROM:<a@x> NOTIFY=NEVER", "555 5.5.4"),
    ("greeted", "MAIL FROM:<a@x>", "250 2.1.0"),
    ("greeted", "mail from:<a@x>", "250 2.1.0"),
    ("greeted", "MAIL FROM:<a@x>   ", "250 2.1.0"),
    ("greeted", "MAIL FROM: <a@x>", "250 2.1.0"),
    ("greeted", "MAIL FROM:a@x", "250 2.1.0"),
    ("greeted", "MAIL FROM:<>", "250 2.1.0"),
    ("greeted", "MAIL FROM:<müller@x>", "553 5.6.7"),
    ("greeted", "MAIL FROM:<müller@x> SMTPUTF8", "250 2.1.0"),
    ("greeted", "MAIL FROM:<a@müller.example> SMTPUTF8", "250 2.1.0"),
    # RCPT
    ("mail", "RCPT", "501 5.5.4"),
    ("mail", "RCPT <b@x>", "501 5.5.4"),
    ("mail", "RCPT FROM:<b@x>", "501 5.5.4"),
    ("mail", "RCPT TO:", "501 5.1.3"),
    ("mail", "RCPT TO:<>", "501 5.1.3"),
    ("mail", "RCPT TO:<b@>", "501 5.1.3"),
    ("mail", "RCPT TO:<@x>", "501 5.1.3"),
    ("mail", "RCPT TO:<b@x> NOTIFY=SOMETIMES", "501 5.5.4"),
    ("mail", "RCPT TO:<b@x> NOTIFY=NEVER,DELAY", "501 5.5.4"),
    ("mail", "RCPT TO:<b@x> SIZE=1", "555 5.5.4"),
    ("mail", "RCPT TO:<bü@x>", "553 5.6.7"),
    ("mail", "RCPT TO:<all>", "550 5.1.1"),
    ("mail", "RCPT TO:<b@x>", "250 2.1.5"),
    ("mail", "RCPT TO:<postmaster>", "250 2.1.5"),
    ("mail", "RCPT TO:<Postmaster>", "250 2.1.5"),
    ("mail", "RCPT TO:<b@x> NOTIFY=SUCCESS,failure ORCPT=rfc822;b+2Bc@x", "250 2.1.5"),
    # DATA
    ("rcpt", "DATA now", "501 5.5.4"),
    ("rcpt", "DATA", "354 "),
    ("rcpt", "data ", "354 "),
    # RSET, NOOP, QUIT
    ("fresh", "RSET", "250 2.0.0"),
    ("rcpt", "RSET", "250 2.0.0"),
    ("rcpt", "RSET all", "501 5.5.4"),
    ("fresh", "NOOP", "250 2.0.0"),
    ("fresh", "NOOP anything at all", "250 2.0.0"),
    ("rcpt", "NOOP", "250 2.0.0"),
    ("fresh", "QUIT now", "501 5.5.4"),
    ("fresh", "QUIT", "221 2.0.0"),
    ("rcpt", "QUIT", "221 2.0.0"),
    # VRFY, EXPN, HELP
    ("fresh", "VRFY", "501 5.5.4"),
    ("fresh", "VRFY bob@x", "252 2.0.0 <bob@x>"),
    ("fresh", "VRFY <bob@x>", "252 2.0.0 <bob@x>"),
    ("fresh", "VRFY bob", "252 2.0.0"),
    ("fresh", "VRFY @@", "501 5.1.3"),
    ("fresh", "VRFY bob smith", "501 5.5.4"),
    ("greeted", "VRFY bü@x", "553 5.6.7"),
    ("greeted", "VRFY bü@x SMTPUTF8", "252 2.0.0"),
    ("fresh", "EXPN staff", "502 5.5.1"),
    ("fresh", "HELP", "214 2.0.0"),
    ("fresh", "HELP MAIL", "214 2.0.0 Syntax: MAIL FROM:"),
    ("fresh", "HELP mail", "214 2.0.0 Syntax: MAIL FROM:"),
    ("fresh", "HELP WANTED", "504 5.5.4"),
    # STARTTLS is off by default
    ("greeted", "STARTTLS", "502 5.5.1"),
    # AUTH
    ("fresh", "AUTH PLAIN", "503 5.5.1"),
    ("greeted", "AUTH", "501 5.5.4"),
    ("greeted", "AUTH PLAIN a b", "501 5.5.4"),
    ("greeted", "AUTH NONSENSE", "504 5.5.4"),
    # what is no command
    ("fresh", "FOO", "500 5.5.2"),
    ("fresh", "", "500 5.5.2"),
    ("fresh", "MAILS FROM:<a@x>", "500 5.5.2"),
    ("fresh", "STAR TLS", "500 5.5.2"),
    ("fresh", "STARTTLSX", "500 5.5.2"),
    ("fresh", " NOOP", "500 5.5.2"),
    ("fresh", b"\xff\xfe\xfd\xfc", "500 5.5.2"),
    # octets that do not belong into a command
    ("greeted", b"MAIL FROM:<a\xff@x>", "500 5.5.2"),
    ("greeted", b"MAIL FROM:<a\0@x>", "501 5.5.2"),
    ("greeted", b"MAIL FROM:<a\r@x>", "501 5.5.2"),
    ("greeted", "NOOP \x85", "501 5.5.2"),
    ("greeted", "MAIL\tFROM:<a@x>", "250 2.1.0"),
]


@pytest.mark.parametrize(("state", "line", "reply"), TABLE, ids=lambda value: repr(value)[:40])
def test_reply(world, state, line, reply):
    client = world.open()
    client.say(*STATES[state])
    assert client.say(line)[-1].startswith(reply)
    assert world.errors == []
    assert (client.closed is not None) == reply.startswith("221")


@pytest.mark.parametrize("line", ["EHLO x", "HELO x", "RSET"])
def test_what_ends_a_transaction(world, line):
    client = world.open().begin()
    client.say(line)
    assert client.say("RCPT TO:<b@x>")[-1].startswith("503 5.5.1")
    assert client.say("MAIL FROM:<a@x>")[-1].startswith("250")


def test_a_failed_hello_changes_nothing(world):
    client = world.open().begin()
    client.say("EHLO")
    assert client.say("DATA") == ["354 End data with <CR><LF>.<CR><LF>"]


def test_parameters_after_helo_were_never_offered(world):
    client = world.open()
    client.say("HELO x")
    assert client.say("MAIL FROM:<a@x> SIZE=10")[0].startswith("555 5.5.4")
    assert client.say("MAIL FROM:<a@x>", "RCPT TO:<b@x> NOTIFY=NEVER")[1].startswith("555 5.5.4")


def test_nothing_behind_quit_is_looked_at(world):
    client = world.open().begin()
    assert client.send(b"QUIT\r\nDATA\r\nhello\r\n.\r\n") == b"221 2.0.0 Bye\r\n"
    assert world.messages == []


def test_strict_routing_refuses_at_rcpt_and_at_vrfy(make_world):
    world = make_world(routing="strict")
    client = world.open().hello()
    assert client.say("MAIL FROM:<a@x>", "RCPT TO:<nobody@x>")[1].startswith("550 5.1.1")
    assert client.say("DATA") == ["554 5.5.1 No valid recipients"]
    assert client.say("VRFY nobody@x")[0].startswith("550 5.1.1")
    assert client.say("VRFY postmaster") == ["250 2.1.5 <postmaster>"]
    (refusal,) = world.refused
    assert (refusal.stage, refusal.reply) == ("RCPT", "550 5.1.1 No such user here")
    assert refusal.envelope.mail_from == "a@x"
    assert list(refusal.envelope.recipients) == ["nobody@x"]


def test_too_many_recipients(make_world):
    world = make_world(max_recipients=2)
    client = world.open().begin("a@x", "b@x")
    assert client.say("RCPT TO:<c@x>")[0].startswith("452 4.5.3")
    client.say("DATA", "x", ".")
    assert len(world.messages[0].envelope.recipients) == 2


def test_a_thousand_recipients_duplicates_kept(world):
    names = [f"r{number % 900}@x" for number in range(1000)]
    client = world.open().begin(*names)
    assert client.say("DATA", ".")[-1] == "250 2.0.0 Ok: kept"
    assert list(world.messages[0].envelope.recipients) == names


def test_authentication_can_be_required(make_world):
    world = make_world(require_auth=True)
    client = world.open().hello()
    assert client.say("MAIL FROM:<a@x>") == ["530 5.7.0 Authentication required"]
    assert [refusal.stage for refusal in world.refused] == ["MAIL"]


def test_submission_requires_authentication_where_routing_is_strict(make_world):
    assert make_world().open("submission").hello().say("MAIL FROM:<a@x>")[0].startswith("250")
    strict = make_world(routing="strict")
    assert strict.open("submission").hello().say("MAIL FROM:<a@x>")[0].startswith("530 5.7.0")
    assert strict.open("smtp").hello().say("MAIL FROM:<a@x>")[0].startswith("250")


def test_the_scope_is_the_one_current_at_mail(world):
    client = world.open().hello()
    scope = world.scopes.open(world.scopes.root, "inner", {"max_recipients": 1})
    world.scopes.enter(scope)
    client.say("MAIL FROM:<a@x>", "RCPT TO:<b@x>")
    world.scopes.leave(scope)
    assert client.say("RCPT TO:<c@x>")[0].startswith("452")
    client.say("DATA", "late", ".", "MAIL FROM:<a@x>", "RCPT TO:<b@x>", "DATA", "x", ".")
    assert [row.scope for row in world.messages] == ["inner", ""]


def test_an_error_inside_is_reported_and_the_conversation_goes_on(world, monkeypatch):
    client = world.open().hello()
    failure = RuntimeError("boom")

    def broken(*arguments):
        raise failure

    monkeypatch.setattr(type(world.services.intake), "trusts", broken)
    assert client.say("MAIL FROM:<a@x>", "RCPT TO:<b@x>")[1] == "451 4.3.0 An error inside the server"
    assert world.errors == [failure]
    monkeypatch.undo()
    assert client.say("RCPT TO:<b@x>")[0].startswith("250")


def test_an_error_at_the_end_of_the_data_ends_the_transaction(world, monkeypatch):
    client = world.open().begin()

    def broken(*arguments):
        raise RuntimeError("boom")

    monkeypatch.setattr(type(world.services.intake), "submit", broken)
    assert client.say("DATA", "x", ".")[-1].startswith("451 4.3.0")
    assert client.say("DATA")[0].startswith("503")
    assert [refusal.stage for refusal in world.refused] == ["DATA"]
    assert list(world.refused[0].envelope.recipients) == ["bob@x.test"]


def test_somebody_waiting_for_a_command_hears_it_before_the_reply(world):
    heard = []
    end = world.services.commands.listen(lambda session, verb: heard.append((session, verb)))
    client = world.open().begin()
    end()
    client.say("RSET")
    assert heard == [(client.record, verb) for verb in ("EHLO", "MAIL", "RCPT")]


def test_the_record_knows_of_an_open_transaction(world):
    client = world.open().hello()
    assert not client.record.transaction
    client.say("MAIL FROM:<a@x>")
    assert client.record.transaction
    ended = []
    client.record.on_transaction_end(lambda: ended.append(True))
    client.say("RCPT TO:<b@x>", "DATA", "x", ".")
    assert ended == [True]
    assert not client.record.transaction


def test_silence_ends_with_421(make_world):
    world = make_world(smtp_timeout=7.0)
    client = world.open()
    assert client.session.timeout == 7.0
    assert client.session.expired().startswith(b"421 4.4.2 ")
