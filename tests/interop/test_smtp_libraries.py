"""Python's libraries that send: smtplib with every mechanism, aiosmtplib, Django's backend."""

import asyncio
import base64
import smtplib
import ssl
import sys

import pytest

TOKENS = ("XOAUTH2", "OAUTHBEARER")


def connected(server, listener="smtp"):
    return smtplib.SMTP("localhost", getattr(server, listener), local_hostname="client.test", timeout=10)


class TestSmtplib:
    def sent(self, server, smtp, address, mail):
        assert smtp.sendmail("ann@example.com", [address], mail().encode()) == {}
        message = server.arrived(address)
        assert message["raw"] == mail().encode()
        return message["session"]

    @pytest.mark.parametrize("listener", ["smtp", "submission"])
    @pytest.mark.parametrize("secure", [True, False])
    @pytest.mark.parametrize("mechanism", ["CRAM-MD5", "PLAIN", "LOGIN"])
    @pytest.mark.parametrize("initial", [True, False])
    def test_logs_in(self, full, address, mail, listener, secure, mechanism, initial):
        with connected(full, listener) as smtp:
            if secure:
                smtp.starttls(context=full.trusting())
            smtp.ehlo()
            smtp.user, smtp.password = address, "secret"
            full.tell("accounts", {"address": address, "password": "secret"})  # smtplib sends ASCII alone
            method = getattr(smtp, f"auth_{mechanism.lower().replace('-', '_')}")
            assert smtp.auth(mechanism, method, initial_response_ok=initial)[0] == 235
            session = self.sent(full, smtp, address, mail)
        assert (session["user"], session["mechanism"], session["tls"] is not None) == (address, mechanism, secure)

    @pytest.mark.parametrize("initial", [True, False])
    @pytest.mark.parametrize("mechanism", TOKENS)
    def test_tokens(self, full, address, mail, mechanism, initial):
        def response(token):
            if mechanism == "XOAUTH2":
                return f"user={address}\1auth=Bearer {token}\1\1"
            return f"n,a={address},\1auth=Bearer {token}\1\1"

        def login(smtp, token):
            said = []

            def authobject(challenge=None):
                said.append(challenge)
                return response(token) if len(said) == 1 else "\1" if mechanism == "OAUTHBEARER" else ""

            return smtp.auth(mechanism, authobject, initial_response_ok=initial), said

        with connected(full) as smtp:
            smtp.ehlo()
            for wrong in (full.token(address, expires_in=0), full.token("eve@example.com"), "nonsense"):
                with pytest.raises(smtplib.SMTPAuthenticationError, match=r"5\.7\.8"):
                    login(smtp, wrong)
            assert login(smtp, full.token(address))[0][0] == 235
            assert self.sent(full, smtp, address, mail)["mechanism"] == mechanism

    @pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
    def test_scram(self, full, library, address, mail, mechanism):
        scram = library("scramp").ScramClient([mechanism], address, full.password)

        def authobject(challenge=None):
            if not challenge:
                return scram.get_client_first()
            said = challenge.decode()
            if said.startswith("r="):
                scram.set_server_first(said)
                return scram.get_client_final()
            scram.set_server_final(said)  # raises where the server does not know the password
            return ""

        with connected(full) as smtp:
            smtp.ehlo()
            assert smtp.auth(mechanism, authobject)[0] == 235
            assert self.sent(full, smtp, address, mail)["mechanism"] == mechanism

    def test_login_takes_the_next_mechanism_after_a_failure(self, full, address):
        with connected(full) as smtp:
            with pytest.raises(smtplib.SMTPAuthenticationError):
                smtp.login(address, "wrong")
            tried = [line for line in full.tell("refused") if line["stage"] == "AUTH"][-3:]
            assert len({refusal["session"]["id"] for refusal in tried}) == 1, "three in one connection"
            assert smtp.noop()[0] == 250

    def test_starttls_drops_what_was_said_before(self, strict):
        with connected(strict, "submission") as smtp:
            smtp.ehlo()
            assert not smtp.has_extn("auth"), "a login is possible after TLS only"
            assert smtp.mail("ann@strict.test")[0] == 530
            smtp.starttls(context=strict.trusting())
            assert smtp.docmd("MAIL", "FROM:<ann@strict.test>")[0] == 503, "EHLO comes again"
            smtp.ehlo()
            assert smtp.has_extn("auth")
            assert not smtp.has_extn("starttls")

    def test_a_certificate_that_is_not_trusted(self, full):
        with connected(full) as smtp:
            smtp.ehlo()
            with pytest.raises(ssl.SSLCertVerificationError):
                smtp.starttls(context=ssl.create_default_context())

    def test_a_message_over_the_size_that_was_said(self, served, mail):
        with connected(served) as smtp:
            smtp.ehlo()
            limit = int(smtp.esmtp_features["size"])
            assert smtp.docmd("MAIL", f"FROM:<a@x> SIZE={limit + 1}")[0] == 552
            assert smtp.docmd("MAIL", f"FROM:<a@x> SIZE={limit}")[0] == 250

    def test_lmtp(self, served, address, mail):
        with smtplib.LMTP("localhost", served.lmtp, local_hostname="client.test", timeout=10) as lmtp:
            lmtp.sendmail("ann@example.com", [address], mail().encode())
        assert served.arrived(address)["origin"] == "lmtp"


class TestAiosmtplib:
    @pytest.fixture
    def aiosmtplib(self, library):
        return library("aiosmtplib")

    def test_sends(self, served, aiosmtplib, address, mail):
        sending = aiosmtplib.send(
            mail().encode(), sender="ann@example.com", recipients=[address, f"other-{address}"],
            hostname="localhost", port=served.smtp, timeout=10,
        )  # fmt: skip
        errors, reply = asyncio.run(sending)
        assert (errors, reply) == ({}, "2.0.0 Ok: kept")
        assert served.arrived(address)["raw"] == mail().encode()

    def test_takes_starttls_when_it_is_offered(self, full, aiosmtplib, address, mail):
        """Without the certificate it fails, by default; which is why STARTTLS is off by default."""

        async def send(**how):
            await aiosmtplib.send(
                mail().encode(), sender="ann@example.com", recipients=[address], hostname="localhost",
                port=full.smtp, timeout=10, **how,
            )  # fmt: skip

        with pytest.raises((aiosmtplib.SMTPException, ssl.SSLError)):
            asyncio.run(send())
        asyncio.run(send(tls_context=full.trusting()))
        assert full.arrived(address)["session"]["tls"] is not None

    @pytest.mark.parametrize("how", ["starttls", "implicit"])
    @pytest.mark.parametrize("mechanism", ["crammd5", "plain", "login"])
    def test_logs_in(self, full, aiosmtplib, address, mail, how, mechanism):
        async def send(password):
            implicit = how == "implicit"
            smtp = aiosmtplib.SMTP(
                hostname="localhost", port=full.smtps if implicit else full.smtp, use_tls=implicit,
                start_tls=not implicit, cert_bundle=str(full.ca), timeout=10,
            )  # fmt: skip
            async with smtp:
                await smtp.ehlo()
                await getattr(smtp, f"auth_{mechanism}")(address, password)
                await smtp.sendmail("ann@example.com", [address], mail().encode())

        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            asyncio.run(send("wrong"))
        asyncio.run(send(full.password))
        assert full.arrived(address)["session"]["user"] == address

    def test_xoauth2(self, full, aiosmtplib, address):
        async def login(token):
            async with aiosmtplib.SMTP(hostname="localhost", port=full.smtp, start_tls=False, timeout=10) as smtp:
                await smtp.ehlo()
                return await smtp.auth_xoauth2(address, token)

        with pytest.raises(aiosmtplib.SMTPAuthenticationError):
            asyncio.run(login(full.token(address, expires_in=0)))
        assert asyncio.run(login(full.token(address))).code == 235

    def test_many_connections(self, served, aiosmtplib, address, mail):
        async def send(number):
            raw = mail(f"number {number}").encode()
            await aiosmtplib.send(
                raw, sender="a@x", recipients=[address], hostname="localhost", port=served.smtp, timeout=30
            )

        async def send_all():
            await asyncio.gather(*[send(number) for number in range(40)])

        asyncio.run(send_all())
        found = served.tell("wait", recipients=address, at_least=40)["messages"]
        assert sorted(message["subject"] for message in found) == sorted(f"number {n}" for n in range(40))
        seqs = [message["seq"] for message in found]
        assert len(set(seqs)) == 40


DJANGO = """
import sys
from django.conf import settings
settings.configure(
    EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend", EMAIL_HOST="localhost", EMAIL_TIMEOUT=10,
    DEFAULT_FROM_EMAIL="Ann <ann@example.com>", USE_I18N=False, **SETTINGS,
)
from django.core import mail
with mail.get_connection() as connection:
    messages = []
    for number in range(3):
        message = mail.EmailMultiAlternatives(
            f"Grüße {number}", "Text\\n.\\nend", to=[TO], bcc=["hidden@example.com"], connection=connection,
            headers={"X-Number": str(number)},
        )
        message.attach_alternative("<p>Text</p>", "text/html")
        message.attach("a.txt", "inhalt", "text/plain")
        messages.append(message)
    assert connection.send_messages(messages) == 3
"""


class TestDjango:
    @pytest.fixture
    def django(self, library, run, address):
        library("django")

        def django(code=0, trust="", **settings):
            environment = {"SSL_CERT_FILE": trust} if trust else {}
            program = f"SETTINGS, TO = {settings!r}, {address!r}\n{DJANGO}"
            return run(sys.executable, "-c", program, code=code, **environment)

        return django

    def arrived(self, server, address):
        found = server.tell("wait", recipients=address, at_least=3)["messages"]
        assert [message["subject"] for message in found] == ["Grüße 0", "Grüße 1", "Grüße 2"]
        assert {tuple(message["recipients"]) for message in found} == {(address, "hidden@example.com")}
        assert len({message["session"]["id"] for message in found}) == 1, "one connection"
        assert [part["filename"] for part in found[0]["attachments"]] == ["a.txt"]
        assert (found[0]["text"].strip(), found[0]["html"].strip()) == ("Text\n.\nend", "<p>Text</p>")
        return found[0]["session"]

    def test_sends(self, served, django, address):
        django(EMAIL_PORT=served.smtp)
        assert self.arrived(served, address)["user"] is None

    @pytest.mark.parametrize("how", ["TLS", "SSL"])
    def test_logs_in(self, full, django, address, how):
        full.tell("accounts", {"address": address, "password": "secret"})
        settings = {
            f"EMAIL_USE_{how}": True, "EMAIL_PORT": full.smtps if how == "SSL" else full.submission,
            "EMAIL_HOST_USER": address, "EMAIL_HOST_PASSWORD": "secret",
        }  # fmt: skip
        django(**settings, trust=full.ca)
        session = self.arrived(full, address)
        assert (session["user"], session["tls"]["version"]) == (address, "TLSv1.3")
        django(**settings | {"EMAIL_HOST_PASSWORD": "wrong"}, trust=full.ca, code=1)
        django(**settings, code=1)  # nobody told it to trust the certificate


def test_what_a_client_that_cancels_is_told(full):
    """``*`` (RFC 4954, 4), and an empty initial response, written ``=``."""
    with connected(full) as smtp:
        smtp.ehlo()
        assert smtp.docmd("AUTH", "PLAIN")[0] == 334
        assert smtp.docmd("*") == (501, b"5.5.2 Authentication cancelled")
        assert smtp.docmd("AUTH", "PLAIN =")[0] == 501
        assert smtp.docmd("AUTH", "CRAM-MD5 =")[0] == 501, "it has no initial response"
        plain = base64.b64encode(f"\0bob@example.com\0{full.password}".encode()).decode()
        assert smtp.docmd("AUTH", f"PLAIN {plain}")[0] == 235
        assert smtp.docmd("AUTH", f"PLAIN {plain}")[0] == 503
