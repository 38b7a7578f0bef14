"""Unix sockets for SMTP and LMTP: where they are, who may connect, what a file that is there means, when they go."""

import imaplib
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mailtrap import ConfigError, MailServer, PortInUse
from mailtrap.net import unix

pytestmark = pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="this system has no Unix sockets")

OFF = {f"{name}_port": None for name in ("smtps", "submission", "pop3", "pop3s", "imap", "imaps", "http")}


@pytest.fixture
def folder():
    """A folder with a short name: the path of a socket has at most some 100 octets."""
    made = Path(tempfile.mkdtemp(prefix="mt-"))
    yield made
    shutil.rmtree(made)


def talk(path, *lines):
    """The replies to some lines, the greeting first."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(20)
        client.connect(os.fspath(path))
        with client.makefile("rb") as replies:

            def reply():
                said = [replies.readline().decode().rstrip("\r\n")]
                while said[-1][3:4] == "-":
                    said.append(replies.readline().decode().rstrip("\r\n"))
                return said[-1]

            found = [reply()]
            for line in lines:
                client.sendall(line.encode() + b"\r\n")
                found.append(reply())
        return found


MAIL = ("MAIL FROM:<a@x.test>", "RCPT TO:<b@x.test>", "DATA", "Subject: over a socket\r\n\r\nHi\r\n.", "QUIT")


@pytest.mark.parametrize(("name", "hello"), [("smtp", "EHLO"), ("lmtp", "LHLO")])
def test_beside_the_port(folder, name, hello):
    path = folder / "s"
    with MailServer(**OFF, **{f"{name}_socket": path}) as server:
        endpoint = getattr(server, name)
        assert (endpoint.socket, endpoint.host, bool(endpoint.port)) == (str(path), "127.0.0.1", True)
        said = talk(path, f"{hello} here", *MAIL)
        assert [line[:3] for line in said] == ["220", "250", "250", "250", "354", "250", "221"]
        message = server.message(recipients="b@x.test")
        assert (message.origin, message.session.peer, message.session.listener) == (name, ("", 0), name)
        # what is asked of a listener holds for both of its doors
        with endpoint.on("MAIL").respond_with(451, "4.3.2 later"):
            assert talk(path, f"{hello} here", "MAIL FROM:<a@x.test>")[-1] == "451 4.3.2 later"
    assert not path.exists()


def test_without_a_port(folder):
    with MailServer(**OFF, lmtp_port=None, smtp_port=None, lmtp_socket=folder / "l") as server:
        assert list(server.endpoints) == ["lmtp"]
        assert (server.lmtp.host, server.lmtp.port) == ("", 0)
        assert server.lmtp.url == f"lmtp+unix://{folder}/l"
        assert talk(folder / "l", "LHLO x")[-1].startswith("250 ")


def test_a_relative_path_is_of_the_working_directory(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with MailServer(**OFF, lmtp_socket="l") as server:
        assert server.lmtp.socket == str(Path.cwd() / "l")


@pytest.mark.parametrize(("settings", "mode"), [({}, 0o666), ({"socket_mode": "0600"}, 0o600)])
def test_permissions(folder, settings, mode):
    with MailServer(**OFF, lmtp_socket=folder / "l", **settings):
        assert stat.S_IMODE((folder / "l").stat().st_mode) == mode


@pytest.mark.parametrize("mode", ["", "rw", "0888", "8", "07777"])
def test_permissions_that_are_none(mode):
    with pytest.raises(ConfigError, match="three octal digits"):
        MailServer(socket_mode=mode)


def test_a_socket_in_use(folder):
    path = folder / "l"
    with MailServer(**OFF, lmtp_socket=path):
        second = MailServer(**OFF, smtp_socket=folder / "s", lmtp_socket=path)
        with pytest.raises(PortInUse, match=f"lmtp: the socket {path} is in use"):
            second.start()
        assert [file.name for file in folder.iterdir()] == ["l"], "nothing that was bound stays"
        assert talk(path)[0].startswith("220")


def test_a_socket_whose_server_has_no_time(folder):
    path = folder / "l"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as busy:
        busy.bind(os.fspath(path))
        busy.listen(0)
        waiting = []
        try:
            while True:  # until no more may wait
                waiting.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
                waiting[-1].setblocking(False)
                try:
                    waiting[-1].connect(os.fspath(path))
                except BlockingIOError:
                    break
                except ConnectionRefusedError:
                    pytest.skip("this system says of a server without time what it says of a dead one")
            with pytest.raises(PortInUse):
                MailServer(**OFF, lmtp_socket=path).start()
        finally:
            for client in waiting:
                client.close()
    assert path.exists()


def test_a_dead_socket_is_replaced(folder):
    path = folder / "l"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(os.fspath(path))  # and closed: its file stays, as after SIGKILL
    with MailServer(**OFF, lmtp_socket=path):
        assert talk(path)[0].startswith("220")
    assert not path.exists()


def test_another_file_is_left_alone(folder):
    (folder / "l").write_text("precious")
    with pytest.raises(ConfigError, match="no socket"):
        MailServer(**OFF, lmtp_socket=folder / "l").start()
    assert (folder / "l").read_text() == "precious"


def test_what_took_its_place_is_left_alone(folder):
    path = folder / "l"
    with MailServer(**OFF, lmtp_socket=path):
        path.unlink()
        path.write_text("another's")
    assert path.read_text() == "another's"


@pytest.mark.parametrize("path", ["missing/l", "x" * 200, "nul\0"])
def test_a_path_that_cannot_be_bound(folder, path):
    with pytest.raises(ConfigError, match="lmtp cannot listen on"):
        MailServer(**OFF, lmtp_socket=str(folder / path)).start()


def test_a_system_without_them(folder, monkeypatch):
    monkeypatch.setattr(unix.sys, "platform", "win32")
    with pytest.raises(ConfigError, match="no Unix sockets"):
        MailServer(**OFF, lmtp_socket=folder / "l").start()


def test_a_peer_without_an_address(folder):
    """It is trusted by its own word, and belongs to no address that could have too many connections."""
    path = folder / "s"
    with MailServer(**OFF, smtp_socket=path, trusted_proxies=["unix"], max_connections_per_peer=1) as server:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
            other.connect(os.fspath(path))
            said = talk(path, "XCLIENT ADDR=192.0.2.7", "HELO x", *MAIL)
        assert [line[:3] for line in said] == ["220", "220", "250", "250", "250", "354", "250", "221"]
        assert server.message(recipients="b@x.test").session.peer == ("192.0.2.7", 0)
    with MailServer(**OFF, smtp_socket=path) as server:
        assert talk(path, "XCLIENT ADDR=192.0.2.7")[-1].startswith("550")


def test_trace_fields_of_a_peer_without_an_address(folder):
    with MailServer(lmtp_socket=folder / "l", delivery_headers=["Received"]) as server:
        talk(folder / "l", "LHLO here", *MAIL)
        server.message(recipients="b@x.test")
        with imaplib.IMAP4(server.imap.host, server.imap.port) as imap:
            imap.login("b@x.test", "any")
            imap.select()
            field = imap.fetch("1", "(BODY[HEADER.FIELDS (Received)])")[1][0][1]
    assert field.startswith(b"Received: from here\r\n\tby mailtrap.test with LMTP id ")


def test_serve_tells_where_they_are(folder):
    flags = [f"--{name.replace('_', '-')}=" for name in (*OFF, "smtp_port")]
    command = [sys.executable, "-m", "mailtrap", "serve", *flags, "--lmtp-port=0"]
    command += ["--ports-file", folder / "ports.json", "--smtp-socket", folder / "s", "--lmtp-socket", folder / "l"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            lines = [process.stdout.readline().split() for _ in range(3)]
            found = json.loads((folder / "ports.json").read_text())
            assert found["smtp"] == {"host": "", "port": 0, "socket": f"{folder}/s"}
            assert found["lmtp"]["socket"] == f"{folder}/l"
            assert found["lmtp"]["port"] > 0
            assert lines == [
                ["smtp", f"smtp+unix://{folder}/s"],
                ["lmtp", f"lmtp://127.0.0.1:{found['lmtp']['port']}"],
                ["lmtp", f"{folder}/l"],
            ]
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
        finally:
            process.kill()
    assert [file.name for file in folder.iterdir()] == ["ports.json"]


def test_lmtp_never_has_the_port_of_smtp():
    """RFC 2033, 5."""
    with pytest.raises(ConfigError, match="lmtp_port is never 25"):
        MailServer(lmtp_port=25)
