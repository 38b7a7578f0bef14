"""One mail, all the way, in process: real clients over real sockets, and what the test sees of it."""

import imaplib
import json
import poplib
import re
import smtplib
import socket
import ssl
import threading
import urllib.request

import pytest

from mailtrap import ConfigError, MailServer, MessageNotFound, Refuse, hookimpl

RAW = b"From: Ann <ann@x>\r\nTo: bob@example.com\r\nSubject: Welcome\r\n\r\nHello.\r\n"


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request, tmp_path):
    if request.param == "postgres":
        return request.getfixturevalue("database")
    return "memory" if request.param == "memory" else f"sqlite:///{tmp_path}/mail.db"


@pytest.fixture
def server(store):
    with MailServer(store=store) as server:
        yield server
        assert server.errors == []


def smtp(server, **kw):
    return smtplib.SMTP(server.smtp.host, server.smtp.port, local_hostname="client.test", timeout=10, **kw)


def send(server, *recipients, raw=RAW, mail_from="ann@x"):
    with smtp(server) as client:
        return client.sendmail(mail_from, recipients or ["bob@example.com"], raw)


def imap(server, user="bob@example.com", password="pw"):
    client = imaplib.IMAP4(server.imap.host, server.imap.port, timeout=10)
    try:
        client.login(user, password)
    except imaplib.IMAP4.error:
        client.shutdown()
        raise
    return client


def pop(server, user="bob@example.com", password="pw"):
    client = poplib.POP3(server.pop3.host, server.pop3.port, timeout=10)
    client.user(user)
    try:
        client.pass_(password)
    except poplib.error_proto:
        client.close()
        raise
    return client


def test_one_mail_is_seen_by_everybody(server):
    send(server, "bob@example.com", "hidden@example.com")
    message = server.message(to="bob@example.com", subject="Welcome")
    assert message.raw == RAW
    assert message.mail_from == "ann@x"
    assert message.recipients == ("bob@example.com", "hidden@example.com")
    assert list(message.bcc) == ["hidden@example.com"]
    assert message.session.helo == "client.test"
    assert "mail FROM:<ann@x>" in message.transcript
    assert "250 2.0.0 Ok: kept" in message.transcript
    with imap(server) as client:
        assert client.select()[1] == [b"1"]
        assert client.fetch("1", "BODY[]")[1][0][1] == RAW
    client = pop(server)
    assert b"\r\n".join(client.retr(1)[1]) + b"\r\n" == RAW
    client.dele(1)
    client.quit()
    with urllib.request.urlopen(f"{server.http.url}/api/v1/messages", timeout=10) as answer:
        (summary,) = json.load(answer)["messages"]
    assert (summary["Subject"], summary["To"][0]["Address"]) == ("Welcome", "bob@example.com")
    assert [copy.account.address for copy in message.copies] == ["hidden@example.com"]
    assert server.message(subject="Welcome").seq == message.seq, "the message outlives its copies"


def test_flags_are_seen_by_test_and_client_alike(server):
    send(server)
    box = server.mailbox("bob@example.com")
    with imap(server) as client:
        client.select()
        client.store("1", "+FLAGS", r"(\Flagged urgent)")
        assert box.messages[0].flags >= {"\\Flagged", "urgent"}
        box.set_flags(box.messages, ["\\Answered"])
        box.append(RAW, flags=["\\Draft"])
        assert client.noop()[0] == "OK"
        assert client.response("EXISTS")[1][-1:] == [b"2"]
        assert b"\\Answered" in client.fetch("1", "FLAGS")[1][0]
        box.expunge(box.messages[0])
        client.noop()
        assert client.response("EXPUNGE")[1] == [b"1"]


def test_all_is_the_record_and_hides_only_there(server):
    send(server, "a@x")
    send(server, "b@x")
    with imap(server, "all") as client:
        assert client.select()[1] == [b"2"]
        client.store("1", "+FLAGS", r"(\Deleted)")
        client.expunge()
        assert client.append("INBOX", None, None, RAW)[0] == "NO"
    assert len(server.messages) == 2
    assert len(server.mailbox("a@x").messages) == 1
    client = pop(server, "all")
    assert [line.split()[1] for line in client.list()[1]] == [str(len(RAW)).encode()]
    client.quit()


def test_strict_routing_and_what_was_refused():
    with MailServer(routing="strict", accounts=["bob@example.com:pw"]) as server:
        refused = send(server, "bob@example.com", "eve@example.com")
        assert refused == {"eve@example.com": (550, b"5.1.1 No such user here")}
        (refusal,) = server.refused
        assert (refusal.stage, refusal.envelope.recipients[-1]) == ("RCPT", "eve@example.com")
        with pytest.raises(imaplib.IMAP4.error):
            imap(server, password="wrong")
        with pytest.raises(poplib.error_proto, match="AUTH"):
            pop(server, password="wrong")
        with pytest.raises(MessageNotFound, match=r"550 5\.1\.1 No such user here"):
            server.message(recipients="nobody@example.com", timeout=0)
        with imap(server) as client:
            assert client.select()[1] == [b"1"]


def test_readers_of_two_scopes_do_not_see_each_others_mail(server):
    server.add_account("shared@example.com", "pw")
    server.deliver(RAW, recipients="shared@example.com")
    with server.scope("one") as one:
        send(server, "bob@example.com", "shared@example.com")
        with imap(server) as client:
            assert client.select()[1] == [b"1"]
        with imap(server, "shared@example.com") as client:
            assert client.select()[1] == [b"2"]
        assert one.message().subject == "Welcome"
    with server.scope("two") as two:
        with imap(server) as client:
            assert client.select()[1] == [b"0"]
        with imap(server, "shared@example.com") as client:
            assert client.select()[1] == [b"1"], "what the parent's account had, alike in every scope"
        assert two.messages == []
        send(server, one.address("late"))
    assert len(one.messages) == 2, "the recipient's domain names its scope"


@pytest.mark.parametrize("listener", ["smtp", "lmtp", "pop3", "imap"])
def test_a_rule_answers_in_the_protocols_own_words(server, listener):
    endpoint = getattr(server, listener)
    if listener in ("smtp", "lmtp"):
        with endpoint.on("MAIL").respond_with(451, "4.3.2 Not now", times=1), smtp(server) as client:
            if listener == "smtp":
                assert client.docmd("EHLO", "x")[0] == 250
                assert client.mail("ann@x") == (451, b"4.3.2 Not now")
                assert client.mail("ann@x")[0] == 250
    elif listener == "pop3":
        with endpoint.on("STAT").respond_with("-ERR", "[SYS/TEMP] later"):
            client = pop(server)
            with pytest.raises(poplib.error_proto, match="later"):
                client.stat()
            assert client.noop().startswith(b"+OK")
            client.quit()
    else:
        endpoint.on("SELECT", mailbox="INBOX").respond_with("NO", "[INUSE] later", times=1)
        with imap(server) as client:
            assert client.select() == ("NO", [b"[INUSE] later"])
            assert client.select()[0] == "OK"


@pytest.mark.parametrize(("listener", "command"), [("smtp", "NOOP"), ("pop3", "NOOP"), ("imap", "NOOP")])
def test_a_rule_disconnects(server, listener, command):
    getattr(server, listener).on(command, times=1).disconnect()
    if listener == "smtp":
        client = smtp(server)
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()
        with smtp(server) as again:
            assert again.noop()[0] == 250
    elif listener == "pop3":
        client = pop(server)
        with pytest.raises((poplib.error_proto, OSError)):
            client.noop()
        client.close()
    else:
        client = imap(server)
        with pytest.raises((imaplib.IMAP4.abort, OSError)):
            client.noop()
        client.shutdown()


def test_the_connection_breaks_in_the_middle_of_the_data(server):
    server.smtp.on("DATA").disconnect(after_bytes=200)
    client = smtp(server)
    with pytest.raises((smtplib.SMTPServerDisconnected, OSError)):
        client.sendmail("ann@x", ["bob@x"], RAW + b"x" * 100_000)
    server.assert_no_message()
    assert len(server.mailbox("bob@x").messages) == 0


def test_a_stalled_client_goes_on_when_it_is_released(server):
    rule = server.smtp.on("DATA").stall()
    thread = threading.Thread(target=send, args=(server,))
    thread.start()
    server.wait_for_command("DATA", protocol="smtp")
    assert server.messages == []
    rule.release()
    assert server.message(subject="Welcome")
    thread.join()


def test_the_mail_is_kept_and_the_client_hears_an_error(server):
    server.smtp.on("DATA", stage="reply").respond_with(451, "4.3.0 Lost the reply")
    with smtp(server) as client, pytest.raises(smtplib.SMTPDataError):
        client.sendmail("ann@x", ["bob@x"], RAW)
    assert server.message(subject="Welcome")


def test_a_function_runs_between_two_of_the_clients_commands(server):
    send(server)
    box = server.mailbox("bob@example.com")
    with imap(server) as client:
        client.select()
        server.imap.on("FETCH", times=1).run(lambda: box.expunge(box.messages))
        kind, data = client.fetch("1", "BODY.PEEK[]")
        assert kind in ("OK", "NO")
        assert RAW not in [part[1] for part in data if isinstance(part, tuple)] or data == [None]


def test_starttls_when_it_is_offered(server):
    with smtp(server) as client:
        client.ehlo()
        assert not client.has_extn("starttls")
    server.configure(starttls="offered")
    with smtp(server) as client:
        client.starttls(context=server.ssl_context())
        client.ehlo()
        client.login("bob@example.com", "pw")
        client.sendmail("ann@x", ["bob@example.com"], RAW)
    message = server.message(subject="Welcome")
    assert message.session.tls.version.startswith("TLSv1")
    assert (message.session.user, message.session.mechanism) is not None
    client = imaplib.IMAP4("localhost" if server.imap.host == "127.0.0.1" else server.imap.host, server.imap.port)
    client.starttls(server.ssl_context())
    client.login("bob@example.com", "pw")
    assert client.select()[1] == [b"1"]
    client.logout()
    client = poplib.POP3("localhost", server.pop3.port)
    client.stls(server.ssl_context())
    client.user("bob@example.com")
    client.pass_("pw")
    assert client.stat()[0] == 1
    client.quit()


def test_implicit_tls_with_a_verified_certificate(server):
    with smtplib.SMTP_SSL("localhost", server.smtps.port, context=server.ssl_context()) as client:
        client.sendmail("ann@x", ["bob@example.com"], RAW)
    client = imaplib.IMAP4_SSL("127.0.0.1", server.imaps.port, ssl_context=server.ssl_context())
    client.login("bob@example.com", "pw")
    assert client.select()[1] == [b"1"]
    client.logout()
    with pytest.raises(ssl.SSLCertVerificationError):
        imaplib.IMAP4_SSL("127.0.0.1", server.imaps.port, ssl_context=ssl.create_default_context())


def test_an_idling_client_hears_of_new_mail_at_once(server):
    client = imap(server)
    client.select()
    client.send(b"x IDLE\r\n")
    assert client.readline().startswith(b"+")
    session = server.wait_for_command("IDLE", user="bob@example.com")
    assert session.protocol == "imap"
    send(server)
    lines = [client.readline()]
    while b"EXISTS" not in lines[-1]:
        lines.append(client.readline())
    assert lines[-1] == b"* 1 EXISTS\r\n"
    client.send(b"DONE\r\n")
    client.shutdown()


def test_a_handler_written_for_aiosmtpd():
    class Handler:
        def __init__(self):
            self.seen = []

        async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
            if address.endswith("@blocked.test"):
                return "550 not relaying to that domain"
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server, session, envelope):
            self.seen.append((envelope.mail_from, envelope.rcpt_tos, envelope.content))
            return "250 Message accepted for delivery"

    handler = Handler()
    with MailServer(smtp_handler=handler) as server:
        refused = send(server, "bob@example.com", "x@blocked.test")
        assert refused["x@blocked.test"][0] == 550
        assert handler.seen == [("ann@x", ["bob@example.com"], RAW)]
        assert server.message(subject="Welcome").recipients == ("bob@example.com",)


def test_our_store_behind_a_controller_of_aiosmtpd(server):
    from aiosmtpd.controller import Controller

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = Controller(server.aiosmtpd_handler(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="x") as client:
            client.sendmail("ann@x", ["bob@example.com"], RAW)
    finally:
        controller.stop()
    assert server.message(subject="Welcome").raw == RAW


def test_a_plugin_refuses_in_every_protocol():
    class Plugin:
        @hookimpl
        def mailtrap_before_message(self, raw):
            return Refuse(554, "5.7.1 No thanks") if b"Welcome" in raw else None

        @hookimpl
        def mailtrap_before_login(self, user):
            return Refuse(text="Not you") if user == "eve@x" else None

    with MailServer(plugins=[Plugin()]) as server:
        with pytest.raises(smtplib.SMTPDataError, match="No thanks"):
            send(server)
        with imap(server) as client:
            assert client.append("INBOX", None, None, RAW)[0] == "NO"
        with pytest.raises(imaplib.IMAP4.error):
            imap(server, "eve@x")
        assert {refusal.stage for refusal in server.refused} >= {"DATA", "APPEND"}


def test_a_bug_in_a_plugin_is_a_451_and_an_error_of_the_server():
    class Plugin:
        @hookimpl
        def mailtrap_before_message(self):
            raise RuntimeError("bug")

    with MailServer(plugins=[Plugin()]) as server:
        with pytest.raises(smtplib.SMTPDataError) as failure:
            send(server)
        assert failure.value.smtp_code == 451
        assert b"bug" not in failure.value.smtp_error
        assert [str(error) for error in server.errors] == ["bug"]
        server.clear()
        assert server.errors == []


@pytest.mark.parametrize("listener", ["smtp", "pop3", "imap"])
@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03"])
def test_another_protocol_ends_the_connection(server, listener, first):
    endpoint = getattr(server, listener)
    with socket.create_connection((endpoint.host, endpoint.port), 10) as sock:
        sock.sendall(first)
        answer = b""
        while chunk := sock.recv(4096):
            answer += chunk
    assert answer.count(b"\n") <= 2


def test_a_stopped_server_is_gone_and_says_so():
    server = MailServer().start()
    port = server.smtp.port
    server.stop()
    server.stop()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), 1)
    with pytest.raises(Exception, match="does not run"):
        _ = server.smtp
    with pytest.raises(Exception, match="does not start again"):
        server.start()


def test_unknown_settings_are_said(server):
    with pytest.raises(ConfigError, match="the nearest is 'routing'"):
        server.scope("x", rooting="strict")
    with pytest.raises(ConfigError, match="cannot change while the server runs"):
        server.scope("y", smtp_port=1)


def test_the_greeting_and_the_log_have_no_password(server):
    with smtp(server) as client:
        client.login("bob@example.com", "canary-1")
    with imap(server, password="canary-2"):
        pass
    pop(server, password="canary-3").quit()
    said = "\n".join(session.transcript for session in server.sessions)
    assert re.search("canary", said) is None
    assert b"canary-1".hex() not in said


def test_what_a_test_does_to_an_inherited_account_stays_in_its_scope(server):
    server.add_account("bob@example.com", "pw").create("Archive")
    with server.scope("one") as one:
        (account,) = one.accounts
        account.mailbox("Archive").append(RAW)
        assert len(one.mailbox("bob@example.com", "Archive").messages) == 1
    assert server.mailbox("bob@example.com", "Archive").messages == []
    with server.scope("two") as two:
        assert two.mailbox("bob@example.com", "Archive").messages == []
        with imap(server) as client:
            assert b"Archive" in b"".join(client.list()[1])
