"""Servers as their users start them, ``mailtrap serve``, and what tests of real clients need.

Servers start at first use and are shared by all tests of a worker; each test uses an address of its own. What arrived
is asked of the HTTP API, so a test sees the envelope, the login and the TLS of the client it ran.
"""

import hashlib
import importlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

LISTENERS = ("smtp", "smtps", "submission", "lmtp", "pop3", "pop3s", "imap", "imaps", "http")
PASSWORD = "s3 crét"  # of every account where the server knows passwords
KINDS = {
    "memory": (),
    "sqlite": ("--store", "sqlite:///{folder}/mail.db"),
    "postgres": ("--store", "{database}"),
    # everything a client may take: STARTTLS, and the mechanisms for which the server knows the password
    "full": ("--starttls", "offered", "--default-password", PASSWORD),
    # behind a proxy, which says who its client is
    "trusting": ("--trusted-proxies", "127.0.0.1"),
    "proxied": ("--trusted-proxies", "127.0.0.1", "--proxy-protocol", "true"),
    # nothing a client may leave out
    "strict": (
        "--starttls", "required", "--routing", "strict", "--local-domain", "strict.test",
        "--account", f"bob@strict.test:{PASSWORD}", "--account", f"ann@strict.test:{PASSWORD}",
    ),
}  # fmt: skip

SERVED = []  # those that run


@dataclass
class Served:
    """A running ``mailtrap serve``.

    Attributes:
        ports: listener to port; each is an attribute too.
        process: its process.
        ca: the file with what a client has to trust.
        url: of the HTTP listener.
        password: of every account.
    """

    ports: dict[str, int]
    process: subprocess.Popen
    ca: Path
    password: str = PASSWORD

    def __getattr__(self, listener):
        try:
            return self.__dict__["ports"][listener]
        except KeyError:
            raise AttributeError(listener) from None

    @property
    def url(self):
        return f"http://127.0.0.1:{self.http}"

    def ask(self, path, body=None, **query):
        """What the HTTP API answers."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        request = urllib.request.Request(f"{self.url}/api/mailtrap/{path}?{urlencode(query)}", data)
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def tell(self, path, body=None, **query):
        """The same, as values."""
        return json.loads(self.ask(path, body, **query))

    def arrived(self, recipient, timeout=5, **criteria):
        """The one message for a recipient, once it is there, with ``raw``."""
        found = self.tell("wait", recipients=recipient, timeout=timeout, **criteria)
        assert found["found"], found["explanation"]
        message = found["message"]
        return message | {"raw": self.ask(f"messages/{message['id']}/raw")}

    def deliver(self, raw, recipient):
        """Put a mail into a mailbox."""
        return self.tell("messages", raw, recipient=recipient)

    def logins(self, user):
        """The mechanisms of the sessions of a user, oldest first, each with the version of TLS."""
        return [
            (session["mechanism"], session["tls"] and session["tls"]["version"])
            for session in self.tell("sessions")
            if session["user"] == user
        ]

    def token(self, user, expires_in=60):
        """An OAuth token."""
        return self.tell("tokens", {"user": user, "expires_in": expires_in})["token"]

    def trusting(self):
        """A TLS context that trusts this server, and nobody else."""
        return ssl.create_default_context(cafile=self.ca)


@contextmanager
def serving(kind, folder, database=""):
    ports_file = folder / "ports.json"
    command = [sys.executable, "-m", "mailtrap", "serve", "--ports-file", str(ports_file)]
    command += [word.replace("{folder}", str(folder)).replace("{database}", database) for word in KINDS[kind]]
    for name in LISTENERS:
        command += [f"--{name}-port", "0"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=folder, text=True)
        try:
            for line in process.stdout:  # the viewer's line is printed last, after the file is written
                if line.startswith("viewer"):
                    break
            else:
                pytest.fail(f"mailtrap serve ended: {(folder / 'log').read_text()}")
            found = json.loads(ports_file.read_text())
            served = Served({name: entry["port"] for name, entry in found.items()}, process, folder / "ca.pem")
            served.ca.write_bytes(served.ask("ca.pem"))
            SERVED.append(served)
            yield served
            SERVED.remove(served)
            if process.poll() != -signal.SIGKILL:  # else the test killed it
                process.send_signal(signal.SIGTERM)
                assert process.wait(10) == 0, (folder / "log").read_text()
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


@pytest.fixture(scope="session")
def servers(tmp_path_factory):
    """Gives the server of a kind; it ends with the run."""
    running = {}
    with ExitStack() as stack:

        def server(kind):
            if kind not in running:
                running[kind] = stack.enter_context(serving(kind, tmp_path_factory.mktemp(f"serve-{kind}")))
            return running[kind]

        yield server


@contextmanager
def without_errors(server):
    """Whatever a client does, nothing breaks inside the server."""
    before = len(server.tell("errors"))
    yield server
    assert server.tell("errors")[before:] == []


@pytest.fixture(scope="session")
def on_postgres(tmp_path_factory, postgres):
    """A server with its default settings on a database."""
    with serving("postgres", tmp_path_factory.mktemp("serve-postgres"), postgres.url(postgres.take())) as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def served(request, servers):
    """A server with its default settings, with each store."""
    kind = request.param
    with without_errors(request.getfixturevalue("on_postgres") if kind == "postgres" else servers(kind)) as server:
        yield server


@pytest.fixture
def full(servers):
    """A server that offers STARTTLS and knows all passwords."""
    with without_errors(servers("full")) as server:
        yield server


@pytest.fixture
def strict(servers):
    """A server that requires TLS and knows ``ann@strict.test`` and ``bob@strict.test`` alone."""
    with without_errors(servers("strict")) as server:
        yield server


@pytest.fixture(scope="session")
def client(absent):
    """Gives the path of a real client."""

    def find(name):
        path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
        return path if path is not None else absent(f"{name} is not installed")

    return find


@pytest.fixture(scope="session")
def library(absent):
    """Gives a Python module that is a client."""

    def find(name):
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):  # neither it nor its package
                raise
            return absent(f"the module {name} is not installed")

    return find


@pytest.fixture(scope="session")
def npm(absent, client, request, tmp_path_factory):
    """Gives the folder of a package of npm; it is kept in pytest's cache, where there is one, for all workers."""
    cache = getattr(request.config, "cache", None)
    parent = tmp_path_factory.getbasetemp() if cache is None else cache.mkdir("mailtrap-npm")

    def install(version):
        draft = Path(tempfile.mkdtemp(dir=parent))
        command = [client("npm"), "install", "--prefix", draft, "--no-audit", "--no-fund", "--fetch-retries=1", version]
        try:
            subprocess.run(command, check=True, capture_output=True, timeout=50, stdin=subprocess.DEVNULL)
            draft.rename(parent / version)
        except subprocess.SubprocessError as error:
            absent(f"npm cannot install {version}: {error}")
        except OSError:
            if not (parent / version).exists():  # else another worker was quicker
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def npm(version):
        if not (parent / version).exists():
            install(version)
        return parent / version / "node_modules" / version.partition("@")[0]

    return npm


@pytest.fixture
def address(request):
    """An address that no other test uses."""
    return f"user-{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:16]}@example.com"


@pytest.fixture
def mail(address):
    """Makes a mail, CRLF throughout, with lines that dot-stuffing has to survive."""

    def mail(subject="Hello", to=address):
        return f"From: Ann <ann@example.com>\r\nTo: {to}\r\nSubject: {subject}\r\n\r\nHi.\r\n.\r\n..two\r\nbye\r\n"

    return mail


def last_words_of_servers():
    """The end of the conversation of each open session on the servers of this process."""
    for server in SERVED:
        for session in server.tell("sessions"):
            if session["open"]:
                transcript = server.tell(f"sessions/{session['id']}").get("transcript", "")
                yield f"{session['protocol']} {session['user']}:\n{transcript[-1500:]}"


@pytest.fixture
def run():
    """Run a client to its end; its standard output. ``code``: how it has to end."""

    def run(*command, stdin="", code=0, seconds=30, **environment):
        try:
            done = subprocess.run(
                [str(word) for word in command],
                input=stdin.encode() if isinstance(stdin, str) else stdin,
                capture_output=True,
                timeout=seconds,
                env={**os.environ, **{name: str(value) for name, value in environment.items()}},
            )
        except subprocess.TimeoutExpired as expired:
            ends = [(output or b"")[-2000:].decode("utf-8", "replace") for output in (expired.stdout, expired.stderr)]
            pytest.fail("\n".join([f"not done in {seconds} s; what it said last:", *ends, *last_words_of_servers()]))
        said = done.stdout.decode("utf-8", "replace")
        assert done.returncode == code, f"{done.returncode}\n{said}\n{done.stderr.decode('utf-8', 'replace')}"
        return said

    return run
