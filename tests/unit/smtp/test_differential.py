"""The same dialogues to plain aiosmtpd and to us. Each difference in the codes is in the table, with its reason."""

import socket

import pytest
from aiosmtpd.controller import Controller

from mailtrap import MailServer

BEGIN = ["EHLO client.example"]
MAIL = [*BEGIN, "MAIL FROM:<a@x.example>"]
RCPT = [*MAIL, "RCPT TO:<b@x.example>"]

DIALOGUES = {
    "a mail": [*RCPT, "DATA", "Subject: x\r\n\r\n..dot\r\n.", "QUIT"],
    "two mails": [*RCPT, "DATA", "x\r\n.", *RCPT[1:], "DATA", ".y\r\n\r\n..\r\n.", "QUIT"],
    "helo": ["HELO client.example", "MAIL FROM:<a@x.example>", "RCPT TO:<b@x.example>", "DATA", "x\r\n.", "QUIT"],
    "lower case": ["ehlo x", "mail from:<a@x.example>", "rcpt to:<b@x.example>", "data", "x\r\n.", "quit"],
    "an empty mail": [*RCPT, "DATA", ".", "QUIT"],
    "the null sender": [*BEGIN, "MAIL FROM:<>", "RCPT TO:<b@x.example>", "DATA", "x\r\n.", "QUIT"],
    "parameters": [*BEGIN, "MAIL FROM:<a@x.example> SIZE=100 BODY=8BITMIME", "RCPT TO:<b@x.example>", "QUIT"],
    "too large": [*BEGIN, "MAIL FROM:<a@x.example> SIZE=999999999999", "QUIT"],
    "size that is none": [*BEGIN, "MAIL FROM:<a@x.example> SIZE=much", "QUIT"],
    "unknown parameters": [*BEGIN, "MAIL FROM:<a@x.example> FOO=1", *MAIL[1:], "RCPT TO:<b@x> FOO", "QUIT"],
    "body": [*BEGIN, "MAIL FROM:<a@x.example> BODY=9BIT", "MAIL FROM:<a@x.example> BODY=BINARYMIME", "QUIT"],
    "dsn": [*BEGIN, "MAIL FROM:<a@x.example> RET=HDRS", "RCPT TO:<b@x.example> NOTIFY=NEVER", "QUIT"],
    "utf-8": [*BEGIN, "MAIL FROM:<ä@x.example> SMTPUTF8", "MAIL FROM:<ä@x.example>", "QUIT"],
    "order": ["MAIL FROM:<a@x>", "RCPT TO:<b@x>", "DATA", *BEGIN, "RCPT TO:<b@x>", "DATA", "QUIT"],
    "mail twice": [*MAIL, "MAIL FROM:<a@x.example>", "QUIT"],
    "data without recipients": [*MAIL, "DATA", "QUIT"],
    "data with an argument": [*RCPT, "DATA now", "QUIT"],
    "rset": [*RCPT, "RSET", "RCPT TO:<b@x.example>", "RSET all", "QUIT"],
    "ehlo again": [*RCPT, "EHLO again", "RCPT TO:<b@x.example>", "QUIT"],
    "without arguments": ["EHLO", "HELO", *BEGIN, "MAIL", "MAIL FROM:", *MAIL[1:], "RCPT", "RCPT TO:", "VRFY"],
    "paths": [
        *BEGIN, "MAIL FROM: <a@x.example>", "RSET", "MAIL FROM:a@x.example", "RCPT TO:<@r.example:b@x.example>",
        'RCPT TO:<"a b"@x.example>', "RCPT TO:<b@[192.0.2.1]>", "RCPT TO:<b@[IPv6:::1]>", "RCPT TO:<postmaster>",
        "RCPT TO:<b@x.example", "RCPT TO:<b b@x.example>", "RCPT TO:<b@@x.example>", "RCPT TO:<b@x..example>",
        "RCPT TO:<>", "RCPT TO:<b..c@x.example>", "RCPT TO:<b(comment)@x.example>", "QUIT",
    ],
    "other commands": ["NOOP", "NOOP x", "HELP", "HELP MAIL", "HELP FOO", "VRFY b@x", "EXPN b", "QUIT now", "QUIT"],
    "authentication": [*BEGIN, "AUTH PLAIN", "AUTH NONSENSE", "AUTH", "QUIT"],
    "starttls": [*BEGIN, "STARTTLS", "QUIT"],
    "unknown commands": ["FOO", "", "FOO", "MAILX", "NOOP", "QUIT"],
    "a long command": [*BEGIN, "NOOP " + "x" * 600, "NOOP " + "x" * 1500, "QUIT"],
    "a long line of data": [*RCPT, "DATA", "x" * 5000 + "\r\n.", "QUIT"],
    "chunks": [*RCPT, "BDAT 3 LAST\r\nabc", "QUIT"],
}  # fmt: skip

# dialogue and number of the line: aiosmtpd's code, ours, and why
DIFFERENCES = {
    ("body", 3): ("501", "250", "aiosmtpd has no BINARYMIME (RFC 3030)"),
    ("dsn", 2): ("555", "250", "aiosmtpd has no DSN (RFC 3461)"),
    ("dsn", 3): ("503", "250", "the same: its MAIL was refused"),
    ("paths", 10): (
        "250",
        "501",
        "aiosmtpd's parser is for header fields and mends them; a missing bracket is no path",
    ),
    ("paths", 11): ("250", "501", "the same: a space is in no dot-string (RFC 5321, 4.1.2)"),
    ("paths", 12): ("553", "501", "553 is for names that are not allowed; 501 is bad syntax (RFC 5321, 4.2.2)"),
    ("paths", 13): ("553", "501", "the same"),
    ("paths", 14): ("250", "501", "the null path is no forward-path (RFC 5321, 4.1.1.3)"),
    ("paths", 16): ("250", "501", "comments are for header fields"),
    ("other commands", 3): ("250", "214", "214 is the code of HELP (RFC 5321, 4.3.2)"),
    ("other commands", 4): ("250", "214", "the same"),
    ("other commands", 5): ("501", "504", "HELP is there, this parameter is not (RFC 5321, 4.2.2)"),
    ("starttls", 2): ("454", "502", "454 is for a TLS that fails for the moment (RFC 3207, 4); here it is not offered"),
    ("a long command", 2): ("500", "250", "aiosmtpd takes 512 octets; ours is 12,288 for all commands (RFC 4954, 4.3)"),
    ("a long command", 3): ("500", "250", "the same"),
    ("a long line of data", 5): ("500", "250", "lines over 998 octets are kept as they came; real programs send them"),
    ("chunks", 4): ("500", "250", "aiosmtpd has no CHUNKING (RFC 3030); the octets of the chunk were one more command"),
}


def read_reply(stream):
    """One reply; its code, or an empty text where the connection has ended."""
    while True:
        line = stream.readline()
        if line[3:4] != b"-":
            return line[:3].decode()


def codes(address, lines):
    with socket.create_connection(address, timeout=10) as sock, sock.makefile("rb") as stream:
        found = [read_reply(stream)]
        for line in lines:
            sock.sendall(line.encode() + b"\r\n")
            found.append(read_reply(stream))
        return found


class Recorder:
    """Keeps the bytes of each mail."""

    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):
        self.mails.append(envelope.original_content)
        return "250 OK"


class BoundController(Controller):
    """A Controller on a free port: bound here, for it wants to know its port beforehand."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0))
        super().__init__(
            Recorder(), hostname="127.0.0.1", port=self.socket.getsockname()[1], server_hostname="theirs.test",
            auth_require_tls=False,
        )  # fmt: skip

    def _create_server(self):
        return self.loop.create_server(self._factory_invoker, sock=self.socket)


@pytest.fixture(scope="module")
def servers():
    controller = BoundController()
    controller.start()
    with MailServer() as server:
        yield controller, server
    controller.stop()


@pytest.mark.parametrize("name", DIALOGUES)
def test_codes_are_the_same_or_the_difference_is_explained(servers, name):
    lines = DIALOGUES[name]
    controller, server = servers
    mails = controller.handler.mails
    mails.clear()
    mark = len(server.messages)
    theirs = codes(("127.0.0.1", controller.port), lines)
    ours = codes((server.smtp.host, server.smtp.port), lines)
    found = {
        (name, number): (their, our)
        for number, (their, our) in enumerate(zip(theirs, ours, strict=True))
        if their != our
    }
    explained = {key: value[:2] for key, value in DIFFERENCES.items() if key[0] == name}
    assert found == explained, [(number, lines[number - 1]) for _, number in found]
    if not found:
        assert [message.raw for message in server.messages[mark:]] == mails


def test_every_explanation_names_a_line():
    for name, number in DIFFERENCES:
        assert 0 < number <= len(DIALOGUES[name])
