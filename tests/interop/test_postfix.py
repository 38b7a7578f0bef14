"""Postfix relays into the server: by SMTP, by LMTP, and with TLS and a login; what it may, it takes.

A private instance that listens on nothing: mails enter by its ``sendmail``. It needs root, as Postfix does.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from mailtrap import MailServer

MAIN = """\
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/log/maillog
maillog_file_prefixes = {folder}
myhostname = relay.test
mydestination =
alias_maps =
alias_database =
inet_interfaces = loopback-only
inet_protocols = ipv4
biff = no
smtp_host_lookup = native
smtp_tls_CAfile = {ca}
smtp_sasl_password_maps = inline:{{ {{[localhost]:{submission} = ann@strict.test:{password}}} }}
smtp_sasl_security_options = noanonymous
smtp_sasl_mechanism_filter = scram-sha-256
default_transport = error:no route
transport_maps = inline:{{
    {{smtp.test = smtp:[127.0.0.1]:{smtp}}}
    {{lmtp.test = lmtp:inet:127.0.0.1:{lmtp}}}
    {{unix.test = lmtp:unix:{folder}/lmtp.sock}}
    {{strict.test = secure:[localhost]:{submission}}} }}
default_destination_concurrency_limit = 5
"""
MASTER = """\
pickup    unix  n       -       n       60      1       pickup
cleanup   unix  n       -       n       -       0       cleanup
qmgr      unix  n       -       n       300     1       qmgr
rewrite   unix  -       -       n       -       -       trivial-rewrite
bounce    unix  -       -       n       -       0       bounce
defer     unix  -       -       n       -       0       bounce
trace     unix  -       -       n       -       0       bounce
smtp      unix  -       -       n       -       -       smtp
secure    unix  -       -       n       -       -       smtp
  -o smtp_tls_security_level=secure -o smtp_tls_secure_cert_match=hostname -o smtp_sasl_auth_enable=yes
lmtp      unix  -       -       n       -       -       lmtp
error     unix  -       -       n       -       -       error
retry     unix  -       -       n       -       -       error
tlsmgr    unix  -       -       n       1000?   1       tlsmgr
anvil     unix  -       -       n       -       1       anvil
scache    unix  -       -       n       -       1       scache
showq     unix  n       -       n       -       -       showq
proxymap  unix  -       -       n       -       -       proxymap
postlog   unix-dgram n  -       n       -       1       postlogd
"""
QUEUES = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace")


@pytest.fixture(scope="session")
def postfix(client, servers):
    """Gives mails to Postfix, as ``sendmail`` does; and what is in its log."""
    postconf, sendmail = client("postconf"), client("sendmail")
    if os.geteuid() != 0:
        if os.environ.get("MAILTRAP_NO_SKIP"):
            pytest.fail("Postfix can be started by root alone, and no client may be skipped here")
        pytest.skip("Postfix can be started by root alone")
    plain, strict = servers("memory"), servers("strict")
    daemons = subprocess.check_output([postconf, "-dh", "daemon_directory"], text=True).strip()
    owner = pwd.getpwnam("postfix")
    # not below pytest's folders: nobody but their owner may enter those
    folder = Path(tempfile.mkdtemp(prefix="mailtrap-postfix-"))
    try:
        folder.chmod(0o755)
        for name in ("etc", "log", "queue", "queue/pid"):
            (folder / name).mkdir()
        for name, mode, group in [
            *((f"queue/{name}", 0o700, -1) for name in QUEUES),
            ("data", 0o700, -1), ("queue/public", 0o710, "postdrop"), ("queue/maildrop", 0o730, "postdrop"),
        ]:  # fmt: skip
            (folder / name).mkdir()
            (folder / name).chmod(mode)
            shutil.chown(folder / name, owner.pw_uid, None if group == -1 else group)
        authority = folder / "etc" / "ca.pem"
        authority.write_bytes(strict.ca.read_bytes())
        (folder / "etc" / "main.cf").write_text(
            MAIN.format(
                folder=folder,
                ca=authority,
                password=strict.password,
                smtp=plain.smtp,
                lmtp=plain.lmtp,
                submission=strict.submission,
            )
        )
        (folder / "etc" / "master.cf").write_text(MASTER)
        master = subprocess.Popen(
            [f"{daemons}/master", "-c", folder / "etc", "-s"], stdin=subprocess.DEVNULL, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

        def send(raw, *recipients, options=(), mail_from="ann@example.com"):
            command = [sendmail, "-C", folder / "etc" / "main.cf", "-i", "-f", mail_from, *options, "--", *recipients]
            done = subprocess.run(command, input=raw, capture_output=True, timeout=30)
            assert (done.returncode, done.stderr) == (0, b"")

        send.folder = folder
        send.log = lambda: "".join(file.read_text() for file in (folder / "log").iterdir())
        try:
            yield send
        finally:
            try:
                master.terminate()
                master.wait(10)
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(master.pid, signal.SIGKILL)  # its children outlive it by a moment
                master.wait()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def user(address):
    """The local part of an address of this test's own."""
    return address.partition("@")[0]


RAW = b"From: Ann <ann@example.com>\nTo: somebody@smtp.test\nSubject: relayed\n\nHi.\n.\n..two\nbye\n"


@pytest.fixture
def plain(servers):
    return servers("memory")


def arrived(server, postfix, recipient, **criteria):
    try:
        return server.arrived(recipient, timeout=20, **criteria)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{postfix.log()}") from error


def test_relays_by_smtp(postfix, plain, user):
    recipients = [f"{number}-{user}@smtp.test" for number in range(20)]
    postfix(RAW, *recipients)
    message = arrived(plain, postfix, recipients[0])
    assert sorted(message["recipients"]) == sorted(recipients), "in one transaction"
    assert message["raw"].endswith(b"\r\n\r\nHi.\r\n.\r\n..two\r\nbye\r\n")
    assert message["envelope"]["mail_parameters"]["SIZE"] == str(message["size"])
    assert message["session"]["helo"] == "relay.test"


def test_relays_by_lmtp(postfix, plain, user):
    recipients = [f"{number}-{user}@lmtp.test" for number in range(3)]
    postfix(RAW, *recipients)
    message = arrived(plain, postfix, recipients[0])
    assert (message["origin"], sorted(message["recipients"])) == ("lmtp", recipients)


def test_relays_by_lmtp_over_a_unix_socket(postfix, user):
    """Postfix's own user may connect to it."""
    with MailServer(lmtp_socket=postfix.folder / "lmtp.sock") as server:
        recipients = [f"{number}-{user}@unix.test" for number in range(3)]
        postfix(RAW, *recipients)
        try:
            message = server.message(recipients=recipients[0], timeout=20)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{postfix.log()}") from error
    assert (message.origin, sorted(message.recipients)) == ("lmtp", recipients)
    assert message.session.peer == ("", 0)


def test_hands_on_what_was_asked_about_notifications(postfix, plain, user):
    recipient = f"{user}+tag@smtp.test"
    postfix(RAW, recipient, options=("-N", "failure,delay", "-R", "hdrs", "-V", "id 1+2"))
    envelope = arrived(plain, postfix, recipient)["envelope"]
    assert envelope["mail_parameters"]["RET"] == "HDRS"
    assert envelope["mail_parameters"]["ENVID"] == "id+201+2B2"
    assert envelope["recipient_parameters"] == [{"NOTIFY": "FAILURE,DELAY", "ORCPT": f"rfc822;{user}+2Btag@smtp.test"}]


def test_eight_bit_and_utf8_addresses(postfix, plain, user):
    postfix(RAW.replace(b"Hi.", "Grüße".encode()), f"8-{user}@smtp.test", options=("-B", "8BITMIME"))
    message = arrived(plain, postfix, f"8-{user}@smtp.test")
    assert message["envelope"]["mail_parameters"]["BODY"] == "8BITMIME"
    assert "Grüße".encode() in message["raw"]
    postfix(RAW.replace(b"relayed", "für dich".encode()), f"ü-{user}@smtp.test", f"ü-{user}@lmtp.test")
    for recipient in (f"ü-{user}@smtp.test", f"ü-{user}@lmtp.test"):
        assert "SMTPUTF8" in arrived(plain, postfix, recipient)["envelope"]["mail_parameters"]


def test_the_null_reverse_path(postfix, plain, user):
    postfix(RAW, f"{user}@smtp.test", mail_from="<>")
    assert arrived(plain, postfix, f"{user}@smtp.test")["mail_from"] == ""


def test_relays_with_verified_tls_and_a_login(postfix, strict, user):
    postfix(RAW.replace(b"relayed", user.encode()), "bob@strict.test")
    session = arrived(strict, postfix, "bob@strict.test", subject=user)["session"]
    assert (session["user"], session["mechanism"]) == ("ann@strict.test", "SCRAM-SHA-256")
    assert session["tls"]["version"] == "TLSv1.3"


def test_what_was_refused_comes_back(postfix, plain, strict, user):
    """Postfix makes a notification of our 550, and relays it to us as well."""
    sender = f"sender-{user}@smtp.test"
    postfix(RAW, f"{user}@strict.test", mail_from=sender)
    bounce = arrived(plain, postfix, sender)
    assert bounce["mail_from"] == ""
    assert b"550 5.1.1 No such user here" in b" ".join(bounce["raw"].split())
    assert b"Status: 5.1.1" in bounce["raw"]
    assert [f"{user}@strict.test"] in [each["envelope"]["recipients"] for each in strict.tell("refused")]


@pytest.mark.parametrize("lmtp", [False, True])
def test_its_load_generator(client, run, plain, address, lmtp):
    """Many mails of some size in parallel, in connections that are kept, and pipelined."""
    run(
        client("smtp-source"), *(["-L"] if lmtp else []), "-d", "-s", 10, "-m", 100, "-l", 20_000, "-M", "client.test",
        "-f", "ann@example.com", "-t", address, f"127.0.0.1:{plain.lmtp if lmtp else plain.smtp}",
    )  # fmt: skip
    found = plain.tell("wait", recipients=address, at_least=100)["messages"]
    assert len(found) == 100
    assert all(message["size"] > 20_000 for message in found)
