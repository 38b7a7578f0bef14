"""Every command in every state of SMTP and of LMTP, as it should be and as it should not.

Each has the code that it should have, in one reply, and the conversation goes on.
"""

import base64

import pytest

from mailtrap import limits
from mailtrap.smtp.session import COMMANDS

CREDENTIALS = base64.b64encode(b"\0ann@x.test\0any").decode()
RIGHT = {
    "EHLO": "EHLO x", "HELO": "HELO x", "LHLO": "LHLO x", "STARTTLS": "STARTTLS", "AUTH": f"AUTH PLAIN {CREDENTIALS}",
    "MAIL": "MAIL FROM:<a@x.test>", "RCPT": "RCPT TO:<b@x.test>", "DATA": "DATA", "BDAT": "BDAT 2\r\n..",
    "RSET": "RSET",
    "NOOP": "NOOP", "VRFY": "VRFY b@x.test", "EXPN": "EXPN b@x.test", "HELP": "HELP",
    "XCLIENT": "XCLIENT ADDR=192.0.2.1", "QUIT": "QUIT",
}  # fmt: skip
HELLO = "hello"  # EHLO, or LHLO
MAIL = [HELLO, "MAIL FROM:<a@x.test>"]
RCPT = [*MAIL, RIGHT["RCPT"]]
STATES = {
    "greeted": [], "HELO": ["HELO x"], "EHLO": [HELLO], "logged in": [HELLO, RIGHT["AUTH"]], "MAIL": MAIL,
    "only refused": [
        *MAIL, "RCPT TO:<>"], "RCPT": RCPT, "BDAT": [*RCPT, RIGHT["BDAT"]], "TLS": [HELLO, "STARTTLS",
        HELLO,
    ],
    "sent": [*RCPT, "DATA", "Subject: x", "."],
}  # fmt: skip
# What is answered wherever no other code stands in the state's row.
ALWAYS = {
    "EHLO": 250, "HELO": 250, "LHLO": 500, "STARTTLS": 220, "AUTH": 235, "MAIL": 250, "RCPT": 503, "DATA": 503,
    "BDAT": 503, "RSET": 250, "NOOP": 250, "VRFY": 252, "EXPN": 502, "HELP": 214, "XCLIENT": 550, "QUIT": 221,
}  # fmt: skip
OTHER = {
    "greeted": {"AUTH": 503, "MAIL": 503},
    "HELO": {"AUTH": 503},  # nothing was offered (RFC 4954, 3)
    "EHLO": {},
    "logged in": {"AUTH": 503},  # RFC 4954, 4
    "MAIL": {"AUTH": 503, "MAIL": 503, "RCPT": 250},
    "only refused": {"AUTH": 503, "MAIL": 503, "RCPT": 250, "DATA": 554, "BDAT": 554},  # RFC 5321, 3.3
    "RCPT": {"AUTH": 503, "MAIL": 503, "RCPT": 250, "DATA": 354, "BDAT": 250},
    "BDAT": {"AUTH": 503, "MAIL": 503, "BDAT": 250},  # no RCPT, no DATA (RFC 3030, 2)
    "TLS": {"STARTTLS": 503},
    "sent": {},
}
OF_LMTP = {"EHLO": 500, "HELO": 500, "LHLO": 250}  # RFC 2033, 4.1


def expected(flavour, state, verb):
    if flavour == "lmtp":
        if state == "HELO":
            state = "greeted"  # it was refused
        if verb in OF_LMTP:
            return OF_LMTP[verb]
    return OTHER[state].get(verb, ALWAYS[verb])


def brought_to(make_world, flavour, state, **settings):
    client = make_world(starttls="offered", **settings).open(flavour)
    for line in STATES[state]:
        if line is HELLO:
            line = "LHLO x" if flavour == "lmtp" else "EHLO x"
        client.send(line.encode() if line.endswith("..") else f"{line}\r\n".encode())
    return client


def code_of(answer):
    """The code of the one reply that came."""
    lines = answer.decode().splitlines()
    assert lines, "every command has a reply"
    assert all(line[3] == "-" for line in lines[:-1]), f"one reply: {lines}"
    assert lines[-1][3:4] == " "
    return int(lines[-1][:3])


def test_the_tables_are_whole():
    verbs = {command.verb for command in COMMANDS.values()}
    assert set(RIGHT) == set(ALWAYS) == set(WRONG) == verbs
    assert set(OTHER) == set(STATES)


@pytest.mark.parametrize("flavour", ["smtp", "submission", "lmtp"])
@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", RIGHT)
def test_every_command_in_every_state(make_world, flavour, state, verb):
    client = brought_to(make_world, flavour, state)
    line = RIGHT[verb].encode()
    answer = client.send(line if verb == "BDAT" else line + b"\r\n")
    assert code_of(answer) == expected(flavour, state, verb)
    if verb == "QUIT":
        assert client.closed is not None
    elif verb == "DATA" and answer.startswith(b"354"):
        assert client.say("x", ".") == ["250 2.0.0 Ok: kept"]
    else:
        assert client.say("NOOP") == ["250 2.0.0 Ok"]
    assert client.world.errors == []


LONG = "x" * limits.SMTP_LINE
# In the state where the right one would be carried out: missing, surplus and bad arguments, 8-bit, over-long.
WRONG = {
    "EHLO": [
        ("EHLO", 501), ("EHLO ", 501), ("EHLO ü", 501), (b"EHLO \xff", 500), (f"EHLO {LONG}", 500),
        ("EHLOX", 500),
    ],
    "HELO": [("HELO", 501), ("HELO ü", 501), (b"HELO \xff", 500), (f"HELO {LONG}", 500), ("HELO\0x", 500)],
    "LHLO": [("LHLO", 501), ("LHLO ü", 501), (b"LHLO \xff", 500), (f"LHLO {LONG}", 500)],
    "STARTTLS": [("STARTTLS now", 501), ("STARTTL", 500), ("STARTTLSX", 500), (f"STARTTLS {LONG}", 500)],
    "AUTH": [
        ("AUTH", 501), ("AUTH PLAIN a b", 501), ("AUTH PLAIN ü", 501), ("AUTH PLAIN !!", 501), ("AUTH PLAIN =", 501),
        ("AUTH NONE", 504), ("AUTH PLAIN AGEAYg", 501), (f"AUTH PLAIN {LONG}", 500), (b"AUTH \xff", 500),
        ("AUTH DIGEST-MD5", 504),
    ],
    "MAIL": [
        ("MAIL", 501), ("MAIL FROM", 501), ("MAIL FROM:", 501), ("MAIL TO:<a@x>", 501), ("MAIL FROM:<a@x", 501),
        ("MAIL FROM:a@x>", 501), ("MAIL FROM:<a b@x>", 501), ("MAIL FROM:<a@x>SIZE=1", 501),
        ("MAIL FROM:<a@x> ==", 501),
        ("MAIL FROM:<a@x> SIZE=1 SIZE=1", 501), ("MAIL FROM:<a@x> SIZE=", 501), ("MAIL FROM:<a@x> SIZE=x", 501),
        ("MAIL FROM:<a@x> SIZE=99999999999", 552), ("MAIL FROM:<a@x> BODY=9BIT", 501),
        ("MAIL FROM:<a@x> RET=SOME", 501),
        ("MAIL FROM:<a@x> FOO=1", 555), ("MAIL FROM:<a@x> MT-PRIORITY=1", 555), ("MAIL FROM:<a@x> NOTIFY=NEVER", 555),
        ("MAIL FROM:<ü@x>", 553), (b"MAIL FROM:<\xff@x>", 500), (f"MAIL FROM:<{LONG}@x>", 500),
        ("MAIL FROM:<a@x\0>", 501),
        ("MAIL FROM:<a@[1.2.3.400]>", 501), ("MAIL FROM:<a@x..y>", 501), ("MAIL\tFROM:", 501),
    ],
    "RCPT": [
        ("RCPT", 501), ("RCPT TO", 501), ("RCPT TO:", 501), ("RCPT FROM:<a@x>", 501), ("RCPT TO:<>", 501),
        ("RCPT TO:<a@x", 501), ("RCPT TO:<a@@x>", 501), ("RCPT TO:<a@x> NOTIFY=NEVER,SUCCESS", 501),
        ("RCPT TO:<a@x> ORCPT=x", 501), ("RCPT TO:<a@x> SIZE=1", 555), ("RCPT TO:<a@x> FOO", 555),
        ("RCPT TO:<ü@x>", 553),
        (b"RCPT TO:<\xff@x>", 500), (f"RCPT TO:<{LONG}@x>", 500), ("RCPT TO:<a@x>\x7f", 501),
    ],
    "DATA": [("DATA x", 501), (f"DATA {LONG}", 500), (b"DATA\xff", 500)],
    "BDAT": [("BDAT 1 LAST x\r\n", 501), ("BDAT 1 FIRST\r\n", 501)],
    "RSET": [("RSET x", 501), (f"RSET {LONG}", 500)],
    "NOOP": [(f"NOOP {LONG}", 500), (b"NOOP \xff", 500), ("NOOPS", 500)],
    "VRFY": [
        ("VRFY", 501), ("VRFY a b", 501), ("VRFY ü@x", 553), ("VRFY <a", 501), ("VRFY <>", 501),
        (f"VRFY {LONG}", 500),
    ],
    "EXPN": [("EXPN", 501), ("EXPN a b", 501), ("EXPN ü@x", 553), ("EXPN <a", 501), (f"EXPN {LONG}", 500)],
    "HELP": [("HELP FOO", 504), ("HELP ü", 504), (f"HELP {LONG}", 500)],
    "XCLIENT": [
        ("XCLIENT", 501), ("XCLIENT ADDR", 501), ("XCLIENT FOO=1", 501), ("XCLIENT ADDR=1.2.3", 501),
        ("XCLIENT PORT=x", 501), (f"XCLIENT ADDR={LONG}", 500),
    ],
    "QUIT": [("QUIT now", 501), (f"QUIT {LONG}", 500)],
}  # fmt: skip
VALID_IN = {"STARTTLS": "EHLO", "AUTH": "EHLO", "MAIL": "EHLO", "RCPT": "MAIL", "DATA": "RCPT", "BDAT": "RCPT"}
ON = {"smtp_extensions": ["+EXPN"], "trusted_proxies": ["192.0.2.0/24"]}
WRONG_LINES = [(verb, line, code) for verb, lines in WRONG.items() for line, code in lines]


def octets(line):
    line = line if isinstance(line, bytes) else line.encode()
    return line + (b"x" if line.startswith(b"BDAT") else b"\r\n")


@pytest.mark.parametrize(("verb", "line", "code"), WRONG_LINES)
def test_wrong_arguments_where_right_ones_would_do(make_world, verb, line, code):
    client = brought_to(make_world, "lmtp" if verb == "LHLO" else "smtp", VALID_IN.get(verb, "EHLO"), **ON)
    assert code_of(client.send(octets(line))) == code
    assert client.say("NOOP") == ["250 2.0.0 Ok"]
    right = client.send(RIGHT[verb].encode() + (b"" if verb == "BDAT" else b"\r\n"))
    assert 200 <= code_of(right) < 400, "nothing was half done"
    assert client.world.errors == []


@pytest.mark.parametrize("flavour", ["smtp", "lmtp"])
@pytest.mark.parametrize("state", STATES)
def test_wrong_arguments_in_every_state(make_world, flavour, state):
    """What is wrong with the state may be said first; whichever it is, there is one reply and the session goes on."""
    for verb, line, code in WRONG_LINES:
        client = brought_to(make_world, flavour, state, **ON)
        found = code_of(client.send(octets(line)))
        allowed = {code, expected(flavour, state, verb)}
        if state == "HELO":
            allowed.add(555)  # no parameter was offered
        if verb == "XCLIENT":
            allowed.add(503)  # not within a transaction
        assert found in allowed, line
        assert found >= 500, line
        assert client.say("NOOP") == ["250 2.0.0 Ok"]
        assert client.world.errors == []


@pytest.mark.parametrize(
    "line", ["BDAT", "BDAT ", "BDAT x", "BDAT -1", "BDAT 1x LAST", "BDAT " + "9" * 21, "BDAT LAST"]
)
@pytest.mark.parametrize("state", STATES)
def test_a_chunk_without_a_size_ends_the_conversation(make_world, state, line):
    """Nobody can tell where the commands go on."""
    client = brought_to(make_world, "smtp", state)
    assert code_of(client.send(line.encode() + b"\r\nQUIT\r\nQUIT\r\n")) == 501
    assert client.closed is not None
