"""The same commands to Dovecot and to ours: how each is answered, and where that differs, on purpose."""

import re
import socket
from pathlib import Path

from .conftest import Server

MAIL = (
    "From: =?utf-8?q?J=C3=BCrgen?= <j@example.com>\r\nTo: group: a@x.com, \"B, C\" <b@x.com>;\r\nCc: broken@\r\n"
    "Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\nDate: Mon, 4 May 2026 10:00:00 +0200\r\nMessage-ID: <1@example.com>\r\n"
    "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n"
    "Content-Type: text/plain; charset=utf-8; format=flowed\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    "Gr=C3=BC=C3=9Fe needle\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
    "From: x@y.z\r\nSubject: inner\r\n\r\ninner body\r\n--b\r\n"
    "Content-Type: application/pdf; name=\"a.pdf\"\r\nContent-Disposition: attachment; filename=\"a.pdf\"\r\n"
    "Content-Transfer-Encoding: base64\r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\nContent-Language: en, de\r\n\r\n"
    "aGVsbG8=\r\n--b--\r\nepilogue\r\n"
)  # fmt: skip

FETCHES = """
FETCH 1 ENVELOPE
FETCH 1 BODY
FETCH 1 BODYSTRUCTURE
FETCH 1 BODY.PEEK[]
FETCH 1 BODY.PEEK[HEADER]
FETCH 1 BODY.PEEK[TEXT]
FETCH 1 BODY.PEEK[1]
FETCH 1 BODY.PEEK[1.MIME]
FETCH 1 BODY.PEEK[2]
FETCH 1 BODY.PEEK[2.1]
FETCH 1 BODY.PEEK[2.HEADER]
FETCH 1 BODY.PEEK[2.TEXT]
FETCH 1 BODY.PEEK[2.HEADER.FIELDS (SUBJECT)]
FETCH 1 BODY.PEEK[3]
FETCH 1 BODY.PEEK[3.MIME]
FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject nothing)]
FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (From To Cc Subject Date)]
FETCH 1 BODY.PEEK[]<0.20>
FETCH 1 BODY.PEEK[TEXT]<5.10>
FETCH 1 BODY.PEEK[]<100000.10>
FETCH 1 (RFC822.SIZE)
FETCH 1 RFC822.HEADER
FETCH 1 BINARY.PEEK[1]
FETCH 1 BINARY.PEEK[3]
FETCH 1 BINARY.SIZE[3]
UID FETCH 1 (RFC822.SIZE)
FETCH 2:3 RFC822.SIZE
UID FETCH 99 RFC822.SIZE
""".strip().splitlines()

SEARCHES = """
SEARCH ALL
SEARCH SUBJECT Grüße
SEARCH FROM jürgen
SEARCH TO b@x.com
SEARCH BODY needle
SEARCH BODY grüße
SEARCH TEXT inner
SEARCH HEADER Message-ID 1@example
SEARCH HEADER X-None ""
SEARCH SENTON 4-May-2026
SEARCH SENTSINCE 5-May-2026
SEARCH LARGER 500 SMALLER 5000
SEARCH NOT DELETED UNSEEN
SEARCH OR SEEN (UNSEEN 1)
SEARCH UID 1:*
SEARCH KEYWORD $none
SEARCH RETURN (MIN MAX COUNT ALL) ALL
UID SEARCH RETURN () ALL
SORT (SUBJECT) UTF-8 ALL
THREAD REFERENCES UTF-8 ALL
THREAD ORDEREDSUBJECT UTF-8 ALL
""".strip().splitlines()

ODD = """
FETCH
FETCH 1
FETCH 0 FLAGS
FETCH 1:0 FLAGS
FETCH a FLAGS
FETCH 1 NOTHING
FETCH 1 BODY[
FETCH 1 BODY[0]
FETCH 1 BODY[HEADER.FIELDS]
FETCH 1 BODY[]<0.0>
FETCH 1 (FLAGS
FETCH 1 FLAGS FLAGS
STORE 1 FLAGS
STORE 1 XFLAGS (a)
STORE 1 +FLAGS (\\Nothing)
STORE 1 +FLAGS (\\Recent)
SEARCH
SEARCH NOTHING
SEARCH SINCE yesterday
SEARCH SINCE 32-May-2026
SEARCH CHARSET X-NONE ALL
SEARCH OR ALL
SEARCH NOT
SEARCH (ALL
SEARCH 1:
COPY 1 Nowhere
COPY 1
MOVE 1 Nowhere
UID EXPUNGE
UID NOOP
SELECT Nowhere
CREATE INBOX
DELETE INBOX
DELETE Nowhere
RENAME Nowhere Elsewhere
RENAME INBOX
STATUS INBOX (NOTHING)
STATUS INBOX ()
STATUS Nowhere (MESSAGES)
LIST "" %
LIST ""
LSUB "" *
SUBSCRIBE
ENABLE
ENABLE X-NOTHING
NAMESPACE x
ID
ID NIL
ID (a)
NOOP x
LOGIN a b
AUTHENTICATE PLAIN
STARTTLS
GETACL INBOX
X-NOTHING
SORT ALL
SORT (NOTHING) UTF-8 ALL
THREAD NOTHING UTF-8 ALL
CLOSE x
APPEND INBOX
APPEND INBOX (\\Seen
""".strip().splitlines()


DIFFERENT = {
    "FETCH 1 ENVELOPE", "SEARCH SUBJECT Grüße", "SEARCH FROM jürgen", "SEARCH BODY grüße", "SEARCH KEYWORD $none",
    "FETCH 1 BODY[0]", "FETCH 1 BODY[]<0.0>", "STORE 1 FLAGS", "SEARCH SINCE 32-May-2026", 'LSUB "" *', "ENABLE",
    "ENABLE X-NOTHING", "NAMESPACE x", "ID", "ID NIL", "ID (a)", "NOOP x", "GETACL INBOX",
}  # fmt: skip
_LABEL = re.compile(r"(?<=HEADER\.FIELDS)[^]]*(?=\])")
SPECS = Path(__file__).parents[3] / "SPECS.md"


class Dialogue:
    """One connection."""

    def __init__(self, server):
        self.sock = socket.create_connection(("127.0.0.1", server.imap), 30)
        self.file = self.sock.makefile("rwb")
        self.file.readline()

    def ask(self, line):
        """What came untagged, and how the command ended: OK, NO or BAD with its code."""
        self.file.write(f"x {line}\r\n".encode())
        self.file.flush()
        said = []
        while True:
            part = self.file.readline()
            assert part, said
            while found := re.search(rb"~?\{(\d+)\}\r\n$", part):
                part += self.file.read(int(found.group(1))) + self.file.readline()
            if part.startswith(b"x "):
                found = re.match(rb"x (OK|NO|BAD)(?: \[([A-Z-]+))?", part)
                return said, found.group(1).decode(), (found.group(2) or b"").decode()
            said.append(part.decode("utf-8", "replace"))

    def close(self):
        self.file.close()
        self.sock.close()


def plain(untagged):
    """What may be written in more than one way in one way: names of fields, literals, text for people."""
    lines = [_LABEL.sub(lambda found: found.group().upper(), line).replace("~{", "{") for line in untagged]
    return [line.partition("] ")[0] if line.startswith("* OK [") else line for line in lines]


def test_answers_differ_only_on_purpose(dovecot, servers, address):
    served = servers("memory")
    answers = []
    for server in (Server("memory", served.imap, served.lmtp, address), Server("dovecot", *dovecot, address)):
        with server.watcher() as watcher:
            watcher.put("INBOX", MAIL, "From: a@b.c\r\nSubject: second\r\n\r\nx\r\n", "\r\nno header\r\n")
        dialogue = Dialogue(server)
        try:
            dialogue.ask(f"LOGIN {address} pw")
            dialogue.ask("SELECT INBOX")
            answers.append({line: dialogue.ask(line) for line in (*FETCHES, *SEARCHES, *ODD)})
        finally:
            dialogue.close()
    ours, theirs = answers
    differing = {}
    for line in ours:
        (said, ended, code), (their, their_end, their_code) = ours[line], theirs[line]
        # ours gives a code where Dovecot gives only text
        if plain(said) != plain(their) or ended != their_end or (their_code and code != their_code):
            differing[line] = (ours[line], theirs[line])
    assert {line: found for line, found in differing.items() if line not in DIFFERENT} == {}
    assert set(differing) == DIFFERENT


def test_the_differences_are_explained():
    table = re.findall(r"^\| `(.*?)` \| [^|]+ \| [^|]+ \| [^|]+ \|$", SPECS.read_text("utf-8"), re.MULTILINE)
    assert set(table) == DIFFERENT
