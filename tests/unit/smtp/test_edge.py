"""Handlers written for aiosmtpd, on our listeners and behind their own Controller."""

import asyncio
import doctest
import re
import smtplib
import socket
import textwrap
from base64 import b64encode
from pathlib import Path

import pytest
from aiosmtpd import smtp
from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Debugging, Message, Sink

from mailtrap import MailServer

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

MAIL = b"Subject: hello\r\n\r\nHi\r\n"


@pytest.fixture
def connect():
    """Starts a server with a handler and connects to it."""
    open_things = []

    def make(handler, **settings):
        server = MailServer(smtp_handler=handler, **settings).start()
        client = smtplib.SMTP(server.smtp.host, server.smtp.port, local_hostname="client.example", timeout=10)
        open_things[:0] = [client.close, server.stop]
        return server, client

    yield make
    for close in open_things:
        close()


def send(client, *recipients, sender="a@x"):
    return client.sendmail(sender, recipients or ["bob@x"], MAIL)


def test_what_a_handler_is_given(connect):
    seen = []

    class Handler:
        async def handle_DATA(self, server, session, envelope):
            seen.append((server, session, envelope))
            return "250 Message accepted for delivery"

    server, client = connect(Handler())
    client.ehlo()
    client.mail("a@x", ["BODY=8BITMIME"])
    client.rcpt("Bob@X", ["NOTIFY=NEVER"])
    assert client.data(MAIL) == (250, b"Message accepted for delivery")
    ((edge, session, envelope),) = seen
    assert isinstance(edge, smtp.SMTP)
    assert type(session) is smtp.Session
    assert type(envelope) is smtp.Envelope
    assert edge.hostname == "mailtrap.test"
    assert edge.transport.get_extra_info("sockname")[1] == server.smtp.port
    assert isinstance(edge.loop, asyncio.AbstractEventLoop)
    assert session.peer[0] == "127.0.0.1"
    assert session.host_name == "client.example"
    assert session.extended_smtp
    assert session.ssl is None
    assert envelope.mail_from == "a@x"
    assert envelope.mail_options == ["BODY=8BITMIME"]
    assert envelope.rcpt_tos == ["Bob@X"]
    assert envelope.rcpt_options == ["NOTIFY=NEVER"]
    assert envelope.content == envelope.original_content == MAIL
    (message,) = server.messages  # what the handler accepted is kept here as well
    assert message.raw == MAIL
    assert list(message.recipients) == ["Bob@x"]


def test_a_handler_without_data_leaves_the_mail_to_the_server(connect):
    class Handler:
        async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
            if not address.endswith("@example.com"):
                return "550 not relaying to that domain"
            envelope.rcpt_tos.append(address)
            return "250 OK"

    server, client = connect(Handler())
    refused = send(client, "bob@example.com", "eve@example.net")
    assert refused == {"eve@example.net": (550, b"not relaying to that domain")}
    assert [message.recipients for message in server.messages] == [("bob@example.com",)]
    assert [refusal.reply for refusal in server.refused] == ["550 not relaying to that domain"]


def test_what_a_handler_refuses_is_not_kept(connect):
    class Handler:
        async def handle_DATA(self, server, session, envelope):
            return "554 5.7.1 Rejected" if b"hello" in envelope.content else "250 OK"

    server, client = connect(Handler())
    with pytest.raises(smtplib.SMTPDataError) as caught:
        send(client)
    assert caught.value.smtp_code == 554
    assert server.messages == []
    assert [(refusal.stage, refusal.raw) for refusal in server.refused] == [("DATA", MAIL)]


def test_a_handler_rewrites_the_envelope(connect):
    class Handler:
        async def handle_MAIL(self, server, session, envelope, address, mail_options):
            envelope.mail_from = "bounces@example.com"
            return "250 OK"

        async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
            envelope.rcpt_tos.extend([address, "archive@example.com"])
            return "250 OK"

    server, client = connect(Handler())
    send(client, "bob@x")
    (message,) = server.messages
    assert message.mail_from == "bounces@example.com"
    assert list(message.recipients) == ["bob@x", "archive@example.com"]


@pytest.mark.parametrize("asynchronous", [True, False])
def test_every_hook_and_its_answer(connect, asynchronous):
    calls = []

    def hook(name, answer):
        def plain(self, server, session, envelope, *arguments):
            calls.append((name, *arguments))
            if name in ("EHLO", "HELO"):
                session.host_name = arguments[0]
            if name == "MAIL":
                envelope.mail_from = arguments[0]
            if name == "RCPT":
                envelope.rcpt_tos.append(arguments[0])
            return answer

        async def coroutine(self, *arguments):
            await asyncio.sleep(0)
            return plain(self, *arguments)

        return coroutine if asynchronous else plain

    names = ["HELO", "MAIL", "RCPT", "RSET", "NOOP", "VRFY", "DATA", "QUIT"]
    handler = type(
        "Handler", (), {f"handle_{name}": hook(name, f"2{number}5 from {name}") for number, name in enumerate(names)}
    )()
    _, client = connect(handler)
    assert client.helo("me") == (205, b"from HELO")
    assert client.mail("a@x") == (215, b"from MAIL")
    assert client.rcpt("b@x") == (225, b"from RCPT")
    assert client.rset() == (235, b"from RSET")
    assert client.noop() == (245, b"from NOOP")
    assert client.docmd("NOOP", "really") == (245, b"from NOOP")
    assert client.verify("bob@x") == (255, b"from VRFY")
    client.mail("a@x")
    client.rcpt("b@x")
    assert client.data(MAIL) == (265, b"from DATA")
    assert client.quit() == (275, b"from QUIT")
    assert calls == [
        ("HELO", "me"), ("MAIL", "a@x", []), ("RCPT", "b@x", []), ("RSET",), ("NOOP", None), ("NOOP", "really"),
        ("VRFY", "bob@x"), ("MAIL", "a@x", []), ("RCPT", "b@x", []), ("DATA",), ("QUIT",),
    ]  # fmt: skip


def test_missing_means_go_on_as_usual(connect):
    class Handler:
        async def handle_NOOP(self, server, session, envelope, arg):
            return smtp.MISSING

    _, client = connect(Handler())
    assert client.noop() == (250, b"2.0.0 Ok")


def test_ehlo_with_five_arguments_replaces_the_lines(connect):
    class Handler:
        async def handle_EHLO(self, server, session, envelope, hostname, responses):
            session.host_name = hostname
            assert responses[0] == "250-mailtrap.test"
            assert responses[-1] == "250 HELP"
            return [responses[0], "250-X-MINE", "250 HELP"]

    _, client = connect(Handler())
    assert client.ehlo() == (250, b"mailtrap.test\nX-MINE\nHELP")
    assert send(client) == {}


def test_ehlo_with_four_arguments_gives_the_last_line(connect):
    class Handler:
        async def handle_EHLO(self, server, session, envelope, hostname):
            session.host_name = hostname
            return "250 Welcome"

    _, client = connect(Handler())
    code, text = client.ehlo()
    assert code == 250
    assert text.startswith(b"mailtrap.test\nPIPELINING\n")
    assert text.endswith(b"\nHELP\nWelcome")


def test_a_handler_that_refuses_ehlo(connect):
    class Handler:
        async def handle_EHLO(self, server, session, envelope, hostname, responses):
            return ["554 go away"]

    _, client = connect(Handler())
    assert client.ehlo() == (554, b"go away")
    assert client.mail("a@x")[0] == 503


def test_a_handler_that_fails(connect):
    class Handler:
        async def handle_DATA(self, server, session, envelope):
            raise RuntimeError("mine")

    server, client = connect(Handler())
    with pytest.raises(smtplib.SMTPDataError) as caught:
        send(client)
    assert caught.value.smtp_error == b"4.3.0 An error inside the server"
    assert [str(error) for error in server.errors] == ["mine"]
    assert client.noop()[0] == 250


def test_a_handler_that_explains_its_failures(connect):
    class Handler:
        async def handle_VRFY(self, server, session, envelope, address):
            raise RuntimeError("mine")

        async def handle_exception(self, error):
            return f"542 Internal server error: {error}"

    server, client = connect(Handler())
    assert client.verify("x") == (542, b"Internal server error: mine")
    assert server.errors == []


@pytest.mark.parametrize("answer", ["", "no code", 250, "99 too small"])
def test_an_answer_that_is_no_reply(connect, answer):
    class Handler:
        def handle_NOOP(self, server, session, envelope, arg):
            return answer

    server, client = connect(Handler())
    assert client.noop()[0] == 451
    assert len(server.errors) == 1


def test_a_handler_that_says_something_itself(connect):
    class Handler:
        async def handle_VRFY(self, server, session, envelope, address):
            await server.push("250-first")
            return "250 second"

    _, client = connect(Handler())
    assert client.verify("x") == (250, b"first\nsecond")


def test_aiosmtpds_own_handlers(connect, capsys):
    for handler in (Sink(), Debugging()):
        server, client = connect(handler)
        assert send(client) == {}
        assert len(server.messages) == 1
    assert "Subject: hello" in capsys.readouterr().out

    class Parsed(Message):
        def handle_message(self, message):
            subjects.append((message["Subject"], message["X-RcptTo"]))

    subjects = []
    _, client = connect(Parsed())
    send(client)
    assert subjects == [("hello", "bob@x")]


# ---------------------------------------------------------------- AUTH


class WithAuthenticator:
    """Lets bob in."""

    def authenticator(self, server, session, envelope, mechanism, auth_data):
        success = tuple(auth_data) == (b"bob", b"secret")
        return smtp.AuthResult(success=success, handled=False, auth_data=auth_data)


def test_an_authenticator_decides(connect):
    server, client = connect(WithAuthenticator())
    client.ehlo()
    assert client.esmtp_features["auth"].split() == ["LOGIN", "PLAIN"]
    with pytest.raises(smtplib.SMTPAuthenticationError) as caught:
        client.login("bob", "wrong")
    assert caught.value.smtp_code == 535
    assert client.login("bob", "secret")[0] == 235
    (record,) = server.sessions
    assert (record.user, record.mechanism) == ("bob", "PLAIN")
    assert "secret" not in record.transcript
    assert b64encode(b"\0bob\0secret").decode() not in record.transcript


@pytest.mark.parametrize(
    ("line", "code"), [(b"*", 501), (b"no base64", 501), (b64encode(b"bob"), 501), (b64encode(b"\0bob\0secret"), 235)]
)
def test_an_authenticators_challenges(connect, line, code):
    _, client = connect(WithAuthenticator())
    client.ehlo()
    assert client.docmd("AUTH PLAIN") == (334, b"")
    assert client.docmd(line.decode())[0] == code
    assert client.noop()[0] == 250


def test_a_client_that_leaves_a_challenge_unanswered(connect):
    server, client = connect(WithAuthenticator())
    client.ehlo()
    client.docmd("AUTH LOGIN")
    client.close()
    server.stop()
    assert server.errors == []


def test_a_handlers_own_mechanism(connect):
    class Handler:
        async def auth_X__ROT13(self, server, args):
            answer = await server.challenge_auth("who?")
            return smtp.MISSING if answer is smtp.MISSING or answer != b"obo" else "bob"

        @smtp.auth_mechanism("x-odd-name")
        async def auth_other(self, server, args):
            await server.push("535 5.7.8 pushed by the handler")

    server, client = connect(Handler())
    client.ehlo()
    assert client.esmtp_features["auth"].split() == ["X-ODD-NAME", "X-ROT13"]
    assert client.docmd("AUTH X-ODD-NAME") == (535, b"5.7.8 pushed by the handler")
    assert client.docmd("AUTH X-ROT13") == (334, b64encode(b"who?"))
    assert client.docmd(b64encode(b"eve").decode())[0] == 535
    client.docmd("AUTH X-ROT13")
    assert client.docmd(b64encode(b"obo").decode()) == (235, b"2.7.0 Authentication successful")
    assert server.sessions[0].user == "bob"


# ---------------------------------------------------------------- TLS


@pytest.mark.parametrize("accepted", [True, False])
def test_handle_starttls(connect, accepted):
    seen = []

    class Handler:
        def handle_STARTTLS(self, server, session, envelope):
            seen.append((session.ssl["cipher"][1], session.host_name))
            return accepted

    server, client = connect(Handler(), starttls="offered")
    client.starttls(context=server.ssl_context())
    assert client.noop()[0] == (250 if accepted else 554)
    assert seen == [(client.sock.version(), None)]
    if accepted:
        assert send(client) == {}
    else:
        assert client.docmd("MAIL FROM:<a@x>") == (554, b"5.7.0 Command refused due to lack of security")
        assert client.quit()[0] == 221


# ---------------------------------------------------------------- the other direction


class BoundController(Controller):
    """A Controller on a free port: bound here, for it wants to know its port beforehand."""

    def __init__(self, handler):
        self.socket = socket.create_server(("127.0.0.1", 0))
        super().__init__(
            handler, hostname="127.0.0.1", port=self.socket.getsockname()[1], server_hostname="theirs.test"
        )

    def _create_server(self):
        return self.loop.create_server(self._factory_invoker, sock=self.socket)


@pytest.fixture
def controlled():
    """A real aiosmtpd Controller with our store behind it."""
    running = []

    def make(**settings):
        server = MailServer(**settings).start()
        controller = BoundController(server.aiosmtpd_handler())
        controller.start()
        client = smtplib.SMTP("127.0.0.1", controller.port, local_hostname="client.example", timeout=10)
        running[:0] = [client.close, controller.stop, server.stop]
        return server, client

    yield make
    for stop in running:
        stop()


def test_our_store_behind_a_controller(controlled):
    server, client = controlled()
    assert send(client, "bob@x", "carol@x") == {}
    assert send(client) == {}
    message = server.messages[0]
    assert message.raw == MAIL
    assert message.origin == "smtp"
    assert message.mail_from == "a@x"
    assert list(message.recipients) == ["bob@x", "carol@x"]
    assert message.session.helo == "client.example"
    assert message.session.peer[0] == "127.0.0.1"
    assert len(server.mailbox("bob@x").messages) == 2


def test_routing_holds_behind_a_controller(controlled):
    server, client = controlled(routing="strict", accounts=["bob@x"])
    assert send(client, "bob@x", "nobody@x") == {"nobody@x": (550, b"5.1.1 No such user here")}
    assert list(server.messages[0].recipients) == ["bob@x"]
    (refusal,) = server.refused
    assert refusal.stage == "RCPT"
    assert list(refusal.envelope.recipients) == ["bob@x", "nobody@x"]


def test_without_a_handler_the_objects_of_aiosmtpd_show_the_session(connect):
    server, client = connect(None)
    client.ehlo()
    client.mail("a@x", ["SMTPUTF8"])
    client.rcpt("bob@x")
    (edge,) = server._parts._hub.drivers
    assert isinstance(edge, smtp.SMTP)
    assert edge.session.host_name == "client.example"
    assert edge.envelope.mail_from == "a@x"
    assert edge.envelope.rcpt_tos == ["bob@x"]
    assert edge.envelope.smtp_utf8
    with pytest.raises(AttributeError):
        edge.no_such_thing  # noqa: B018


# ---------------------------------------------------------------- the examples of aiosmtpd's own documentation

DOCUMENTATION = Path(smtp.__file__).parent / "docs"


def defined(source, name, **globals_):
    """What a piece of the documentation defines, which was executed as it stands."""
    exec(compile(source, name, "exec"), globals_)
    return globals_[name]


def test_the_example_of_its_controller(connect, capsys):
    """The handler as it is printed there, given the mail that is sent there, prints what it prints there."""
    examples = doctest.DocTestParser().get_examples((DOCUMENTATION / "controller.rst").read_text("utf-8"))
    handler = next(example.source for example in examples if example.source.startswith("class ExampleHandler"))
    sending = next(example for example in examples if "client.sendmail('a@example.com', ['b@" in example.source)
    server, client = connect(defined(handler, "ExampleHandler")())
    exec(sending.source, {"client": client})
    wanted = sending.want.replace("<BLANKLINE>\n", "\n")
    assert doctest.OutputChecker().check_output(wanted, capsys.readouterr().out, doctest.NORMALIZE_WHITESPACE)
    assert server.message(mail_from="a@example.com", recipients="b@example.com").subject == "A test"
    with pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        send(client, "b@elsewhere.test")
    assert caught.value.recipients == {"b@elsewhere.test": (550, b"not relaying to that domain")}


@pytest.mark.parametrize("failing", [False, True])
def test_the_example_for_who_comes_from_smtpd(connect, failing):
    text = (DOCUMENTATION / "migrating.rst").read_text("utf-8")
    block = re.search(r"the ``handle_DATA\(\)`` method::\n\n((?:    .*\n|\n)+)", text)
    handler = defined(textwrap.dedent(block[1]), "CustomHandler", error_occurred=failing, __name__="example")
    server, client = connect(handler())
    if failing:
        with pytest.raises(smtplib.SMTPDataError) as caught:
            send(client)
        assert (caught.value.smtp_code, caught.value.smtp_error) == (500, b"Could not process your message")
        assert list(server.messages) == []
    else:
        assert send(client) == {}
        assert server.message().raw == MAIL
