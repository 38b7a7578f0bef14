"""swaks as a proxy: XCLIENT and the PROXY protocol."""

import pytest

from mailtrap import MailServer

TRUST = {"trusted_proxies": ["127.0.0.1"]}


@pytest.fixture
def swaks(client, run):
    path = client("swaks")

    def swaks(endpoint, *options):
        return run(
            path, "--server", f"127.0.0.1:{endpoint.port}", "--from", "ann@example.com", "--to", "bob@example.com",
            "--timeout", "10", *options,
        )  # fmt: skip

    return swaks


def test_xclient(swaks):
    with MailServer(**TRUST) as server:
        talk = swaks(
            server.smtp, "--xclient-addr", "192.0.2.7", "--xclient-name", "client.example", "--xclient-port", "4711",
            "--xclient-helo", "helo of client", "--xclient-proto", "ESMTP", "--xclient-login", "ann@example.com",
            "--xclient-destaddr", "198.51.100.1", "--xclient-destport", "25", "--ehlo", "swaks.example",
        )  # fmt: skip
        assert talk.count("220 mailtrap.test ESMTP ready") == 2
        session = server.message().session
        assert session.peer == ("192.0.2.7", 4711)
        assert (session.user, session.mechanism, session.helo) == ("ann@example.com", "XCLIENT", "swaks.example")


def test_xclient_in_two_parts_and_ipv6(swaks):
    with MailServer(**TRUST) as server:
        swaks(server.smtps, "--tlsc", "--xclient", "ADDR=IPV6:2001:db8::7", "--xclient", "PORT=25 NAME=[UNAVAILABLE]")
        assert server.message().session.peer == ("2001:db8::7", 25)


def test_xclient_is_not_offered_to_others(client, run):
    with MailServer() as server:
        run(
            client("swaks"), "--server", f"127.0.0.1:{server.smtp.port}", "--to", "bob@example.com",
            "--xclient", "ADDR=192.0.2.7", code=33,  # an error in the XCLIENT transaction
        )  # fmt: skip
        assert server.messages == []


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("listener", ["smtp", "smtps", "lmtp"])
def test_proxy(swaks, version, listener):
    options = {"smtps": ["--tlsc"], "lmtp": ["--protocol", "LMTP"]}.get(listener, [])
    family = "TCP4" if version == 1 else "AF_INET"
    with MailServer(**TRUST, proxy_protocol=True) as server:
        swaks(
            getattr(server, listener), *options, "--proxy-version", str(version), "--proxy-family", family,
            "--proxy-source", "192.0.2.7", "--proxy-source-port", "4711",
            "--proxy-dest", "198.51.100.1", "--proxy-dest-port", "25",
        )  # fmt: skip
        assert server.message().session.peer == ("192.0.2.7", 4711)
        assert server.errors == []


def test_a_proxy_as_it_is_written(swaks):
    with MailServer(**TRUST, proxy_protocol=True) as server:
        swaks(server.smtp, "--proxy", "TCP6 2001:db8::7 2001:db8::1 4711 25")
        assert server.message().session.peer == ("2001:db8::7", 4711)
