"""Client certificates and EXTERNAL, channel binding, versions and keys: with a whole server, over real TLS."""

import base64
import hashlib
import imaplib
import poplib
import smtplib
import ssl
import subprocess
import sys

import pytest
import scramp
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from mailtrap import MailServer
from mailtrap.errors import ConfigError
from mailtrap.net.certificates import Certificates


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """An authority for clients, and the file it is in."""
    ca = trustme.CA()
    path = tmp_path_factory.mktemp("clients") / "clients.pem"
    ca.cert_pem.write_to_path(path)
    return ca, path


@pytest.fixture(scope="module")
def server(authority):
    with MailServer(tls_client_ca=str(authority[1]), starttls="offered") as server:
        yield server


@pytest.fixture
def scope(server):
    with server.scope(starttls="offered") as scope:
        yield scope
        assert scope.errors == []


@pytest.fixture
def context(server, authority):
    """A client's context, with a certificate for these names."""

    def context(*names, ca=authority[0], common_name=None):
        made = server.ssl_context()
        if names:
            ca.issue_cert(*names, common_name=common_name).configure_cert(made)
        return made

    return context


def external(user=""):
    return f"EXTERNAL {base64.b64encode(user.encode()).decode() or '='}"


@pytest.mark.parametrize("implicit", [True, False])
def test_a_certificate_is_a_login_over_smtp(scope, context, implicit):
    tls = context("bob@example.com", common_name="Bob")
    if implicit:
        client = smtplib.SMTP_SSL(scope.smtps.host, scope.smtps.port, context=tls, timeout=20)
    else:
        client = smtplib.SMTP(scope.smtp.host, scope.smtp.port, timeout=20)
        client.ehlo()
        assert "EXTERNAL" not in client.esmtp_features["auth"]
        client.starttls(context=tls)
    with client:
        client.ehlo()
        assert client.esmtp_features["auth"].split()[-1] == "EXTERNAL"
        assert client.docmd("AUTH", external("eve@example.com"))[0] == 535
        assert client.docmd("AUTH", external()) == (235, b"2.7.0 Authentication successful")
        client.sendmail("bob@example.com", ["ann@example.com"], "Subject: x\n\n")
    session = scope.message().session
    assert (session.user, session.mechanism) == ("bob@example.com", "EXTERNAL")
    assert session.tls.client_names == ("bob@example.com", "Bob")
    assert x509.load_der_x509_certificate(session.tls.client_certificate).issuer
    assert [refusal.stage for refusal in scope.refused] == ["AUTH"]


def test_a_certificate_is_a_login_over_imap_and_pop3(scope, context):
    tls = context("bob@example.com")
    with imaplib.IMAP4_SSL(scope.imaps.host, scope.imaps.port, ssl_context=tls, timeout=20) as imap:
        assert "AUTH=EXTERNAL" in imap.capabilities
        assert imap.authenticate("EXTERNAL", lambda challenge: b"bob@example.com")[0] == "OK"
    pop3 = poplib.POP3_SSL(scope.pop3s.host, scope.pop3s.port, context=tls, timeout=20)
    assert "EXTERNAL" in pop3.capa()["SASL"]
    assert pop3._shortcmd(f"AUTH {external()}").startswith(b"+OK")
    pop3.quit()
    assert [(session.user, session.mechanism) for session in scope.sessions] == [("bob@example.com", "EXTERNAL")] * 2


def test_without_a_certificate_there_is_no_external(scope, context):
    with smtplib.SMTP_SSL(scope.smtps.host, scope.smtps.port, context=context(), timeout=20) as client:
        client.ehlo()
        assert "EXTERNAL" not in client.esmtp_features["auth"]
        assert client.docmd("AUTH", external("bob"))[0] == 504
    scope.configure(smtp_extensions={"+AUTH=EXTERNAL"})
    with smtplib.SMTP_SSL(scope.smtps.host, scope.smtps.port, context=context(), timeout=20) as client:
        client.ehlo()
        assert "EXTERNAL" not in client.esmtp_features["auth"]


def test_a_certificate_of_another_authority_is_no_certificate(scope, context):
    tls = context("bob@example.com", ca=trustme.CA())
    with pytest.raises((OSError, smtplib.SMTPException)):  # TLS 1.3: the client hears of it after its own handshake
        smtplib.SMTP_SSL(scope.smtps.host, scope.smtps.port, context=tls, timeout=20)
    with smtplib.SMTP(scope.smtp.host, scope.smtp.port, timeout=20):  # by then the loop is done with the other one
        session = scope.sessions[0]
    assert "* TLS failed: CERTIFICATE_VERIFY_FAILED" in session.transcript


def test_strict_routing_lets_declared_accounts_in_only(server, context):
    with server.scope(routing="strict") as scope:
        scope.add_account("bob@example.com", password="pw")
        for name, code in (("bob@example.com", 235), ("eve@example.com", 535)):
            with smtplib.SMTP_SSL(scope.smtps.host, scope.smtps.port, context=context(name), timeout=20) as client:
                client.ehlo()
                assert client.docmd("AUTH", external())[0] == code


def test_a_clients_own_certificate_may_be_the_authority(tmp_path):
    other = trustme.CA()
    leaf = other.issue_cert("bob@example.com")
    leaf.cert_chain_pems[0].write_to_path(tmp_path / "bob.pem")
    with MailServer(tls_client_ca=str(tmp_path / "bob.pem")) as server:
        tls = server.ssl_context()
        leaf.configure_cert(tls)
        with smtplib.SMTP_SSL(server.smtps.host, server.smtps.port, context=tls, timeout=20) as client:
            client.ehlo()
            assert client.docmd("AUTH", external())[0] == 235


# ---------------------------------------------------------------- channel binding


def scram(client, mechanism, binding):
    """AUTH with another implementation of SCRAM; the last reply's code."""

    def say(text):
        return base64.b64encode(text.encode()).decode()

    user = scramp.ScramClient([mechanism], "bob@example.com", "pw", channel_binding=binding)
    code, text = client.docmd("AUTH", f"{mechanism} {say(user.get_client_first())}")
    if code != 334:
        return code
    user.set_server_first(base64.b64decode(text).decode())
    code, text = client.docmd(say(user.get_client_final()))
    if code != 334:
        return code
    user.set_server_final(base64.b64decode(text).decode())
    return client.docmd("")[0]


@pytest.fixture
def bound(server):
    with server.scope(
        default_password="pw", smtp_extensions={"+AUTH=SCRAM-SHA-256-PLUS", "+AUTH=SCRAM-SHA-1-PLUS"}
    ) as scope:
        yield scope


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"])
def test_scram_binds_to_the_servers_certificate(bound, context, mechanism):
    with smtplib.SMTP_SSL(bound.smtps.host, bound.smtps.port, context=context(), timeout=20) as client:
        client.ehlo()
        assert mechanism in client.esmtp_features["auth"].split()
        certificate = client.sock.getpeercert(binary_form=True)
        assert scram(client, mechanism, ("tls-server-end-point", b"another")) == 535
        binding = hashlib.sha256(certificate).digest()  # its signature is by SHA-256
        assert scram(client, mechanism, ("tls-server-end-point", binding)) == 235
    assert bound.sessions[0].mechanism == mechanism


def test_scram_binds_to_a_connection_of_tls_1_2(bound, context):
    old, new = context(), context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    codes = []
    for tls in (old, new):
        with smtplib.SMTP_SSL(bound.smtps.host, bound.smtps.port, context=tls, timeout=20) as client:
            client.ehlo()
            unique = client.sock.get_channel_binding("tls-unique")
            codes.append(scram(client, "SCRAM-SHA-256-PLUS", ("tls-unique", unique)))
    assert codes == [235, 501]  # with TLS 1.3 there is no such thing (RFC 9266, 3)


def test_without_tls_there_is_no_plus_and_by_default_neither(bound, context):
    with smtplib.SMTP(bound.smtp.host, bound.smtp.port, timeout=20) as client:
        client.ehlo()
        assert "PLUS" not in client.esmtp_features["auth"]
    bound.configure(smtp_extensions=())
    with smtplib.SMTP_SSL(bound.smtps.host, bound.smtps.port, context=context(), timeout=20) as client:
        client.ehlo()
        assert "SCRAM-SHA-256" in client.esmtp_features["auth"].split()
        assert "PLUS" not in client.esmtp_features["auth"]


# ---------------------------------------------------------------- versions, keys, files


@pytest.mark.parametrize(("minimum", "version"), [("1.2", "TLSv1.2"), ("1.3", None)])
def test_the_oldest_version(minimum, version):
    with MailServer(tls_minimum=minimum) as server:
        old = server.ssl_context()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        if version is None:
            with pytest.raises(OSError, match=r"(?i)version|eof|reset"):
                smtplib.SMTP_SSL(server.smtps.host, server.smtps.port, context=old, timeout=20)
        else:
            with smtplib.SMTP_SSL(server.smtps.host, server.smtps.port, context=old, timeout=20) as client:
                assert client.sock.version() == version
        with smtplib.SMTP_SSL(server.smtps.host, server.smtps.port, context=server.ssl_context(), timeout=20) as client:
            assert client.sock.version() == "TLSv1.3"


@pytest.mark.parametrize(("kind", "key"), [("ecdsa", ec.EllipticCurvePublicKey), ("rsa", rsa.RSAPublicKey)])
def test_the_kind_of_key(kind, key):
    with MailServer(tls_key_type=kind) as server:
        client = smtplib.SMTP_SSL(server.smtps.host, server.smtps.port, context=server.ssl_context(), timeout=20)
        with client:
            certificate = x509.load_der_x509_certificate(client.sock.getpeercert(binary_form=True))
    assert isinstance(certificate.public_key(), key)


@pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is an address on Linux alone")
def test_the_address_that_listeners_are_bound_to_is_one_of_its_names():
    with MailServer(host="127.0.0.2", hostname="mail.example") as server:
        assert server.smtps.host == "127.0.0.2"
        with smtplib.SMTP_SSL("127.0.0.2", server.smtps.port, context=server.ssl_context(), timeout=20) as client:
            names = client.sock.getpeercert()["subjectAltName"]
    assert {("IP Address", "127.0.0.2"), ("DNS", "mail.example"), ("DNS", "localhost")} <= set(names)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", ""])
def test_all_addresses_are_no_name(host):
    with MailServer(host=host) as server:
        assert "BEGIN CERTIFICATE" in server.ca_pem


def test_files_that_are_no_authorities(tmp_path):
    with pytest.raises(ConfigError, match=r"tls_client_ca: .* cannot be read"):
        MailServer(tls_client_ca=str(tmp_path / "absent.pem"))
    (tmp_path / "junk.pem").write_text("nothing")
    with pytest.raises(ConfigError, match="has no certificates"):
        Certificates(client_ca=tmp_path / "junk.pem")()
    for setting, value in (("tls_minimum", "1.1"), ("tls_key_type", "dsa")):
        with pytest.raises(ConfigError, match=f"{setting} is one of"):
            MailServer(**{setting: value})


def test_serve_writes_what_clients_must_trust(tmp_path):
    ca_file = tmp_path / "ca.pem"
    command = [sys.executable, "-m", "mailtrap", "serve", "--ca-file", str(ca_file), "--tls-key-type", "rsa"]
    for name in ("smtp", "submission", "lmtp", "pop3", "pop3s", "imap", "imaps", "http"):
        command += [f"--{name}-port", ""]
    command += ["--smtps-port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        context = ssl.create_default_context(cafile=ca_file)
        with smtplib.SMTP_SSL("localhost", port, context=context, timeout=20) as client:
            assert client.noop()[0] == 250
        process.terminate()
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_ca_file_that_cannot_be_written_is_one_line(tmp_path):
    command = [sys.executable, "-m", "mailtrap", "serve", "--ca-file", str(tmp_path / "absent/ca.pem")]
    for name in ("smtp", "smtps", "submission", "lmtp", "pop3", "pop3s", "imap", "imaps", "http"):
        command += [f"--{name}-port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    assert done.returncode == 2
    assert "absent/ca.pem" in done.stderr
    assert "Traceback" not in done.stderr
