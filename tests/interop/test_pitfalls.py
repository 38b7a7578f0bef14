"""What real clients do that servers stumble over, each said once over a plain socket."""

import base64
import socket
import ssl
import time

import pytest


class Dialogue:
    """A connection: octets out, lines in."""

    def __init__(self, port):
        self.sock = socket.create_connection(("localhost", port), 10)
        self.file = self.sock.makefile("rb")
        self.greeting = self.line()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.sock.close()

    def send(self, octets):
        self.sock.sendall(octets)

    def line(self):
        return self.file.readline().decode().rstrip("\r\n")

    def reply(self):
        """The last line of an SMTP reply."""
        while (line := self.line())[3:4] == "-":
            pass
        return line

    def say(self, command):
        self.send(command.encode() + b"\r\n")
        return self.reply()

    def secure(self, context):
        self.file.close()
        self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.file = self.sock.makefile("rb")


def test_all_in_one_segment_and_then_half_closed(served, address, mail):
    """A shell script with nc: everything at once, no more to send, every reply wanted."""
    with Dialogue(served.smtp) as client:
        body = mail().replace("\r\n.", "\r\n..")
        client.send(f"EHLO x\r\nMAIL FROM:<a@x>\r\nRCPT TO:<{address}>\r\nDATA\r\n{body}.\r\nNOOP\r\nQUIT\r\n".encode())
        client.sock.shutdown(socket.SHUT_WR)
        assert [client.reply()[:3] for _ in range(7)] == ["250", "250", "250", "354", "250", "250", "221"]
        assert client.line() == ""
    assert served.arrived(address)["raw"] == mail().encode()


def test_chunks_behind_the_recipient(served, address, mail):
    """Exim, where CHUNKING is offered: BDAT and the mail in the segment of MAIL and RCPT."""
    raw = mail().encode()
    with Dialogue(served.smtp) as client:
        client.say("EHLO x")
        client.send(b"MAIL FROM:<a@x>\r\nRCPT TO:<%b>\r\nBDAT %d LAST\r\n%b" % (address.encode(), len(raw), raw))
        assert [client.reply()[:3] for _ in range(3)] == ["250", "250", "250"]
        assert client.say("QUIT").startswith("221")
    assert served.arrived(address)["raw"] == raw


def test_chunks_behind_a_recipient_that_is_refused(strict, mail):
    """The octets of the chunk are no commands, whatever became of the recipient."""
    raw = b"NOOP\r\nQUIT\r\n"
    with Dialogue(strict.smtp) as client:
        client.say("EHLO x")
        client.say("STARTTLS")
        client.secure(strict.trusting())
        client.say("EHLO x")
        client.send(b"MAIL FROM:<a@x>\r\nRCPT TO:<no@strict.test>\r\nBDAT %d LAST\r\n%bVRFY a\r\n" % (len(raw), raw))
        codes = [client.reply()[:3] for _ in range(4)]
        assert codes[:2] == ["250", "550"]
        assert codes[2][0] == "5"
        assert codes[3] in ("252", "550")


@pytest.mark.parametrize(("listener", "command"), [("smtp", b"STARTTLS"), ("pop3", b"STLS")])
def test_what_came_in_clear_behind_starttls_is_dropped(full, listener, command):
    with Dialogue(getattr(full, listener)) as client:
        if listener == "smtp":
            client.say("EHLO x")
        client.send(command + b"\r\nNOOP\r\nQUIT\r\n")
        assert client.line()[:3] in ("220", "+OK")
        client.secure(full.trusting())
        client.send(b"HELP\r\n" if listener == "smtp" else b"UTF8\r\n")
        assert client.line()[:3] in ("214", "+OK"), "the first reply under TLS is that to the first command under TLS"


@pytest.mark.parametrize("listener", ["smtps", "pop3s"])
def test_the_certificate_is_for_name_and_addresses(full, listener):
    def certificate(name):
        sock = socket.create_connection(("127.0.0.1", getattr(full, listener)), 10)
        with sock, full.trusting().wrap_socket(sock, server_hostname=name) as secured:
            return secured.getpeercert()

    assert {("DNS", "localhost"), ("IP Address", "127.0.0.1")} <= set(certificate("localhost")["subjectAltName"])
    assert certificate("127.0.0.1") == certificate("localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        certificate("elsewhere.example")


def test_failed_logins_are_answered_at_once(full):
    """A server that punishes makes a test run last for minutes."""
    response = base64.b64encode(b"\0bob@example.com\0wrong").decode()
    begun = time.monotonic()
    for _ in range(5):
        with Dialogue(full.smtp) as smtp, Dialogue(full.pop3) as pop:
            smtp.say("EHLO x")
            for _ in range(5):
                assert smtp.say(f"AUTH PLAIN {response}").startswith("535")
                pop.send(f"AUTH PLAIN {response}\r\n".encode())
                assert pop.line().startswith("-ERR [AUTH]")
    assert time.monotonic() - begun < 10


def test_the_forms_of_auth_in_pop3(full, address):
    """With and without an initial response, an empty one, one that was given up; case does not matter."""
    response = base64.b64encode(f"\0{address}\0{full.password}".encode())
    with Dialogue(full.pop3) as client:
        for lines, expected in (
            ([b"AUTH PLAIN", b"*"], ["+ ", "-ERR"]),
            ([b"AUTH PLAIN ="], ["-ERR"]),
            ([b"AUTH CRAM-MD5", b"no base64!"], ["+ ", "-ERR"]),
            ([b"AUTH NONSENSE"], ["-ERR"]),
            ([b"AUTH LOGIN", b"Ym9i", b"*"], ["+ ", "+ ", "-ERR"]),
        ):
            for line, start in zip(lines, expected, strict=True):
                client.send(line + b"\r\n")
                assert client.line().startswith(start), lines
        client.send(b"auth plain " + response + b"\r\n")
        assert client.line().startswith("+OK")


@pytest.mark.parametrize("octets", [b"\r\n\r\n\r\n", b"\xff\xfe\0\r\n", b"x" * 20_000 + b"\r\n", b" NOOP\r\n"])
@pytest.mark.parametrize("listener", ["smtp", "lmtp", "pop3"])
def test_nonsense_gets_an_error_and_the_session_goes_on(full, listener, octets):
    with Dialogue(getattr(full, listener)) as client:
        client.send(octets + b"QUIT\r\n")
        replies = []
        while line := client.line():
            replies.append(line)
        assert replies[-1][:3] in ("221", "+OK")
        assert len(replies) == octets.count(b"\n") + 1
        assert all(reply.startswith(("5", "-ERR")) for reply in replies[:-1])


def test_a_large_mail(served, address):
    """Ten megabytes, in and out, are what they were."""
    raw = b"Subject: large\r\n\r\n" + b"".join(b".%078d\r\n" % number for number in range(125_000))
    with Dialogue(served.smtp) as client:
        client.say("EHLO x")
        client.say(f"MAIL FROM:<a@x> SIZE={len(raw)}")
        client.say(f"RCPT TO:<{address}>")
        assert client.say("DATA").startswith("354")
        client.send(raw.replace(b"\r\n.", b"\r\n..") + b".\r\n")
        assert client.reply().startswith("250")
    assert served.arrived(address)["size"] == len(raw)
    with Dialogue(served.pop3) as client:
        client.send(b"USER %b\r\nPASS x\r\nRETR 1\r\n" % address.encode())
        for _ in range(2):
            client.line()
        assert client.line() == f"+OK {len(raw)} octets"
        stuffed = raw.replace(b"\r\n.", b"\r\n..") + b".\r\n"
        assert client.file.read(len(stuffed)) == stuffed
