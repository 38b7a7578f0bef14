"""Two servers on one PostgreSQL: what comes into one is heard at the other, and each goes on without the other."""

import imaplib
import json
import poplib
import signal
import smtplib
import threading
import time
import urllib.request
from contextlib import contextmanager

import pytest

from mailtrap import MailServer

from .conftest import serving

RAW = b"From: Ann <ann@x>\r\nTo: bob@example.com\r\nSubject: Welcome\r\n\r\nHello.\r\n"


def send(server, *recipients, raw=RAW):
    with smtplib.SMTP(server.smtp.host, server.smtp.port, local_hostname="client.test", timeout=30) as client:
        return client.sendmail("ann@x", recipients or ["bob@example.com"], raw)


@pytest.fixture
def pair(database):
    with MailServer(store=database) as one, MailServer(store=database) as other:
        yield one, other
        assert [*one.errors, *other.errors] == []


@contextmanager
def imap(server):
    client = imaplib.IMAP4(server.imap.host, server.imap.port, timeout=30)
    try:
        client.login("bob@example.com", "pw")
        yield client
    finally:
        client.shutdown()


def test_a_wait_hears_of_mail_of_the_other(pair):
    one, other = pair
    found = []
    thread = threading.Thread(target=lambda: found.append(other.message(subject="Welcome", timeout=30)))
    thread.start()
    send(one)
    thread.join()
    assert found[0].raw == RAW
    assert found[0].session.helo == "client.test"
    assert [message.seq for message in one.messages] == [message.seq for message in other.messages] == [1]


def test_idle_hears_of_mail_flags_and_expunges_of_the_other(pair):
    one, other = pair
    send(one)
    with imap(other) as idle:
        idle.select()
        idle.send(b"x IDLE\r\n")
        assert idle.readline().startswith(b"+")

        def told(part):
            while part not in (line := idle.readline()):
                assert line
            return line

        send(one)
        assert told(b"EXISTS") == b"* 2 EXISTS\r\n"
        with imap(one) as client:
            client.select()
            client.store("1", "+FLAGS", r"(\Flagged)")
            assert b"* 1 FETCH" in told(b"\\Flagged")
            client.store("1", "+FLAGS", r"(\Deleted)")
            client.expunge()
        assert told(b"EXPUNGE") == b"* 1 EXPUNGE\r\n"
        idle.send(b"DONE\r\n")


def test_an_event_stream_hears_of_the_other(pair):
    one, other = pair
    with urllib.request.urlopen(f"{other.http.url}/api/mailtrap/events", timeout=30) as stream:
        send(one)
        for line in stream:
            if line.startswith(b"data:") and b"Welcome" in line:
                assert json.loads(line.removeprefix(b"data:"))
                return
    pytest.fail("the stream ended")


def test_a_maildrop_is_locked_for_both(pair):
    one, other = pair
    send(one)

    def login(server):
        client = poplib.POP3(server.pop3.host, server.pop3.port, timeout=30)
        client.user("bob@example.com")
        try:
            client.pass_("pw")
        except poplib.error_proto:
            client.close()
            raise
        return client

    client = login(one)
    with pytest.raises(poplib.error_proto, match="IN-USE"):
        login(other)
    client.dele(1)
    client.quit()
    client = login(other)
    assert client.stat() == (0, 0)
    client.quit()


def test_an_account_of_one_logs_in_at_the_other(pair):
    one, other = pair
    one.add_account("eve@example.com", "secret")
    client = imaplib.IMAP4(other.imap.host, other.imap.port, timeout=30)
    with pytest.raises(imaplib.IMAP4.error):
        client.login("eve@example.com", "wrong")
    client.login("eve@example.com", "secret")
    client.shutdown()


def test_one_is_killed_and_the_other_goes_on(database, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    with (
        serving("postgres", tmp_path / "one", database) as one,
        serving("postgres", tmp_path / "other", database) as other,
    ):
        with smtplib.SMTP("127.0.0.1", one.smtp, local_hostname="x", timeout=30) as client:
            client.sendmail("ann@x", ["bob@example.com"], RAW)
            assert other.arrived("bob@example.com", timeout=30)["raw"] == RAW
            locked = poplib.POP3("127.0.0.1", one.pop3, timeout=30)
            locked.user("bob@example.com")
            locked.pass_("pw")
            client.docmd("MAIL", "FROM:<ann@x>")
            client.docmd("RCPT", "TO:<bob@example.com>")
            client.docmd("DATA")
            client.send(b"half a mail\r\n")
            one.process.send_signal(signal.SIGKILL)
            one.process.wait(30)
            locked.close()
            client.sock.close()
        with smtplib.SMTP("127.0.0.1", other.smtp, local_hostname="x", timeout=30) as client:
            client.sendmail("ann@x", ["bob@example.com"], RAW)
        assert [message["seq"] for message in other.tell("messages")["messages"]] in ([1, 2], [2, 1])
        end = time.monotonic() + 30
        while True:
            client = poplib.POP3("127.0.0.1", other.pop3, timeout=30)
            client.user("bob@example.com")
            try:
                client.pass_("pw")
                break
            except poplib.error_proto:  # until the database has seen that the server is dead
                client.close()
                assert time.monotonic() < end, "the lock did not die with its server"
        assert client.stat()[0] == 2
        client.quit()


def test_mail_is_refused_for_now_while_the_database_is_away(own_postgres):
    own_postgres.make_template()
    with MailServer(store=own_postgres.url("ours")) as server:
        send(server)
        with (
            smtplib.SMTP(server.smtp.host, server.smtp.port, local_hostname="x", timeout=30) as client,
            imap(server) as reader,
        ):
            reader.select()
            own_postgres.stop()
            with pytest.raises(
                (smtplib.SMTPDataError, smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused)
            ) as refused:
                client.sendmail("ann@x", ["bob@example.com"], RAW)
            assert b"451" in repr(refused.value).encode()
            assert reader.fetch("1", "BODY.PEEK[]")[0] == "NO"
            with pytest.raises(OSError):
                urllib.request.urlopen(f"{server.http.url}/readyz", timeout=30)
            own_postgres.start()
            client.sendmail("ann@x", ["bob@example.com"], RAW)
            assert reader.fetch("1", "BODY.PEEK[]")[1][0][1] == RAW
        assert server.message(recipients="bob@example.com", where=lambda message: message.seq == 2, timeout=30)
