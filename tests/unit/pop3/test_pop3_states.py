"""Every command in every state of POP3, as it should be and as it should not: one reply, and the session goes on."""

import base64
import hashlib

import pytest

from mailtrap import limits
from mailtrap.pop3.answer import AFTER, BEFORE
from mailtrap.pop3.commands import COMMANDS

VERBS = [command.verb for command in COMMANDS.values()]
CREDENTIALS = base64.b64encode(b"\0bob@example.com\0secret").decode()
RIGHT = {
    "USER": "USER bob@example.com", "PASS": "PASS secret", "AUTH": f"AUTH PLAIN {CREDENTIALS}", "LIST": "LIST 1",
    "UIDL": "UIDL 1", "RETR": "RETR 1", "TOP": "TOP 1 0", "DELE": "DELE 1", "LANG": "LANG en",
}  # fmt: skip
STATES = {
    "greeted": [], "USER": ["USER bob@example.com"], "refused": ["USER bob@example.com", "PASS wrong"],
    "UTF8": ["UTF8"], "TLS": ["STLS"], "logged in": ["USER bob@example.com", "PASS secret"],
    "deleted": ["USER bob@example.com", "PASS secret", "DELE 2"],
    "undone": ["USER bob@example.com", "PASS secret", "DELE 1", "RSET"],
}  # fmt: skip
AFTER_LOGIN = ("logged in", "deleted", "undone")
REFUSED = {("STLS", "TLS"), ("STLS", "UTF8")} | {("PASS", state) for state in STATES if state != "USER"}
LONG = "x" * limits.POP3_LINE
# 8-bit and over-long are in them all
WRONG = {
    "CAPA": ["CAPA x"], "USER": ["USER", "USER ", "USER a\x07"], "PASS": [b"PASS \xff"],
    "APOP": ["APOP", "APOP bob", "APOP bob@example.com wrong", "APOP bob@example.com " + "0" * 32],
    "AUTH": ["AUTH NONE", "AUTH PLAIN a b", "AUTH PLAIN !!", "AUTH PLAIN =", "AUTH DIGEST-MD5"], "STLS": ["STLS now"],
    "UTF8": ["UTF8 USER"], "LANG": ["LANG xx", "LANG en de"], "STAT": ["STAT 1"],
    "LIST": ["LIST x", "LIST 0", "LIST 99", "LIST -1", "LIST 1 2"], "UIDL": ["UIDL x", "UIDL 0", "UIDL 99", "UIDL 1 2"],
    "RETR": ["RETR", "RETR x", "RETR 0", "RETR 99", "RETR 1 2"],
    "TOP": ["TOP", "TOP 1", "TOP 1 x", "TOP 1 -1", "TOP 99 1"],
    "DELE": ["DELE", "DELE x", "DELE 0", "DELE 99"], "RSET": ["RSET x"], "NOOP": ["NOOP x"], "QUIT": ["QUIT now"],
}  # fmt: skip


@pytest.fixture
def brought_to(make_world):
    def brought_to(state):
        world = make_world(starttls="offered", default_password="secret")
        for raw in (b"Subject: one\r\n\r\n.one\r\n", b"Subject: two\r\n\r\ntwo\r\n"):
            world.put(raw)
        client = world.connect()
        for line in STATES[state]:
            client.say(line)
        return client

    return brought_to


def right(client, verb):
    if verb == "APOP":
        digest = hashlib.md5(client.session.banner + b"secret").hexdigest()
        return f"APOP bob@example.com {digest}"
    return RIGHT.get(verb, verb)


def status(answer):
    """The status of the one answer that came."""
    lines = answer.split(b"\r\n")
    assert lines[-1] == b"", "it is whole"
    assert len(lines) == 2 or lines[-2] == b".", lines
    return lines[0].partition(b" ")[0]


def test_the_tables_are_whole():
    assert set(WRONG) == set(VERBS)


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", VERBS)
def test_every_command_in_every_state(brought_to, verb, state):
    client = brought_to(state)
    answer = client.say(right(client, verb))
    valid = COMMANDS[verb.encode()].state in (None, AFTER if state in AFTER_LOGIN else BEFORE)
    assert status(answer) == (b"+OK" if valid and (verb, state) not in REFUSED else b"-ERR")
    if verb != "QUIT":
        assert status(client.say("CAPA")) == b"+OK"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("verb", VERBS)
def test_wrong_arguments_in_every_state(brought_to, verb, state):
    for line in [*WRONG[verb], f"{verb} {LONG}", f"{verb} ".encode() + b"\xff\xfe", f"{verb}X", f"{verb}\t1"]:
        if verb in ("PASS", "UIDL", "LIST") and line == f"{verb} {LONG}":
            line = f"{verb} {LONG}{LONG}"
        client = brought_to(state)
        assert status(client.say(line)) == b"-ERR", line
        assert status(client.say("CAPA")) == b"+OK"
        if state in AFTER_LOGIN:
            assert client.say("STAT").startswith(b"+OK 1" if state == "deleted" else b"+OK 2"), "nothing was half done"


def test_what_is_over_the_limit_of_a_line_is_dropped(brought_to):
    client = brought_to("logged in")
    assert client.say("NOOP " + "x" * (limits.POP3_LINE - 8)) == b"-ERR NOOP has no argument\r\n"
    assert client.say("NOOP " + "x" * limits.POP3_LINE) == b"-ERR The line is too long\r\n"
    assert client.say("NOOP") == b"+OK Nothing done\r\n"
