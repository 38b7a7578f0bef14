"""Each fixture, in a suite of somebody's own."""

import pytest


def test_the_example_of_the_readme(run):
    run(
        """
        import smtplib
        from email.message import EmailMessage

        def test_welcome(mailserver):
            mail = EmailMessage()
            mail["From"], mail["To"], mail["Subject"] = "app@example.com", "bob@example.com", "Welcome"
            mail.set_content("Hello Bob")
            with smtplib.SMTP(mailserver.smtp.host, mailserver.smtp.port) as smtp:
                smtp.send_message(mail)
            message = mailserver.message(to="bob@example.com", subject="Welcome")
            assert message.text == "Hello Bob\\n"
        """,
        subprocess=True,
    ).assert_outcomes(passed=1)


def test_each_test_sees_its_own_mail_only(run):
    run(
        """
        import pytest
        from helpers import send

        @pytest.mark.parametrize("number", range(3))
        def test_own(mailserver, number):
            assert mailserver.messages == []
            send(mailserver, subject=f"mail {number}")
            assert mailserver.message().subject == f"mail {number}"

        def test_nothing_is_deleted(mailtrap_server):
            assert len(mailtrap_server.page(all_scopes=True)) == 3
        """
    ).assert_outcomes(passed=4)


def test_a_reader_sees_its_test_only(run):
    run(
        """
        import imaplib
        import poplib
        import pytest
        from helpers import send

        @pytest.mark.parametrize("number", range(2))
        def test_read(mailserver, number):
            for _ in range(number + 1):
                send(mailserver, subject=f"mail {number}")
            imap = imaplib.IMAP4(mailserver.imap.host, mailserver.imap.port, timeout=10)
            imap.login("bob@example.com", "anything")
            assert imap.select() == ("OK", [b"%d" % (number + 1)])
            _, data = imap.fetch("1", "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")
            assert b"mail %d" % number in data[0][1]
            imap.logout()
            pop3 = poplib.POP3(mailserver.pop3.host, mailserver.pop3.port, timeout=10)
            pop3.user("bob@example.com")
            pop3.pass_("anything")
            assert len(pop3.list()[1]) == number + 1
            pop3.dele(1)
            pop3.quit()
            assert len(mailserver.mailbox("bob@example.com").messages) == number
        """
    ).assert_outcomes(passed=2)


def test_what_a_session_fixture_made_is_there_in_every_test_and_starts_alike(run):
    run(
        """
        import imaplib
        import pytest
        from helpers import mail, send

        @pytest.fixture(scope="session", autouse=True)
        def bob(mailtrap_server):
            account = mailtrap_server.add_account("bob@example.com", "secret")
            account.create("Archive")
            mailtrap_server.deliver(mail(subject="seeded"), recipients="bob@example.com")
            return account

        @pytest.mark.parametrize("number", range(2))
        def test_it(mailserver, number):
            imap = imaplib.IMAP4(mailserver.imap.host, mailserver.imap.port, timeout=10)
            with pytest.raises(imaplib.IMAP4.error):
                imap.login("bob@example.com", "wrong")
            imap.login("bob@example.com", "secret")
            assert imap.select() == ("OK", [b"1"])
            assert imap.store("1", "+FLAGS", "(\\\\Deleted)")[0] == "OK"
            imap.expunge()
            imap.logout()
            send(mailserver, subject="of this test")
            inbox = mailserver.mailbox("bob@example.com")
            assert [copy.subject for copy in inbox.messages] == ["of this test"]
            assert [box.name for box in mailserver.account("bob@example.com").mailboxes] == ["INBOX", "Archive"]

        def test_the_original_is_as_it_was(mailtrap_server):
            (copy,) = mailtrap_server.mailbox("bob@example.com").messages
            assert (copy.subject, copy.flags) == ("seeded", frozenset())
        """
    ).assert_outcomes(passed=3)


def test_scopes_are_named_after_their_tests(run):
    run(
        """
        import pytest

        def test_short(mailserver):
            assert mailserver.name == "test-short"
            assert mailserver.address("bob") == "bob@test-short.test"

        @pytest.mark.parametrize("value", ["a b/c", "x" * 200 + "1", "x" * 200 + "2"], ids=str)
        def test_odd(mailserver, value):
            assert mailserver.name.startswith("test-odd-")
            assert len(mailserver.name) <= 63
            assert mailserver.address() != mailserver.address()

        class TestSame:
            def test_short(self, mailserver):
                assert mailserver.name == "test-short-2"

        def test_ß(mailserver):
            assert mailserver.address("bob").endswith(".test")
        """
    ).assert_outcomes(passed=6)


def test_mail_to_the_scopes_domain_finds_its_test(run):
    run(
        """
        from helpers import send

        def test_it(mailserver, mailtrap_server):
            with mailtrap_server.scope("another"):
                send(mailtrap_server, to=mailserver.address("bob"))
            assert mailserver.message().to == ["bob@test-it.test"]
        """
    ).assert_outcomes(passed=1)


def test_configuration(run):
    run(
        """
        import smtplib
        import pytest

        def test_routing(mailserver):
            with smtplib.SMTP(mailserver.smtp.host, mailserver.smtp.port, timeout=10) as smtp:
                smtp.ehlo()
                smtp.mail("a@example.com")
                assert smtp.rcpt("nobody@example.com")[0] == 550
            with pytest.raises(Exception, match="is off"):
                mailserver.pop3
        """,
        conftest="""
        import pytest

        @pytest.fixture(scope="session")
        def mailtrap_config():
            return {"routing": "strict", "pop3_port": None}
        """.replace("\n        ", "\n"),
    ).assert_outcomes(passed=1)


def test_two_folders_each_with_a_server_of_their_own(run, pytester):
    for name in ("one", "two"):
        folder = pytester.mkpydir(name)
        (folder / "conftest.py").write_text(
            "import mailtrap, pytest\n\n"
            "@pytest.fixture(scope='session')\n"
            "def mailtrap_server():\n"
            f"    with mailtrap.MailServer(hostname='{name}.test') as server:\n"
            "        yield server\n",
            "utf-8",
        )
        for number in (1, 2):
            (folder / f"test_{name}{number}.py").write_text(
                "def test_it(mailserver, mailtrap_server):\n"
                f"    assert mailserver.settings['hostname'] == '{name}.test'\n"
                "    assert mailserver.smtp.port == mailtrap_server.smtp.port\n",
                "utf-8",
            )
    run(
        "def test_it(mailserver): assert mailserver.settings['hostname'] == 'mailtrap.test'",
        "one/test_one1.py", "two/test_two1.py", "test_it.py", "one/test_one2.py", "two/test_two2.py",
    ).assert_outcomes(passed=5)  # fmt: skip


def test_environment(run, monkeypatch):
    monkeypatch.setenv("SMTP_HOST", "real.example.com")
    run(
        """
        import os

        def test_set(mailtrap_env, mailserver):
            assert os.environ["SMTP_HOST"] == mailserver.smtp.host
            assert os.environ["SMTP_PORT"] == str(mailserver.smtp.port)
            assert os.environ["EMAIL_URL"] == f"smtp://{mailserver.smtp.host}:{mailserver.smtp.port}"
            assert os.environ["IMAP_PORT"] == str(mailserver.imap.port)
            assert os.environ["POP3_PORT"] == str(mailserver.pop3.port)
            assert mailtrap_env.items() <= os.environ.items()

        def test_unset():
            assert os.environ["SMTP_HOST"] == "real.example.com"
            assert "IMAP_PORT" not in os.environ
        """
    ).assert_outcomes(passed=2)


@pytest.mark.parametrize("mailers", [False, True])
def test_django(run, mailers):
    django = pytest.importorskip("django")
    if mailers and django.VERSION < (6, 1):
        pytest.skip(f"Django {django.__version__} has no MAILERS")
    run(
        """
        import django
        import pytest
        from django.conf import settings
        from django.core import mail
        from django.test.utils import setup_test_environment, teardown_test_environment

        MAILERS = dict(MAILERS=dict(default={}, bulk={})) if WITH_MAILERS else {}

        @pytest.fixture(autouse=True)
        def environment():
            settings.configured or settings.configure(DEFAULT_FROM_EMAIL="app@example.com", **MAILERS)
            setup_test_environment()
            yield
            teardown_test_environment()

        def test_real(mailtrap_django, mailserver):
            mail.send_mail("Reset", "Here", None, ["bob@example.com"])
            assert mailserver.message(to="bob@example.com").subject == "Reset"
            assert mail.outbox == []

        def test_locmem_again(mailserver):
            mail.send_mail("Reset", "Here", None, ["bob@example.com"])
            assert len(mail.outbox) == 1
            mailserver.assert_no_message()

        @pytest.mark.skipif(not MAILERS, reason="one way to send only")
        def test_other_ways_to_send(mailtrap_django):
            mail.EmailMessage("News", "Here", None, ["bob@example.com"]).send(using="bulk")
            assert mailtrap_django.message(to="bob@example.com").subject == "News"
            with pytest.raises(AttributeError, match="MAILERS"):
                settings.EMAIL_HOST
        """.replace("WITH_MAILERS", str(mailers)),
        ini="    ignore:Django 2028 will not have a default mailer",
        subprocess=True,
    ).assert_outcomes(passed=2 + mailers, skipped=1 - mailers)


def test_django_is_needed_for_its_fixture(run):
    result = run(
        """
        import sys

        def test_it(monkeypatch, request):
            for name in [name for name in sys.modules if name.partition(".")[0] == "django"]:
                monkeypatch.delitem(sys.modules, name)
            monkeypatch.setitem(sys.modules, "django", None)
            request.getfixturevalue("mailtrap_django")
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UsageError: the fixture mailtrap_django needs Django*"])


def test_waits_refuse_to_block_an_event_loop(run):
    run(
        """
        import asyncio
        import pytest
        from helpers import mail, send
        from mailtrap import BlockingWait

        def test_coroutine(mailserver):
            async def main():
                with pytest.raises(BlockingWait, match="async_mailserver"):
                    mailserver.message()
                await asyncio.to_thread(send, mailserver)
                assert mailserver.message().subject == "Hello"  # it is there: nothing blocks
            asyncio.run(main())

        def test_callback(mailserver):
            caught = []
            def callback():
                try:
                    mailserver.message()
                except BlockingWait as error:
                    caught.append(error)
            async def main():
                asyncio.get_running_loop().call_soon(callback)
                await asyncio.sleep(0)
                await asyncio.sleep(0)
            asyncio.run(main())
            assert len(caught) == 1
        """
    ).assert_outcomes(passed=2)


def test_under_xdist_each_worker_has_its_server(run):
    pytest.importorskip("xdist")
    result = run(
        """
        import pytest
        from helpers import send

        @pytest.mark.parametrize("number", range(8))
        def test_it(mailserver, number, worker_id, record_property):
            record_property("server", f"{worker_id} {mailserver.smtp.port}")
            send(mailserver, subject=f"mail {number}")
            assert mailserver.message().subject == f"mail {number}"

        def test_that_fails(mailserver):
            send(mailserver, subject="shown by the controller")
            mailserver.message(subject="another", timeout=0)
        """,
        "-p", "xdist", "-n", "2", "-rA",
        conftest="""
def pytest_runtest_logreport(report):
    if report.when == "call" and report.user_properties:
        print("on", dict(report.user_properties)["server"])
""",
        subprocess=True,
    )  # fmt: skip
    result.assert_outcomes(passed=8, failed=1)
    result.stdout.fnmatch_lines(["*Mail of this test*", "*shown by the controller*"])
    servers = {line.partition("on ")[2] for line in result.outlines if "on gw" in line}
    assert len(servers) == 2
    assert len({server.split()[1] for server in servers}) == 2


def test_the_server_of_somebodys_own_fixture_is_asked_for_as_often_as_that_says(run):
    run(
        """
        import pytest

        def test_one(mailserver):
            assert mailserver.account("bob-1@example.com").password == "pw"

        def test_two(mailserver):
            assert mailserver.account("bob-2@example.com").password == "pw"

        class TestElsewhere:
            @pytest.fixture
            def mailtrap_server(self):
                from mailtrap import MailServer
                with MailServer(hostname="elsewhere.test") as server:
                    yield server

            def test_one(self, mailserver):
                assert mailserver.settings["hostname"] == "elsewhere.test"

            def test_two(self, mailserver):
                assert mailserver.settings["hostname"] == "elsewhere.test"

        def test_three(mailserver):
            assert mailserver.settings["hostname"] != "elsewhere.test"
            assert mailserver.account("bob-3@example.com").password == "pw"
        """,
        conftest="""
import itertools
import pytest

numbers = itertools.count(1)

@pytest.fixture
def mailtrap_server(mailtrap_server):
    mailtrap_server.add_account(f"bob-{next(numbers)}@example.com", "pw")
    return mailtrap_server
""",
    ).assert_outcomes(passed=5)


def test_a_run_on_several_servers(run):
    run(
        """
        import pytest

        def test_one(mailserver, mailtrap_config):
            assert mailserver.settings["routing"] == mailtrap_config["routing"]

        def test_two(mailserver, mailtrap_server):
            assert mailserver.settings["routing"] in ("open", "strict")
            assert mailtrap_server.settings["routing"] == mailserver.settings["routing"]

        def test_three(mailserver, mailtrap_config):
            assert mailserver.settings["routing"] == mailtrap_config["routing"]
        """,
        conftest="""
import pytest

@pytest.fixture(scope="session", params=["open", "strict"])
def mailtrap_config(request):
    return {"routing": request.param}
""",
    ).assert_outcomes(passed=6)


@pytest.mark.parametrize("behind", ["mailtrap_config", "mailtrap_server"])
def test_a_fixture_with_parameters_behind_mailserver_makes_several_tests(run, behind):
    result = run(
        """
        import pytest

        def test_one(mailserver):
            print("\\nrouting", mailserver.settings["routing"])

        @pytest.mark.parametrize("number", range(2))
        def test_two(async_mailserver, number):
            print("\\nrouting", async_mailserver.server.settings["routing"])

        def test_without():
            pass
        """,
        "-s",
        conftest={
            "mailtrap_config": """
import pytest

@pytest.fixture(scope="session", params=["open", "strict"])
def mailtrap_config(request):
    return {"routing": request.param}
""",
            "mailtrap_server": """
import pytest
from mailtrap import MailServer

@pytest.fixture(scope="module", params=["open", "strict"])
def mailtrap_server(request):
    with MailServer(routing=request.param) as server:
        yield server
""",
        }[behind],
    )
    result.assert_outcomes(passed=7)
    routing = [line for line in result.outlines if line.startswith("routing")]
    assert sorted(routing) == ["routing open"] * 3 + ["routing strict"] * 3


def test_a_scope_that_a_test_did_not_leave_is_not_in_the_way_of_others(run):
    run(
        """
        from helpers import send

        def test_forgets(mailserver):
            mailserver.scope("forgotten").start()

        def test_whole_run(mailtrap_server):
            send(mailtrap_server)
            assert mailtrap_server.message(timeout=0).scope == ""
        """
    ).assert_outcomes(passed=2)
