"""POP3 under fault rules, at its limits, with input of any kind and in any pieces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailtrap import limits
from mailtrap.message.structure import served
from mailtrap.wire.steps import Call, Close, Delay

LOGIN = b"USER bob@example.com\r\nPASS pw\r\n"


def rule(world, command, **options):
    """A rule of the first scope."""
    match = {name: options.pop(name) for name in ("user", "mailbox", "peer") if name in options}
    return world.rules.add(world.root, "pop3", command, match=match, **options)


# ---------------------------------------------------------------- capabilities


def lines(client) -> list[str]:
    status, *rest, dot = client.say("CAPA").decode().splitlines()
    assert status.startswith("+OK")
    assert dot == "."
    return rest


def test_capabilities_in_both_states(world):
    client = world.connect()
    before = lines(client)
    client.say("USER bob@example.com", "PASS pw")
    assert before == lines(client) == [
        "TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "USER", "SASL PLAIN LOGIN XOAUTH2 OAUTHBEARER",
        "UTF8 USER", "LANG", "EXPIRE NEVER", "LOGIN-DELAY 0", "IMPLEMENTATION Mailtrap",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("TOP", "TOP 1 0"), ("UIDL", "UIDL"), ("LANG", "LANG"), ("UTF8", "UTF8"), ("USER", "USER bob"),
        ("USER", "PASS pw"), ("SASL", "AUTH"), ("CAPA", "CAPA"), ("STLS", "STLS"),
    ],
)  # fmt: skip
def test_what_is_not_offered_is_not_known(make_world, name, command):
    world = make_world(pop3_capabilities=[f"-{name.lower()}"], starttls="offered")
    client = world.connect()
    if name != "CAPA":
        assert name not in [line.split()[0] for line in lines(client)]
    assert client.say(command) == b"-ERR Unknown command\r\n"


def test_a_capability_can_be_claimed(make_world):
    client = make_world(pop3_capabilities=["+X-SPECIAL 7", "+TOP", "-EXPIRE"]).connect()
    assert lines(client)[-1] == "X-SPECIAL 7"
    assert lines(client).count("TOP") == 1
    assert "EXPIRE NEVER" not in lines(client)


# ---------------------------------------------------------------- fault rules


@pytest.mark.parametrize(
    ("reply", "text", "said"),
    [
        ("-ERR", "[SYS/TEMP] later", b"-ERR [SYS/TEMP] later\r\n"),
        ("+OK", "fine", b"+OK fine\r\n"),
        (450, "4.2.1 busy", b"-ERR 4.2.1 busy\r\n"),
        ("NO", "", b"-ERR\r\n"),
    ],
)
def test_a_rule_answers_instead_of_doing(world, reply, text, said):
    world.put(b"x\r\n")
    client = world.login()
    with rule(world, "DELE").respond_with(reply, text, times=1) as acted:
        assert client.say("DELE 1") == said
        assert acted.hits == 1
        assert client.say("STAT") == b"+OK 1 3\r\n"
        assert client.say("DELE 1").startswith(b"+OK Message 1")


def test_a_rule_may_answer_after_it_was_done(world):
    world.put(b"x\r\n")
    client = world.login()
    rule(world, "DELE", stage="reply").respond_with("-ERR", "lost")
    assert client.say("DELE 1") == b"-ERR lost\r\n"
    assert client.say("STAT") == b"+OK 0 0\r\n"


@pytest.mark.parametrize("stage", ["before", "reply"])
@pytest.mark.parametrize("command", ["RETR 1", "LIST", "UIDL", "TOP 1 1", "CAPA"])
def test_a_yes_of_a_rule_ends_where_the_client_expects_it(world, stage, command):
    world.put(b"x\r\n")
    client = world.login()
    rule(world, command.split()[0], stage=stage).respond_with("+OK", "empty", times=1)
    assert client.say(command) == b"+OK empty\r\n.\r\n"
    rule(world, command.split()[0], stage=stage).respond_with("-ERR", "no")
    assert client.say(command) == b"-ERR no\r\n"


def test_a_rule_knows_who_and_where(world):
    rule(world, "PASS", user="carol@example.com").respond_with("-ERR", "not carol")
    rule(world, "NOOP", user="bob@example.com", mailbox="INBOX").respond_with("-ERR", "not bob")
    assert world.connect().say("USER carol@example.com", "PASS x").endswith(b"-ERR not carol\r\n")
    client = world.login()
    assert client.say("NOOP") == b"-ERR not bob\r\n"
    assert world.login("dave@example.com").say("NOOP") == b"+OK Nothing done\r\n"


def test_a_rule_at_the_greeting(world):
    with rule(world, "CONNECT").respond_with("-ERR", "[SYS/TEMP] too busy"):
        client = world.connect()
    assert client.greeting == b"-ERR [SYS/TEMP] too busy\r\n"
    assert client.closed is not None
    assert [(refusal.stage, refusal.reply) for refusal in world.root.refused] == [
        ("CONNECT", "-ERR [SYS/TEMP] too busy")
    ]
    with rule(world, "CONNECT").respond_with("+OK", "another server"):
        client = world.connect()
    assert client.greeting == b"+OK another server\r\n"
    assert client.say("NOOP") == b"-ERR Not before the login\r\n"


def test_a_rule_may_add_a_command(world):
    rule(world, "XTND").respond_with("+OK", "extended")
    assert world.connect().say("XTND XMIT") == b"+OK extended\r\n"


def test_delays_and_functions_come_before_the_reply(world):
    client = world.login()
    called = []
    rule(world, "NOOP").delay(0.5).run(lambda: called.append("ran"))
    client.steps.clear()
    assert client.say("NOOP") == b"+OK Nothing done\r\n"
    delay, call = client.steps
    assert delay == Delay(0.5)
    assert isinstance(call, Call)
    assert call.worker
    assert called == ["ran"]


@pytest.mark.parametrize(
    ("stage", "said"), [("before", b""), ("reply", b""), ("after", b"+OK Message 1 marked as deleted\r\n")]
)
def test_a_rule_that_disconnects(world, stage, said):
    world.put(b"x\r\n")
    client = world.login()
    rule(world, "DELE", stage=stage).disconnect(reset=True)
    assert client.say("DELE 1") == said
    assert client.closed == Close(abort=True, reset=True)
    client.hang_up()
    assert world.login().say("STAT") == b"+OK 1 3\r\n"
    assert world.errors == []


@pytest.mark.parametrize("stage", ["before", "reply"])
def test_a_rule_that_raises_is_an_error_of_the_server(world, stage):
    client = world.login()
    error = ZeroDivisionError("secret detail")
    rule(world, "NOOP", stage=stage).raise_(error)
    assert client.say("NOOP") == b"-ERR [SYS/TEMP] Something went wrong in the server\r\n"
    assert world.errors == [error]
    assert client.say("STAT") == b"+OK 0 0\r\n"


def test_an_error_after_quit_was_carried_out_does_not_bring_the_maildrop_back(world):
    world.put(b"x\r\n")
    client = world.login()
    rule(world, "QUIT", stage="reply").raise_(ZeroDivisionError())
    assert client.say("DELE 1", "QUIT").endswith(b"-ERR [SYS/TEMP] Something went wrong in the server\r\n")
    assert client.say("STAT") == b"-ERR Not before the login\r\n"
    assert world.login().say("STAT") == b"+OK 0 0\r\n"


def test_who_waits_for_a_command_hears_it_before_the_reply(world):
    heard = []
    client = world.connect()
    end = world.commands.listen(lambda session, verb: heard.append((session, verb, bytes(client.out))))
    client.say("capa", "user bob@example.com", "PASS pw", "XYZZY")
    assert [verb for _, verb, _ in heard] == ["CAPA", "USER", "PASS", "XYZZY"]
    assert {session for session, _, _ in heard} == {client.record}
    assert heard[0][2] == b""
    end()
    client.say("NOOP")
    assert len(heard) == 4


# ---------------------------------------------------------------- limits


def test_the_tenth_unknown_command_in_a_row_ends_it(world):
    client = world.connect()
    for _ in range(9):
        assert client.say("XYZZY") == b"-ERR Unknown command\r\n"
    client.say("CAPA")
    for _ in range(9):
        assert client.say("XYZZY") == b"-ERR Unknown command\r\n"
    assert client.closed is None
    assert client.say("XYZZY") == b"-ERR Too many unknown commands\r\n"
    assert client.closed is not None


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /a?b HTTP/1.0\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT mail:25 HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"\x16",
    ],
)
def test_another_protocol_ends_it_at_once(world, first):
    client = world.connect()
    assert client.send(first) == b"-ERR This is a POP3 server\r\n"
    assert client.closed is not None
    assert "another protocol" in client.record.transcript


def test_http_later_is_an_unknown_command(world):
    client = world.connect()
    client.say("CAPA")
    assert client.say("GET / HTTP/1.1") == b"-ERR Unknown command\r\n"


def test_lines_over_the_limits(world):
    client = world.login()
    assert client.say("NOOP " + " " * (limits.POP3_LINE - 7)) == b"+OK Nothing done\r\n"
    assert client.say("NOOP " + " " * (limits.POP3_LINE - 6)) == b"-ERR The line is too long\r\n"
    assert client.say("STAT") == b"+OK 0 0\r\n"
    assert client.send(b"x" * (limits.POP3_LINE_END + 1)) == b"-ERR The line is too long\r\n"
    assert client.closed is not None


# ---------------------------------------------------------------- pieces and garbage

DIALOGUE = (
    LOGIN
    + b"CAPA\r\nSTAT\r\nLIST\r\nUIDL 1\r\nRETR 1\r\nTOP 2 1\r\nDELE 2\r\nXYZZY\r\n" + b"y" * 13_000
    + b"\r\nRETR 2\nRSET\r\nLIST 9\r\nAUTH PLAIN\r\nDELE 1\r\nQUIT\r\nSTAT\r\n"
)  # fmt: skip


def converse(make_world, *pieces: bytes) -> tuple[bytes, int]:
    world = make_world()
    for raw in (b"Subject: 1\r\n\r\n.a\r\n", b"Subject: 2\n\nb\nc\n"):
        world.put(raw)
    client = world.connect()
    out = b"".join(client.send(piece) for piece in pieces if client.closed is None)
    assert client.closed is not None
    assert world.errors == []
    return out, world.store.status(world.mailbox().id).messages


def test_an_octet_at_a_time_is_as_all_at_once(make_world):
    whole = converse(make_world, DIALOGUE)
    assert whole[1] == 1
    assert whole[0].endswith(b"+OK Bye, 1 messages removed\r\n")
    assert b"STAT" not in whole[0]
    in_octets, left = converse(make_world, *[DIALOGUE[i : i + 1] for i in range(len(DIALOGUE))])
    assert left == 1
    assert _comparable(in_octets) == _comparable(whole[0])


@given(st.randoms())
def test_any_pieces_are_as_all_at_once(make_world, random):
    cuts = sorted(random.randint(0, len(DIALOGUE)) for _ in range(random.randint(1, 12)))
    pieces = [DIALOGUE[a:b] for a, b in zip([0, *cuts], [*cuts, len(DIALOGUE)], strict=True)]
    assert _comparable(converse(make_world, *pieces)[0]) == _comparable(converse(make_world, DIALOGUE)[0])


def _comparable(out: bytes) -> list[bytes]:
    """The lines, without UIDVALIDITY, which is the time of the store's start."""
    return [line if b"." not in line or len(line) < 10 else line.rpartition(b".")[2] for line in out.splitlines()]


WORDS = [
    b"USER", b"PASS", b"bob", b"APOP", b"AUTH", b"PLAIN", b"LOGIN", b"SCRAM-SHA-256", b"=", b"*", b"STAT", b"LIST",
    b"RETR", b"TOP", b"DELE", b"UIDL", b"RSET", b"CAPA", b"LANG", b"UTF8", b"1", b"2", b"-1", b"9" * 25,
    b" ", b"  ", b"\r\n", b"\n", b"\r", b"\0", b"\xff", b"AGJvYgBwdw==", b"biws",
]  # fmt: skip


@given(data=st.lists(st.one_of(st.sampled_from(WORDS), st.binary(max_size=6)), max_size=60), ready=st.booleans())
def test_garbage_is_answered_and_never_an_error(make_world, data, ready):
    world = make_world(default_password="pw")
    world.put(b"Subject: 1\r\n\r\n.a\r\n", account="bob")
    client = world.connect()
    if ready:
        client.say("USER bob", "PASS pw")
    out = client.send(b" ".join(data))
    out += client.end_of_input()
    assert world.errors == []
    assert client.closed is not None
    assert out == b"" or out.endswith(b"\r\n")
    client.hang_up()
    assert world.login("bob").say("NOOP") == b"+OK Nothing done\r\n"


@given(raw=st.lists(st.sampled_from([b".", b"\r\n", b"\n", b"\r", b"a", b": ", b"\r\n\r\n", b"\0"]), max_size=30))
def test_any_mail_is_sent_so_that_it_ends_where_it_ends(make_world, raw):
    world = make_world()
    world.put(b"".join(raw))
    client = world.login()
    status, _, body = client.say("RETR 1").partition(b"\r\n")
    expected = served(b"".join(raw))
    assert status == b"+OK %d octets" % len(expected)
    *sent, rest = body.split(b"\r\n")
    assert rest == b""
    assert sent.pop() == b"."
    assert b"." not in sent
    received = b"".join((line[1:] if line.startswith(b".") else line) + b"\r\n" for line in sent)
    assert received == expected + (b"" if expected.endswith(b"\r\n") or not expected else b"\r\n")
