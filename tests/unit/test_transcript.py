"""Session records: transcripts, commands, bounds."""

import pytest

from mailtrap import limits
from mailtrap.transcript import Session


@pytest.fixture
def session():
    return Session("smtp", ("127.0.0.1", 4711), "smtp")


def test_commands_have_their_replies(session):
    session.reply(b"220 hello\r\n")
    session.command(b"EHLO client")
    session.reply(b"250-mailtrap.test\r\n250 SIZE\r\n")
    session.cut()
    session.command(b"MAIL FROM:<a@x>")
    session.reply(b"250 2.1.0 Ok\r\n")
    session.command(b"DATA")
    commands = session.commands
    assert [(c.verb, c.line, c.reply) for c in commands] == [
        ("EHLO", "EHLO client", "250-mailtrap.test\n250 SIZE"),
        ("MAIL", "MAIL FROM:<a@x>", "250 2.1.0 Ok"),
        ("DATA", "DATA", ""),
    ]
    assert [c.at for c in commands] == sorted(c.at for c in commands)
    assert commands[0].at.tzinfo is not None


def test_an_imap_command_is_known_by_what_stands_behind_its_tag():
    session = Session("imap", ("127.0.0.1", 4711), "imap")
    session.command(b"a1 SELECT INBOX")
    session.reply(b"* 3 EXISTS\r\na1 OK done\r\n")
    session.command(b"a2 IDLE")
    session.reply(b"+ idling\r\n")
    session.command(b"a3 uid fetch 1 FLAGS")
    session.command(b"a4")
    assert [c.verb for c in session.commands] == ["SELECT", "IDLE", "FETCH", ""]


def test_a_transcript_is_cut_for_each_transaction_and_kept_whole(session):
    session.command(b"EHLO x")
    session.cut()
    session.command(b"MAIL FROM:<a@x>")
    session.note(b"12 octets of message")
    blob = session.cut()
    assert blob.endswith(b"* 12 octets of message\n")
    assert b"EHLO" not in blob
    assert session.cut() == b""
    assert "EHLO" in session.transcript
    assert "MAIL" in session.transcript


def test_the_middle_of_a_long_transcript_is_left_out_and_said(session):
    for number in range(5000):
        session.command(b"RCPT TO:<user%d@example.com>" % number)
    blob = session.cut()
    assert len(blob) < limits.TRANSACTION_LOG + 200
    assert b"user0@" in blob
    assert b"user4999@" in blob
    assert b"lines left out" in blob


def test_a_session_keeps_its_newest_transactions(session):
    for number in range(limits.SESSION_LOGS + 10):
        session.command(b"NOOP %d" % number)
        session.cut()
    assert "NOOP 0\n" not in session.transcript
    assert f"NOOP {limits.SESSION_LOGS + 9}\n" in session.transcript


def test_whoever_waits_hears_the_end_of_a_transaction(session):
    heard = []
    session.on_transaction_end(lambda: heard.append("none"))
    assert heard == ["none"]
    session.begin_transaction()
    session.on_transaction_end(lambda: heard.append("one"))
    assert heard == ["none"]
    session.end_transaction()
    session.begin_transaction()
    session.on_transaction_end(lambda: heard.append("two"))
    session.close()
    assert heard == ["none", "one", "two"]


def test_disconnect_reaches_the_connection_while_it_is_open(session):
    ended = []
    session.on_disconnect(lambda: ended.append(1))
    session.disconnect()
    session.close()
    session.disconnect()
    assert ended == [1]
    assert not session.open
    assert "closed" in repr(session)
