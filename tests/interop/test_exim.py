"""Exim relays into the server: chunks pipelined behind the envelope, TLS and a login, LMTP over a Unix socket.

Nothing is installed in the system: its binary, wherever it lies, and a configuration of this test's own. It has to be
started by root and to find the user that it was built for.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from mailtrap import MailServer

CONFIGURATION = """\
exim_path = {exim}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
primary_hostname = exim.test
keep_environment =
tls_advertise_hosts =
bounce_return_body = false
begin routers
all:
  driver = manualroute
  domains = ! unix.test
  route_list = * localhost byname
  self = send
  host_find_failed = defer
  transport = ${{if eq{{$domain}}{{secure.test}} {{secure}}{{smtp}}}}
  no_more
unix:
  driver = accept
  transport = unix
begin transports
smtp:
  driver = smtp
  port = {smtp}
  hosts_try_chunking = ${{if def:h_no-chunks: {{}}{{*}}}}
  hosts_avoid_tls = *
  allow_localhost
secure:
  driver = smtp
  port = {full}
  hosts_require_tls = *
  hosts_require_auth = *
  tls_verify_certificates = {ca}
  tls_verify_hosts = *
  tls_verify_cert_hostnames = *
  allow_localhost
unix:
  driver = lmtp
  socket = {folder}/lmtp.sock
  batch_max = 100
  user = {user}
begin retry
* * F,1h,1m
begin authenticators
cram:
  driver = cram_md5
  public_name = CRAM-MD5
  client_name = ann@example.com
  client_secret = {password}
"""
USER = "Debian-exim"


@pytest.fixture(scope="module")
def exim(client, servers):
    """Gives a mail to Exim, and waits until it has tried to deliver it; its log."""
    path = client("exim4")
    version = subprocess.run([path, "-bV"], capture_output=True, text=True, check=False)
    reason = "" if os.geteuid() == 0 else "Exim can be started by root alone"
    if "failed to find uid" in version.stdout + version.stderr:
        reason = "Exim does not find the user it was built for"
    if reason:
        if os.environ.get("MAILTRAP_NO_SKIP"):
            pytest.fail(f"{reason}, and no client may be skipped here")
        pytest.skip(reason)
    plain, full = servers("memory"), servers("full")
    # not below pytest's folders: nobody but their owner may enter those
    folder = Path(tempfile.mkdtemp(prefix="mailtrap-exim-"))
    try:
        folder.chmod(0o755)
        path = shutil.copy(path, folder / "exim4")  # to where its own user may run it
        for name in ("spool", "log"):
            (folder / name).mkdir()
            shutil.chown(folder / name, USER)
        authority = folder / "ca.pem"
        authority.write_bytes(full.ca.read_bytes())
        configuration = folder / "exim.conf"
        configuration.write_text(
            CONFIGURATION.format(
                exim=path, folder=folder, smtp=plain.smtp, full=full.smtp, ca=authority, password=full.password,
                user=USER,
            ),
            "utf-8",
        )  # fmt: skip

        def send(raw, *recipients, mail_from="ann@example.com"):
            command = [path, "-C", configuration, "-odf", "-oi", "-f", mail_from, "--", *recipients]
            done = subprocess.run(command, input=raw, capture_output=True, timeout=60, check=False)
            assert done.returncode == 0, done.stderr
            return "".join(file.read_text() for file in (folder / "log").iterdir())

        send.folder = folder
        yield send
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def user(address):
    return address.partition("@")[0]


@pytest.fixture
def plain(servers):
    return servers("memory")


RAW = b"From: Ann <ann@example.com>\nTo: somebody@smtp.test\nSubject: relayed\n\nHi.\n.\n..two\nbye\n"
ENDING = b"\r\n\r\nHi.\r\n.\r\n..two\r\nbye\r\n"


def verbs(server, message):
    """What was said in a mail's transaction."""
    transcript = server.tell(f"messages/{message['id']}", **{"as": "received"})["transcript"]
    return [line.split()[2] for line in transcript.splitlines() if line.startswith("C ")]


def test_sends_chunks(exim, plain, user):
    recipients = [f"{number}-{user}@smtp.test" for number in range(5)]
    log = exim(RAW, *recipients)
    message = plain.arrived(recipients[0])
    assert " K C=" in log, "it says that it used CHUNKING"
    assert verbs(plain, message) == ["MAIL", *["RCPT"] * 5, "BDAT"]
    assert message["raw"].endswith(ENDING)
    assert sorted(message["recipients"]) == recipients


def test_sends_a_long_mail_in_two_chunks(exim, plain, user):
    lines = b"".join(b".%d %s\n" % (number, b"x" * (number % 900)) for number in range(2000))
    exim(RAW + lines, f"{user}@smtp.test")
    message = plain.arrived(f"{user}@smtp.test")
    assert message["raw"].endswith(ENDING + lines.replace(b"\n", b"\r\n"))
    assert verbs(plain, message).count("BDAT") == 2


def test_sends_data_where_it_shall_not_use_chunks(exim, plain, user):
    exim(b"no-chunks: yes\n" + RAW, f"{user}@smtp.test")
    message = plain.arrived(f"{user}@smtp.test")
    assert verbs(plain, message) == ["MAIL", "RCPT", "DATA"]
    assert message["raw"].endswith(ENDING)


def test_a_chunk_whose_recipient_is_refused(exim, plain, user):
    """The 550 of RCPT crosses the chunk: it is no command, and a notification comes back by the next connection."""
    recipient, sender = f"{user}@smtp.test", f"sender-{user}@smtp.test"
    with MailServer.connect(plain.url) as server, server.smtp.on("RCPT", recipient=recipient) as rule:
        rule.respond_with(550, "5.7.1 not today")
        log = exim(RAW + b"NOOP\nQUIT\n", recipient, mail_from=sender)
        bounce = plain.arrived(sender)
    assert bounce["mail_from"] == ""
    assert b"550 5.7.1 not today" in bounce["raw"]
    assert "550 5.7.1 not today" in log


def test_verified_tls_and_a_login(exim, full, user):
    exim(RAW, f"{user}@secure.test")
    session = full.arrived(f"{user}@secure.test")["session"]
    assert (session["user"], session["mechanism"]) == ("ann@example.com", "CRAM-MD5")
    assert session["tls"]["version"] == "TLSv1.3"


def test_delivers_by_lmtp_over_a_unix_socket(exim, user):
    recipients = [f"{number}-{user}@unix.test" for number in range(3)]
    with MailServer(lmtp_socket=exim.folder / "lmtp.sock") as server:
        server.lmtp.on("RCPT", recipient=recipients[1]).respond_with(550, "5.1.1 not you")
        log = exim(RAW, *recipients)
        message = server.message(recipients=recipients[0])
    assert sorted(message.recipients) == [recipients[0], recipients[2]]
    assert message.raw.replace(b"\r\n", b"\n").endswith(ENDING.replace(b"\r\n", b"\n"))
    assert "550 5.1.1 not you" in log
