"""No secret is ever written down.

A canary, in every mechanism, command and encoding, is looked for in all there is to read: sessions, commands, refusals,
messages, errors, the log, the HTTP interface.
"""

import base64
import hashlib
import hmac
import json
import logging
import re
import socket
import urllib.request
from urllib.parse import quote

import pytest

from mailtrap import MailServer
from mailtrap.hookspecs import Refuse, hookimpl

CANARY = "Canary-7f3a9c-Geheim"
USER = "ann@example.com"


def encodings(secret):
    """Forms that a secret may be found in: as it is, in base64 at each of its offsets, in hex, percent-encoded."""
    octets = secret.encode()
    found = {secret, secret.lower(), octets.hex(), quote(secret), secret[::-1]}
    for offset in range(3):
        whole = base64.b64encode(b"\0" * offset + octets).decode()
        # the ends depend on what stands beside it
        found.add(whole[4 if offset else 0 : (offset + len(octets)) // 3 * 4])
    return {form for form in found if len(form) > 8}


FORMS = encodings(CANARY)


def b64(text):
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


def plain(password=CANARY):
    return b64(f"\0{USER}\0{password}")


def xoauth2(token=CANARY):
    return b64(f"user={USER}\x01auth=Bearer {token}\x01\x01")


def bearer(token=CANARY):
    return b64(f"n,a={USER},\x01auth=Bearer {token}\x01\x01")


class Cram:
    """The response to a challenge."""

    def __call__(self, challenge):
        digest = hmac.new(CANARY.encode(), base64.b64decode(challenge), "md5").hexdigest()
        return b64(f"{USER} {digest}")


class Scram:
    """The second response: the proof."""

    first = f"n={USER},r=nonce"

    def __call__(self, challenge):
        server = base64.b64decode(challenge).decode()
        fields = dict(field.split("=", 1) for field in server.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", CANARY.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        without = f"c=biws,r={fields['r']}"
        signature = hmac.digest(hashlib.sha256(key).digest(), f"{self.first},{server},{without}".encode(), "sha256")
        return b64(f"{without},p={b64(bytes(a ^ b for a, b in zip(key, signature, strict=True)))}")


# mechanism, initial response or None, responses to the challenges that follow
EXCHANGES = [
    ("PLAIN", plain(), ()), ("PLAIN", None, (plain(),)), ("PLAIN", plain() + "=", ()),
    ("PLAIN", plain()[:-1] + "!", ()),
    ("PLAIN", b64(f"other\0{USER}\0{CANARY}"), ()), ("PLAIN", CANARY, ()), ("PLAIN", f"{plain()} {plain()}", ()),
    ("LOGIN", b64(USER), (b64(CANARY),)), ("LOGIN", None, (b64(USER), b64(CANARY))),
    ("LOGIN", None, (b64(USER), CANARY)), ("LOGIN", CANARY, (CANARY,)),
    ("CRAM-MD5", None, (Cram(),)), ("CRAM-MD5", None, (b64(f"{USER} {CANARY}"),)),
    ("SCRAM-SHA-256", b64(f"n,,{Scram.first}"), (Scram(), "")), ("SCRAM-SHA-256", None, (b64(CANARY),)),
    ("XOAUTH2", xoauth2(), ("",)), ("XOAUTH2", None, (xoauth2(), "")), ("XOAUTH2", xoauth2("x" + CANARY), ("",)),
    ("OAUTHBEARER", bearer(), ("AQ==",)), ("OAUTHBEARER", None, (bearer(), "AQ==")),
    ("DIGEST-MD5", plain(), ()), (plain(), None, ()), ("PLAIN", "A" * 20_000 + plain(), ()),
]  # fmt: skip
SMTP = [
    f"AUTH PLAIN{plain()}", f"AUTHPLAIN {plain()}", f"auth\tplain\t{plain()}", f" AUTH PLAIN {plain()}",
    f"AUTH LOGIN {USER} {CANARY}", f"LOGIN {USER} {CANARY}", f"PASS {CANARY}", f"a1 LOGIN {USER} {CANARY}",
    f"AUTH PLAIN\0{plain()}", f"AUTH PLAIN {plain()}\x7f",
]  # fmt: skip
POP3 = [
    f"PASS {CANARY}", f"pass {CANARY}", f"PASS  {CANARY}", f"USER {USER}\r\nPASS {CANARY}",
    f"USER {USER}\r\nPASS {CANARY} x", f"USER {USER}\r\nPASS x{CANARY}", f"APOP {USER} {CANARY}",
    f"APOP {USER} x {CANARY}", f"AUTH PLAIN {plain()} {plain()}",
    f" PASS {CANARY}", f"PASS\t{CANARY}", f"AUTH\tPLAIN {plain()}",
]  # fmt: skip
IMAP = [
    f"LOGIN {USER} {CANARY}", f'LOGIN "{USER}" "{CANARY}"', f"login {USER} {CANARY} more",
    f"LOGIN {USER} wrong{CANARY}", f"LOGIN {{{len(USER)}+}}\r\n{USER} {{{len(CANARY)}+}}\r\n{CANARY}",
    f"LOGIN {USER} {{{len(CANARY)}+}}\r\n{CANARY} x",
    f'LOGIN {USER} "{CANARY}', f"LOGIN  {USER} {CANARY}", f"LOGIN {USER}\t{CANARY}",
    f"LOGIN {USER} {{9999999+}}\r\n{CANARY}", f"AUTHENTICATE PLAIN {plain()} {plain()}",
    f"AUTHENTICATE PLAIN  {plain()}",
]  # fmt: skip


class Conversation:
    """A client that sends what it is told and waits for each answer."""

    def __init__(self, endpoint, context):
        self.sock = socket.create_connection((endpoint.host, endpoint.port), 20)
        if endpoint.tls == "implicit":
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        self.protocol = endpoint.name.removesuffix("s") if endpoint.name != "submission" else "smtp"
        self.replies = self.sock.makefile("rb")
        self.sent = []
        self.line()

    def line(self):
        return self.replies.readline().decode("utf-8", "replace").rstrip("\r\n")

    def send(self, line):
        self.sent.append(line)
        self.sock.sendall(line.encode() + b"\r\n")

    def answer(self):
        """The last line of an answer, or a challenge, or ``""`` at the end."""
        while True:
            line = self.line()
            if self.protocol in ("smtp", "lmtp"):
                if line[3:4] != "-":
                    return line
            elif self.protocol == "pop3" or not line.startswith("* ") or line.startswith("* BYE"):
                return line

    def exchange(self, mechanism, initial, responses):
        verb = "a AUTHENTICATE" if self.protocol == "imap" else "AUTH"
        self.send(f"{verb} {mechanism}" + (f" {initial}" if initial is not None else ""))
        said = self.answer()
        for response in responses:
            kind, _, challenge = said.partition(" ")
            if kind not in ("334", "+"):
                break
            self.send(response if isinstance(response, str) else response(challenge))
            said = self.answer()
        return said

    def close(self):
        self.replies.close()
        self.sock.close()


@pytest.fixture
def server(kind):
    """Servers that let the canary in, know nobody, want TLS first, or whose plugin says no."""

    class Plugin:
        @hookimpl
        def mailtrap_before_login(self, session, user, mechanism):
            return Refuse(535, "5.7.1 not you")

    settings = {
        "knowing": {"default_password": CANARY, "imap_capabilities": ["+LITERAL+"]},
        "strict": {"routing": "strict", "default_password": "other"},
        "starttls": {"starttls": "required", "default_password": CANARY},
        "refusing": {"plugins": (Plugin(),), "default_password": CANARY},
    }[kind]
    with MailServer(**settings) as server:
        yield server


def everything(server, caplog):
    """All that can be read, in one text."""
    found = [caplog.text]
    for session in server.all_sessions:
        found += [session.transcript, repr(session), repr(list(session.commands)), repr(session.summary())]
    for refusal in server.all_refused:
        found += [repr(refusal), refusal.reply, repr(refusal.envelope), refusal.session.transcript, repr(refusal.raw)]
    for message in server.page(all_scopes=True):
        found += [message.transcript, message.session.transcript, repr(message)]
    found += [repr(error) for error in server.errors]
    for path in (
        "sessions",
        "refused",
        "errors",
        "accounts",
        "messages",
    ):
        with urllib.request.urlopen(f"{server.http.url}/api/mailtrap/{path}?scope=*", timeout=20) as answer:
            text = answer.read().decode()
            if path == "sessions":
                found += [json.dumps(describe(server, each["id"])) for each in json.loads(text)]
            found.append(text)
    for page in ("/", "/sessions", "/refused"):
        with urllib.request.urlopen(f"{server.http.url}{page}", timeout=20) as answer:
            found.append(answer.read().decode())
    return "\n".join(found)


def describe(server, session):
    with urllib.request.urlopen(f"{server.http.url}/api/mailtrap/sessions/{session}", timeout=20) as answer:
        return json.load(answer)


def without_secrets(server, caplog, sent):
    text = everything(server, caplog)
    found = sorted(form for form in FORMS if form in text)
    assert not found, [line for line in text.splitlines() if any(form in line for form in found)][:5]
    for response in sent:
        for word in re.findall(r"[A-Za-z0-9+/=]{40,}", response):
            assert word not in text, "a response, or a part of one"


PLAIN = ["smtp", "lmtp", "pop3", "imap"]
CASES = [
    *(("knowing", listener) for listener in (*PLAIN, "submission", "smtps", "pop3s", "imaps")),
    *((kind, listener) for kind in ("strict", "starttls", "refusing") for listener in PLAIN),
]


@pytest.mark.parametrize(("kind", "listener"), CASES)
def test_mechanisms(server, caplog, listener):
    caplog.set_level(logging.DEBUG)
    endpoint, context = getattr(server, listener), server.ssl_context()
    sent, successes = [], 0
    for exchange in EXCHANGES:
        for hello in (True, False):
            client = Conversation(endpoint, context)
            if client.protocol in ("smtp", "lmtp") and hello:
                client.send("LHLO x" if listener == "lmtp" else "EHLO x")
                client.answer()
            said = client.exchange(*exchange)
            successes += said.startswith(("235", "+OK", "a OK"))
            # and once more, where it may be out of order, or a mail follows
            client.exchange(*exchange)
            if client.protocol in ("smtp", "lmtp"):
                for line in ("MAIL FROM:<a@x.test>", "RCPT TO:<b@x.test>", f"AUTH PLAIN {plain()}", "DATA", "x\r\n."):
                    client.send(line)
                    client.answer()
            sent += client.sent
            client.close()
    without_secrets(server, caplog, [line for line in sent if not line.startswith(("MAIL", "RCPT", "DATA"))])
    if server.settings["default_password"] == CANARY and not server.settings["plugins"] and endpoint.tls != "starttls":
        assert successes > 8, "what was looked for had been there"


@pytest.mark.parametrize(("kind", "listener"), CASES)
def test_commands(server, caplog, listener):
    caplog.set_level(logging.DEBUG)
    endpoint, context = getattr(server, listener), server.ssl_context()
    lines = {"smtp": SMTP, "lmtp": SMTP, "pop3": POP3, "imap": [f"a {line}" for line in IMAP]}
    protocol = Conversation(endpoint, context)
    protocol.close()
    for line in lines[protocol.protocol]:
        if "9999999" in line and endpoint.tls == "implicit":
            continue  # only a client that half-closes hears of it
        client = Conversation(endpoint, context)
        if client.protocol in ("smtp", "lmtp"):
            client.send("EHLO x")
            client.answer()
        client.send(line)
        client.send("b NOOP" if client.protocol == "imap" else "NOOP")
        if endpoint.tls != "implicit":
            client.sock.shutdown(socket.SHUT_WR)  # some lines have no end that the server could see
        client.answer()
        client.answer()
        client.close()
    without_secrets(server, caplog, [])


def test_what_looks_for_it_finds_it():
    """The search itself: each form, whatever stands around it."""
    for around in range(3):
        coded = b64("x" * around + CANARY + "yz")
        assert any(form in coded for form in FORMS)
    assert any(form in plain() for form in FORMS)
    assert any(form in xoauth2() for form in FORMS)
    assert any(form in f"C 0.1 PASS {CANARY}" for form in FORMS)
