"""Servers that IMAP clients are tried with: each of ours, and Dovecot, with which the tests themselves are checked.

A test drives one client; what it did is read by another, ``Watcher``, so that no client is its own witness.
"""

import grp
import imaplib
import os
import pwd
import re
import shutil
import smtplib
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..conftest import without_errors

PASSWORD = "pass word"
MANY = 2000  # messages
SERVERS = ("memory", "sqlite", "postgres", "dovecot")
_FLAGS = re.compile(rb"FLAGS \(([^)]*)\)")
_NAME = re.compile(rb'" "?([^"]+)"?$')  # of a mailbox, at the end of LIST's line

DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = /dev/stderr
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
auth_username_chars =
default_internal_user = {internal}
default_internal_group = {group}
default_login_user = {login}
default_vsz_limit = 2G
mail_location = sdbox:~/sdbox
mail_plugins = quota
first_valid_uid = 1
first_valid_gid = 1
mail_max_userip_connections = 0
mail_fsync = never
lmtp_save_to_detail_mailbox = no
recipient_delimiter =
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
}}
service imap-login {{
  chroot =
  service_count = 0
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
service imap {{
  process_limit = 512
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""


@dataclass(frozen=True)
class Server:
    """Where a client is to connect.

    Attributes:
        kind: which server it is.
        imap, lmtp: ports on 127.0.0.1.
        user, password: of an account that no other test uses.
    """

    kind: str
    imap: int
    lmtp: int
    user: str
    password: str = PASSWORD

    @property
    def ours(self):
        """Whether it is not the reference."""
        return self.kind != "dovecot"

    def deliver(self, *mails):
        """Put mails into INBOX as a mail server would."""
        with smtplib.LMTP("127.0.0.1", self.lmtp, local_hostname="localhost") as lmtp:
            for mail in mails:
                assert lmtp.sendmail("ann@example.com", [self.user], mail.encode()) == {}

    def watcher(self):
        """Another client, logged in."""
        return Watcher(self)


class Watcher(imaplib.IMAP4):
    """Sees what is in the mailboxes, and changes them as another device would."""

    def __init__(self, server):
        super().__init__("127.0.0.1", server.imap, timeout=30)
        self.login(server.user, f'"{server.password}"')

    def ok(self, answer):
        """What a command gave; it must not have failed."""
        kind, data = answer
        assert kind == "OK", data
        return data

    def make(self, *names):
        for name in names:
            self.ok(self.create(name))
            self.ok(self.subscribe(name))

    def put(self, box, *mails, flags=""):
        """Append mails."""
        for mail in mails:
            self.ok(self.append(box, f"({flags})", None, mail.encode()))

    def put_many(self, box, mails):
        """Append many at once, mails with their flags (RFC 3502)."""
        words = []
        for mail, flags in mails:
            octets = mail.encode()
            words.append(b" (%b) {%d+}\r\n%b" % (flags.encode(), len(octets), octets))
        tag = self._new_tag()
        self.send(b"%b APPEND %b%b\r\n" % (tag, box.encode(), b"".join(words)))
        self.ok(self._command_complete("APPEND", tag))

    def change(self, box, subject, *commands):
        """``STORE`` and the like on the one message with a subject: ``("STORE", "+FLAGS", "(x)")``."""
        self.ok(self.select(box))
        (uids,) = self.ok(self.uid("SEARCH", "HEADER", "SUBJECT", f'"{subject}"'))
        assert len(uids.split()) == 1, (subject, uids)
        for name, *words in commands:
            self.ok(self.uid(name, uids.decode(), *words))

    def remove(self, box, subject):
        self.change(box, subject, ("STORE", "+FLAGS.SILENT", r"(\Deleted)"))
        self.ok(self.expunge())

    def names(self):
        """All mailboxes."""
        return {_NAME.search(line).group(1).decode() for line in self.ok(self.list()) if line}

    def found(self, box):
        """What is in a mailbox: subject to flags, ``\\Recent`` left out. No subject comes twice."""
        (count,) = self.ok(self.select(f'"{box}"', readonly=True))
        if count == b"0":
            return {}
        data = self.ok(self.fetch("1:*", "(FLAGS UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])"))
        found = {}
        for at, (line, header) in ((at, part) for at, part in enumerate(data) if isinstance(part, tuple)):
            flags = (_FLAGS.search(line) or _FLAGS.search(data[at + 1])).group(1).split()
            subject = header.decode().partition(":")[2].strip()
            assert subject not in found, f"{subject} is there twice"
            found[subject] = {flag.decode() for flag in flags} - {r"\Recent"}
        return found

    def subjects(self, box):
        """The same without the flags."""
        return set(self.found(box))


def _free_ports(count):
    """Ports nobody has now. Dovecot cannot be handed a socket; whoever comes in between makes it fail to start."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [sock.getsockname()[1] for sock in sockets]


@contextmanager
def _dovecot(path):
    folder = Path(tempfile.mkdtemp(prefix="dovecot-"))  # sockets lie here: a long path would not do
    try:
        root = os.geteuid() == 0
        me, own_group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
        names = ("mail", "dovecot", "dovecot", "dovenull") if root else (me, me, own_group, me)
        user, internal, group, login = names
        (folder / "mail").mkdir()
        folder.chmod(0o755)
        if root:
            shutil.chown(folder / "mail", user, user)
        imap, lmtp = _free_ports(2)
        config = folder / "dovecot.conf"
        config.write_text(
            DOVECOT.format(folder=folder, imap=imap, lmtp=lmtp, user=user, internal=internal, group=group, login=login)
        )
        process = subprocess.Popen(
            [path, "-F", "-c", config], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        try:
            for line in process.stderr:
                if "starting up" in line:  # said when the ports are bound
                    break
            else:
                pytest.fail(f"Dovecot does not start: {process.wait()}")
            with ThreadPoolExecutor(1) as pool:
                pool.submit(process.stderr.read)  # its log: an unread pipe would stop it
                yield imap, lmtp
                process.terminate()
        finally:
            process.terminate()
            process.wait(10)
            process.stderr.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def dovecot(absent):
    """The ports of a Dovecot; it ends with the run."""
    path = shutil.which("dovecot", path="/usr/sbin:/sbin:/usr/local/sbin")
    if path is None:
        absent("dovecot is not installed")
    with _dovecot(path) as ports:
        yield ports


def pytest_generate_tests(metafunc):
    """Each test with each server; many messages not with PostgreSQL too, for the time that takes."""
    if "server" in metafunc.fixturenames:
        kinds = [kind for kind in SERVERS if kind != "postgres" or "many" not in metafunc.fixturenames]
        metafunc.parametrize("server", kinds, indirect=True)


@pytest.fixture
def server(request, address, servers):
    """Each server in turn."""
    if request.param == "dovecot":
        yield Server("dovecot", *request.getfixturevalue("dovecot"), address)
        return
    postgres = request.param == "postgres"
    with without_errors(request.getfixturevalue("on_postgres") if postgres else servers(request.param)) as served:
        yield Server(request.param, served.imap, served.lmtp, address)


@pytest.fixture
def letter(address):
    """Makes a small mail."""

    def letter(subject, body="Hi."):
        return (
            f"From: Ann <ann@example.com>\r\nTo: {address}\r\nSubject: {subject}\r\n"
            f"Message-ID: <{subject.replace(' ', '.')}@example.com>\r\n"
            f"Date: Mon, 4 May 2026 10:00:00 +0200\r\n\r\n{body}\r\n"
        )

    return letter


@pytest.fixture
def watcher(server):
    """Another client of the same account."""
    with server.watcher() as watcher:
        yield watcher


@pytest.fixture
def many(watcher, letter):
    """A mailbox ``Many`` with many messages; the subject of each is its number, every tenth is flagged."""
    watcher.make("Many")
    numbers = range(1, MANY + 1)
    watcher.put_many("Many", [(letter(str(number)), "" if number % 10 else r"\Flagged") for number in numbers])
    return "Many"
