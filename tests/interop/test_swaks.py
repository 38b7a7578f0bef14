"""swaks: the dialogue spelled out, with TLS, every login it has, pipelining and LMTP."""

import pytest


@pytest.fixture
def swaks(client, run, address):
    path = client("swaks")

    def swaks(port, *options, code=0, to=address):
        return run(
            path, "--server", f"127.0.0.1:{port}", "--from", "ann@example.com", "--to", to, "--timeout", 10,
            "--helo", "client.test", *options, code=code,
        )  # fmt: skip

    return swaks


def login(server, user, mechanism, password=None):
    return ("--auth", mechanism, "--auth-user", user, "--auth-password", password or server.password)


def test_sends(served, swaks, address):
    swaks(served.smtp, "--header", "Subject: plain", "--body", ".\n..\n.dot")
    message = served.arrived(address)
    assert message["subject"] == "plain"
    assert message["mail_from"] == "ann@example.com"
    assert b"\r\n\r\n.\r\n..\r\n.dot\r\n" in message["raw"]


def test_pipelines(served, swaks, address):
    said = swaks(served.smtp, "--pipeline", to=f"{address},other-{address}")
    assert said.index("-> DATA") < said.index("<-  250 2.1.0"), "it did not pipeline"
    assert served.arrived(address)["recipients"] == [address, f"other-{address}"]


def test_pipelines_with_a_recipient_that_is_refused(strict, swaks, address):
    said = swaks(
        strict.smtp, "--pipeline", "--tls", *login(strict, "ann@strict.test", "PLAIN"),
        to="nobody@strict.test,bob@strict.test",
    )  # fmt: skip
    assert "550 5.1.1" in said
    assert said.count("250 2.0.0 Ok: kept") == 1


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
@pytest.mark.parametrize("tls", [(), ("--tls",), ("--tlsc",)])
def test_logs_in(full, swaks, address, mechanism, tls):
    port = full.smtps if "--tlsc" in tls else full.submission
    verified = ("--tls-verify", "--tls-ca-path", full.ca) if tls else ()
    swaks(port, *tls, *verified, *login(full, address, mechanism))
    session = full.arrived(address)["session"]
    assert (session["user"], session["mechanism"]) == (address, mechanism)
    assert (session["tls"] is not None) == bool(tls)


def test_logs_in_where_no_password_is_known(served, swaks, address):
    said = swaks(served.submission, "--pipeline", *login(served, address, "PLAIN", "anything"))
    assert "CRAM-MD5" not in said, "what needs a known password is not offered"
    assert served.arrived(address)["session"]["mechanism"] == "PLAIN"


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5"])
def test_a_wrong_password(full, swaks, address, mechanism):
    said = swaks(full.smtp, *login(full, address, mechanism, "wrong"), code=28)
    assert "535 5.7.8" in said
    refused = [each for each in full.tell("refused") if each["stage"] == "AUTH"]
    assert refused[-1]["reply"].startswith("535 5.7.8")


@pytest.mark.parametrize("mechanism", ["CRAM-SHA1", "DIGEST-MD5", "NTLM", "SPA"])
def test_logins_that_there_are_not(full, swaks, run, client, absent, address, mechanism):
    """What is not offered is not tried, or refused; the next mail goes as any other."""
    if f"*** AUTH {mechanism.replace('SPA', 'NTLM')}" in run(client("swaks"), "--support"):
        absent(f"swaks lacks a module for {mechanism}")
    swaks(full.smtp, *login(full, address, mechanism), code=28)
    swaks(full.smtp, "--auth-optional", mechanism, "--auth-user", address, "--auth-password", full.password)
    assert full.arrived(address)["session"]["user"] is None


def test_delivers_by_lmtp(served, swaks, address):
    recipients = [f"{number}-{address}" for number in range(3)]
    said = swaks(served.lmtp, "--protocol", "LMTP", "--pipeline", to=",".join(recipients))
    assert said.count("250 2.0.0 Ok: kept") >= 1
    message = served.arrived(recipients[2])
    assert (message["origin"], message["recipients"]) == ("lmtp", recipients)
    assert message["transcript"].count("S 250 2.0.0 Ok: kept") == 3, "one reply for each recipient"


@pytest.mark.parametrize(("listener", "protocol"), [("smtp", "LMTP"), ("lmtp", "ESMTP")])
def test_the_hello_of_the_other_protocol(full, swaks, listener, protocol):
    assert "<** 5" in swaks(getattr(full, listener), "--protocol", protocol, code=22)


def test_required_tls_and_login(strict, swaks):
    assert "530 5.7.0" in swaks(strict.smtp, code=23, to="bob@strict.test")
    said = swaks(strict.submission, "--tls", to="bob@strict.test", code=23)
    assert "530 5.7.0" in said, "submission with strict routing wants a login"


@pytest.mark.parametrize("step", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
def test_breaks_off(full, swaks, address, step):
    swaks(full.smtp, "--drop-after", step)
    swaks(full.smtp, "--header", "Subject: afterwards")
    assert full.arrived(address)["subject"] == "afterwards", "nothing of the first came"


def test_says_by_xclient_who_its_client_is(servers, served, swaks, address):
    trusting = servers("trusting")
    swaks(trusting.smtp, "--xclient", f"ADDR=192.0.2.7 PORT=4711 HELO=other.test LOGIN={address}")
    session = trusting.arrived(address)["session"]
    assert session["peer"] == ["192.0.2.7", 4711]
    swaks(served.smtp, "--xclient", "ADDR=192.0.2.7", code=33)  # not offered to strangers


@pytest.mark.parametrize("version", [1, 2])
def test_says_by_the_proxy_protocol_who_its_client_is(servers, swaks, address, version):
    proxied = servers("proxied")
    swaks(
        proxied.smtp, "--proxy-version", version, "--proxy-family", "TCP4" if version == 1 else "AF_INET",
        "--proxy-source", "192.0.2.7", "--proxy-source-port", 4711, "--proxy-dest", "192.0.2.1",
        "--proxy-dest-port", 25,
    )  # fmt: skip
    assert proxied.arrived(address)["session"]["peer"] == ["192.0.2.7", 4711]
