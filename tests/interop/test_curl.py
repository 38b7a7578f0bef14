"""curl sends and fetches: every login it has, with and without an initial response, TLS, and its other commands.

What it does with IMAP is in ``test_command_line_clients``.
"""

import re
import shutil
import socket
import tempfile
from pathlib import Path

import pytest

from mailtrap import MailServer

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5")


@pytest.fixture
def curl(client, run):
    path = client("curl")

    def curl(url, *options, code=0, stdin=""):
        return run(path, "-sS", url, *options, code=code, stdin=stdin)

    return curl


@pytest.fixture
def sending(address, mail):
    """Options that send a mail, and the mail."""
    return {"options": ("--mail-from", "ann@example.com", "--mail-rcpt", address, "-T", "-"), "stdin": mail("curl")}


def user(server, address, password=None):
    return ("-u", f"{address}:{password or server.password}")


def bearer(address, token):
    return ("-u", f"{address}:", "--oauth2-bearer", token)


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")
def test_sends_over_a_unix_socket(curl, address, sending):
    folder = Path(tempfile.mkdtemp(prefix="mt-"))  # with a short name, as sockets need it
    try:
        with MailServer(smtp_port=None, smtp_socket=folder / "smtp") as server:
            url, unix = "smtp://any.test/client.test", ("--unix-socket", folder / "smtp")
            curl(url, *unix, *sending["options"], stdin=sending["stdin"])
            message = server.message(recipients=address)
    finally:
        shutil.rmtree(folder)
    assert message.raw == sending["stdin"].encode()
    assert (message.session.helo, message.session.peer) == ("client.test", ("", 0))


class TestSMTP:
    @pytest.mark.parametrize("ir", [(), ("--sasl-ir",)])
    @pytest.mark.parametrize("mechanism", MECHANISMS)
    def test_logs_in(self, full, curl, address, sending, mechanism, ir):
        options = (*user(full, address), "--login-options", f"AUTH={mechanism}", *ir)
        curl(f"smtp://127.0.0.1:{full.smtp}", *sending["options"], *options, stdin=sending["stdin"])
        message = full.arrived(address)
        assert message["session"]["mechanism"] == mechanism
        assert message["raw"] == sending["stdin"].encode()

    @pytest.mark.parametrize("ir", [(), ("--sasl-ir",)])
    def test_tokens(self, full, curl, address, sending, ir):
        def send(token, code):
            options = (*bearer(address, token), *ir)
            url = f"smtp://127.0.0.1:{full.smtp}"
            curl(url, *sending["options"], *options, stdin=sending["stdin"], code=code)

        send(full.token(address), 0)
        assert full.arrived(address)["session"]["mechanism"] == "OAUTHBEARER"
        for wrong in (full.token(address, expires_in=0), full.token("eve@example.com"), "nonsense"):
            send(wrong, 67)  # after the challenge that says why

    @pytest.mark.parametrize("mechanism", MECHANISMS)
    def test_a_wrong_password(self, full, curl, address, sending, mechanism):
        options = (*user(full, address, "wrong"), "--login-options", f"AUTH={mechanism}")
        curl(f"smtp://127.0.0.1:{full.smtp}", *sending["options"], *options, stdin=sending["stdin"], code=67)

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
    @pytest.mark.parametrize("scheme", ["smtp", "smtps"])
    def test_tls_that_is_verified(self, full, curl, address, sending, scheme, host):
        url = f"{scheme}://{host}:{getattr(full, scheme)}/client.test"
        curl(url, "--ssl-reqd", "--cacert", full.ca, *sending["options"], stdin=sending["stdin"])
        session = full.arrived(address)["session"]
        assert session["tls"]["version"] == "TLSv1.3"
        assert session["tls"]["server_name"] == (host if host == "localhost" else None)
        assert session["helo"] == "client.test"

    @pytest.mark.parametrize("scheme", ["smtp", "smtps"])
    def test_tls_that_is_not_trusted(self, full, curl, sending, scheme):
        url = f"{scheme}://localhost:{getattr(full, scheme)}"
        curl(url, "--ssl-reqd", *sending["options"], stdin=sending["stdin"], code=60)

    def test_an_older_tls(self, full, curl, address, sending):
        url = f"smtps://localhost:{full.smtps}"
        curl(url, "--tls-max", "1.2", "--cacert", full.ca, *sending["options"], stdin=sending["stdin"])
        assert full.arrived(address)["session"]["tls"]["version"] == "TLSv1.2"
        curl(url, "--tls-max", "1.1", "--cacert", full.ca, *sending["options"], stdin=sending["stdin"], code=35)

    def test_tls_is_required_where_it_is_off(self, served, curl, sending):
        url = f"smtp://127.0.0.1:{served.smtp}"
        curl(url, "--ssl-reqd", *sending["options"], stdin=sending["stdin"], code=64)
        curl(url, "--ssl", *sending["options"], stdin=sending["stdin"])

    def test_many_recipients_and_parameters(self, full, curl, address, mail):
        url = f"smtp://127.0.0.1:{full.smtp}"
        recipients = [f"{number}-{address}" for number in range(50)]
        options = [word for recipient in recipients for word in ("--mail-rcpt", recipient)]
        parameters = ("--mail-from", "ann@example.com", "--mail-auth", "boss@example.com")
        curl(url, *user(full, address), *parameters, *options, "-T", "-", stdin=mail())
        message = full.arrived(recipients[-1])
        assert message["recipients"] == recipients
        assert message["envelope"]["mail_parameters"]["AUTH"] == "<boss@example.com>"

    def test_the_size_is_said_at_mail(self, served, curl, sending, tmp_path, address):
        file = tmp_path / "mail.eml"
        file.write_text(sending["stdin"], newline="")
        curl(f"smtp://127.0.0.1:{served.smtp}", *sending["options"][:4], "-T", file)
        assert served.arrived(address)["envelope"]["mail_parameters"] == {"SIZE": str(len(sending["stdin"]))}

    def test_null_reverse_path_and_utf8(self, served, curl, mail, address):
        url = f"smtp://127.0.0.1:{served.smtp}"
        curl(url, "--mail-from", "", "--mail-rcpt", f"jürgen-{address}", "-T", "-", stdin=mail(), code=0)
        message = served.arrived(f"jürgen-{address}")
        assert message["mail_from"] == ""
        assert "SMTPUTF8" in message["envelope"]["mail_parameters"]

    def test_other_commands(self, served, curl):
        url = f"smtp://127.0.0.1:{served.smtp}"
        assert curl(url, "--mail-rcpt", "bob@example.com").startswith("252 2.0.0")
        assert curl(url, "-X", "NOOP").startswith("250 2.0.0")
        assert curl(url).startswith("214")
        curl(url, "--mail-rcpt", "friends", "-X", "EXPN", code=8)

    def test_a_recipient_that_is_refused(self, strict, curl, mail):
        options = (
            "--ssl-reqd",
            "--cacert",
            strict.ca,
            *user(strict, "ann@strict.test"),
            "--mail-from",
            "ann@strict.test",
        )
        both = ("--mail-rcpt", "nobody@strict.test", "--mail-rcpt", "bob@strict.test")
        url = f"smtp://localhost:{strict.submission}"
        curl(url, *options, *both, "-T", "-", stdin=mail(), code=55)
        curl(url, *options, *both, "--mail-rcpt-allowfails", "-T", "-", stdin=mail("some"))
        assert strict.arrived("bob@strict.test", subject="some")["recipients"] == ["bob@strict.test"]


class TestPOP3:
    @pytest.mark.parametrize("ir", [(), ("--sasl-ir",)])
    @pytest.mark.parametrize("mechanism", [*MECHANISMS, "+APOP"])
    def test_logs_in(self, full, curl, address, mail, mechanism, ir):
        full.deliver(mail().encode(), address)
        options = (*user(full, address), "--login-options", f"AUTH={mechanism}", *ir)
        assert curl(f"pop3://127.0.0.1:{full.pop3}/1", *options) == mail()
        assert full.logins(address) == [(mechanism.lstrip("+"), None)]

    @pytest.mark.parametrize("ir", [(), ("--sasl-ir",)])
    def test_tokens(self, full, curl, address, ir):
        url = f"pop3://127.0.0.1:{full.pop3}/"
        curl(url, *bearer(address, full.token(address)), *ir)
        for wrong in (full.token(address, expires_in=0), full.token("eve@example.com"), "nonsense"):
            curl(url, *bearer(address, wrong), *ir, code=67)
        assert full.logins(address) == [("OAUTHBEARER", None)]

    @pytest.mark.parametrize("mechanism", [*MECHANISMS, "+APOP"])
    def test_a_wrong_password(self, full, curl, address, mechanism):
        options = (*user(full, address, "wrong"), "--login-options", f"AUTH={mechanism}")
        curl(f"pop3://127.0.0.1:{full.pop3}/", *options, code=67)

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
    @pytest.mark.parametrize("scheme", ["pop3", "pop3s"])
    def test_tls_that_is_verified(self, full, curl, address, mail, scheme, host):
        full.deliver(mail().encode(), address)
        url = f"{scheme}://{host}:{getattr(full, scheme)}/1"
        assert curl(url, "--ssl-reqd", "--cacert", full.ca, *user(full, address)) == mail()
        assert full.logins(address)[-1][1] == "TLSv1.3"
        curl(url, "--ssl-reqd", *user(full, address), code=60)

    def test_its_commands(self, served, curl, address, mail):
        for subject in ("one", "two"):
            served.deliver(mail(subject).encode(), address)
        url, login = f"pop3://127.0.0.1:{served.pop3}/", ("-u", f"{address}:any")
        size = len(mail("one"))
        assert curl(url, *login) == f"1 {size}\r\n2 {size}\r\n"
        unique = curl(url, *login, "-X", "UIDL")
        assert re.fullmatch(r"1 ([!-~]{1,70})\r\n2 (?!\1)[!-~]{1,70}\r\n", unique), unique
        assert curl(url, *login, "-X", "UIDL") == unique
        curl(f"{url}2", *login, "-l")
        curl(f"{url}3", *login, "-l", code=8)
        header, _, _ = mail("two").partition("\r\n\r\n")
        assert curl(url, *login, "-X", "TOP 2 0") == f"{header}\r\n\r\n"
        assert curl(url, *login, "-X", "TOP 2 2") == f"{header}\r\n\r\nHi.\r\n.\r\n"
        assert curl(url, *login, "-X", "TOP 2 99") == mail("two")
        curl(f"{url}3", *login, code=8)
        curl(f"{url}1", *login, "-X", "DELE", "-l")
        assert curl(url, *login) == f"1 {size}\r\n"
        assert curl(url, *login, "-X", "UIDL").split()[1] == unique.split()[3]

    def test_another_session_has_the_maildrop(self, served, curl, address):
        with socket.create_connection(("127.0.0.1", served.pop3), 10) as sock, sock.makefile("rwb") as first:
            first.write(b"USER %b\r\nPASS x\r\nNOOP\r\n" % address.encode())
            first.flush()
            assert [first.readline()[:3] for _ in range(4)] == [b"+OK"] * 4
            url = f"pop3://127.0.0.1:{served.pop3}/"
            curl(url, "-u", f"{address}:any", code=67)
            first.write(b"QUIT\r\n")
            first.flush()
            assert first.readline().startswith(b"+OK")
            assert first.read() == b""
        assert curl(url, "-u", f"{address}:any").strip() == ""
