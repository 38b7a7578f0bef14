"""``to_be_dkim_signed`` and the fake zone of ``mailtrap_dns``."""

from collections.abc import Iterator

import pytest

from mailtrap import ConfigError, MailServer, Message
from pytest_mailtrap import expect
from pytest_mailtrap.dns import Zone

dkim = pytest.importorskip("dkim")

RAW = b"From: Ann <ann@example.com>\r\nTo: bob@example.org\r\nSubject: Hello\r\n\r\nHi Bob\r\n"


@pytest.fixture(scope="module")
def key() -> tuple[bytes, str]:
    """A private key and the record that publishes it: made once, because that takes a moment."""
    zone = Zone()
    private = zone.dkim_key("example.com", "s1")
    return private, zone.lookup("s1._domainkey.example.com")[0]


@pytest.fixture
def zone(key: tuple[bytes, str]) -> Zone:
    zone = Zone()
    zone.txt("s1._domainkey.example.com", key[1])
    return zone


@pytest.fixture
def server() -> Iterator[MailServer]:
    server = MailServer()
    yield server
    server.stop()


def signed(key: tuple[bytes, str], raw: bytes = RAW, domain: str = "example.com", selector: str = "s1") -> bytes:
    header: bytes = dkim.sign(raw, selector.encode(), domain.encode(), key[0], include_headers=[b"from", b"subject"])
    return header + raw


def received(server: MailServer, raw: bytes) -> Message:
    return server.deliver(raw, recipients="bob@example.org")


def test_a_signature_that_holds(server, key, zone):
    message = received(server, signed(key))
    expect(message).to_be_dkim_signed(domain="example.com", dns=zone)
    expect(message).to_be_dkim_signed(domain="Example.COM", selector="S1", dns=zone)
    assert zone.asked[0] == ("s1._domainkey.example.com", "TXT")
    expect(message).to_be_dkim_signed(domain="example.com", dns={"s1._domainkey.example.com.": key[1]})
    expect(message).to_be_dkim_signed(domain="example.com", dns=lambda name: key[1] if name.startswith("s1.") else None)
    with zone:
        expect(message).to_be_dkim_signed(domain="example.com")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda raw: raw[raw.index(b"From:") :], "it has no DKIM-Signature"),
        (lambda raw: raw.replace(b"Hi Bob", b"Hi Eve"), "does not hold: body hash mismatch"),
        (lambda raw: raw.replace(b"Subject: Hello", b"Subject: Bye"), "is not by the key of s1._domainkey.example.com"),
        (lambda raw: raw.replace(b"d=example.com", b"d=example.org"), "of example.org with selector s1 is another one"),
        (lambda raw: raw.replace(b"s=s1", b"s=s2"), "there is no TXT record s2._domainkey.example.com"),
        (lambda raw: raw.replace(b"a=rsa-sha256", b"a=none"), "does not hold: unknown signature algorithm"),
        (lambda raw: b"DKIM-Signature: nothing\r\n" + raw[raw.index(b"From:") :], "cannot be read"),
    ],
)
def test_why_none_holds(server, key, zone, change, why):
    message = received(server, change(signed(key)))
    with pytest.raises(AssertionError, match=why.replace(".", r"\.")) as raised:
        expect(message).to_be_dkim_signed(domain="example.com", dns=zone)
    assert str(raised.value).startswith(f"{message!r} is not signed by example.com: ")


def test_another_selector(server, key, zone):
    message = received(server, signed(key))
    with pytest.raises(
        AssertionError, match=r"is not signed by example\.com with selector s9: the signature of .* another"
    ):
        expect(message).to_be_dkim_signed(domain="example.com", selector="s9", dns=zone)


def test_another_key(server, key):
    zone = Zone()
    zone.dkim_key("example.com", "s1")
    with pytest.raises(AssertionError, match="is not by the key"):
        expect(received(server, signed(key))).to_be_dkim_signed(domain="example.com", dns=zone)


@pytest.mark.parametrize("record", ["v=DKIM1; k=rsa; p=", "v=DKIM1; k=rsa; p=x", "nonsense"])
def test_a_record_that_is_no_key(server, key, record):
    with pytest.raises(AssertionError, match="is not signed by"):
        expect(received(server, signed(key))).to_be_dkim_signed(
            domain="example.com", dns={"s1._domainkey.example.com": record}
        )


def test_one_of_several_is_enough(server, key, zone):
    raw = signed(key, signed(key, domain="example.org"))
    expect(received(server, raw)).to_be_dkim_signed(domain="example.com", dns=zone)
    raw = b"DKIM-Signature: broken\r\n" + raw
    expect(received(server, raw)).to_be_dkim_signed(domain="example.com", dns=zone)


def test_nobody_answers(server, key):
    message = received(server, signed(key))
    with pytest.raises(ConfigError, match="give dns=, the fixture mailtrap_dns"):
        expect(message).to_be_dkim_signed(domain="example.com")
    with pytest.raises(ConfigError, match="not int"):
        expect(message).to_be_dkim_signed(domain="example.com", dns=5)


def test_without_dkimpy(server, key, zone, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "dkim", None)
    with pytest.raises(ConfigError, match=r"install 'pytest-mailtrap\[dkim\]'"):
        expect(received(server, signed(key))).to_be_dkim_signed(domain="example.com", dns=zone)


def test_the_fixture(run):
    run(
        """
        import smtplib
        import dkim
        from pytest_mailtrap import expect

        def test_signed(mailserver, mailtrap_dns):
            key = mailtrap_dns.dkim_key("example.com", "s1")
            raw = b"From: ann@example.com\\r\\nSubject: x\\r\\n\\r\\nHi\\r\\n"
            raw = dkim.sign(raw, b"s1", b"example.com", key) + raw
            with smtplib.SMTP(mailserver.smtp.host, mailserver.smtp.port, timeout=10) as smtp:
                smtp.sendmail("ann@example.com", "bob@example.com", raw)
            expect(mailserver.message()).to_be_dkim_signed(domain="example.com", selector="s1")

        def test_it_begins_empty(mailtrap_dns):
            assert mailtrap_dns.lookup("s1._domainkey.example.com") == []
        """
    ).assert_outcomes(passed=2)
    assert Zone.current is None


class TestZone:
    def test_records(self):
        zone = Zone()
        zone.mx("example.com", "mx.example.com")
        zone.mx("Example.com.", "backup.example.com", 20)
        zone.add("www.example.com", "cname", "example.com")
        zone.add("example.com", "A", "192.0.2.1", "192.0.2.2")
        assert zone.lookup("EXAMPLE.com", "mx") == ["10 mx.example.com", "20 backup.example.com"]
        assert zone.lookup("www.example.com.", "A") == ["192.0.2.1", "192.0.2.2"]
        assert zone.lookup("www.example.com", "AAAA") == []
        zone.remove("example.com", "MX")
        zone.remove("example.com", "MX")
        assert zone.lookup("example.com", "MX") == []
        assert zone(b"example.com") is None
        zone.txt("example.com", "v=spf1 -all")
        assert zone(b"example.com.", timeout=1) == b"v=spf1 -all"

    def test_names_that_go_in_circles(self):
        zone = Zone()
        zone.add("a.test", "CNAME", "b.test")
        zone.add("b.test", "CNAME", "a.test")
        assert zone.lookup("a.test") == []

    def test_another_type(self):
        with pytest.raises(ConfigError, match="not 'SRV'"):
            Zone().add("example.com", "SRV", "x")
