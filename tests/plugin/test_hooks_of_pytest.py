"""``pytest_mailtrap_configure`` and ``pytest_mailtrap_message``, implemented in somebody's conftest.py."""

import pytest

BROKEN_POLICY = """
import pytest

def pytest_mailtrap_message(item, message):
    assert "List-Unsubscribe" in message.headers, f"{message.subject} has no List-Unsubscribe"
"""


def test_configure_comes_before_the_first_test_and_once_for_each_server(run):
    run(
        """
        import pytest

        @pytest.fixture(scope="session", autouse=True)
        def made_later(mailtrap_server):
            assert [account.address for account in mailtrap_server.accounts] == ["bob@example.com"]

        @pytest.mark.parametrize("number", range(2))
        def test_shared(mailserver, number, pytestconfig):
            assert mailserver.account("bob@example.com").password == "pw"
            assert len(pytestconfig.servers) == 1

        @pytest.mark.mailtrap(hostname="own.test")
        def test_own(mailserver, pytestconfig):
            assert mailserver.account("bob@example.com").password == "pw"
            assert len(pytestconfig.servers) == 2
        """,
        conftest="""
servers = []

def pytest_mailtrap_configure(config, server):
    config.servers = servers
    servers.append(server)
    assert server.smtp.port
    server.add_account("bob@example.com", "pw")
""",
    ).assert_outcomes(passed=3)


def test_configure_is_called_for_a_server_of_somebodys_own_fixture(run):
    run(
        """
        def test_it(mailserver):
            assert mailserver.account("bob@example.com").password == "pw"
        """,
        conftest="""
import pytest
from mailtrap import MailServer

@pytest.fixture(scope="session")
def mailtrap_server():
    with MailServer() as server:
        yield server

def pytest_mailtrap_configure(server):
    server.add_account("bob@example.com", "pw")
""",
    ).assert_outcomes(passed=1)


def test_an_exception_in_configure_is_an_error_of_the_tests_and_nothing_stays_behind(ends):
    ends(
        """
        import threading

        def test_one(mailserver):
            pass

        def test_without_mail():
            from conftest import BEFORE
            left = [thread for thread in threading.enumerate() if thread not in BEFORE]
            assert not [thread for thread in left if "mailtrap" in thread.name]
        """,
        conftest="""
import threading

BEFORE = threading.enumerate()

def pytest_mailtrap_configure(config, server):
    raise LookupError("no account for the app")
""",
        outcomes={"errors": 1, "passed": 1},
        lines=["*pytest_mailtrap_configure*", "E *LookupError: no account for the app"],
    )


def test_each_message_is_told_once_in_order_in_the_tests_thread(run):
    result = run(
        """
        import imaplib
        from helpers import mail, send

        def test_two(mailserver):
            send(mailserver, subject="one")
            mailserver.deliver(mail(subject="placed"), recipients="bob@example.com")
            imap = imaplib.IMAP4(mailserver.imap.host, mailserver.imap.port, timeout=10)
            imap.login("bob@example.com", "any")
            imap.append("INBOX", None, None, mail(subject="filed").as_bytes())
            imap.logout()
            send(mailserver, subject="two")

        def test_none(mailserver):
            pass

        def test_three(mailserver):
            send(mailserver, subject="three")
        """,
        "-s",
        conftest="""
import threading
main = threading.get_ident()

def pytest_mailtrap_message(item, message):
    assert threading.get_ident() == main
    print("\\ntold", item.name, message.subject, message.origin)
""",
    )
    result.assert_outcomes(passed=3)
    told = [line for line in result.outlines if line.startswith("told")]
    assert told == ["told test_two one smtp", "told test_two two smtp", "told test_three three smtp"]


def test_an_exception_fails_the_test_in_its_call_phase(run):
    result = run(
        """
        from helpers import send

        def test_news(mailserver):
            send(mailserver, subject="News")

        def test_quiet(mailserver):
            pass
        """,
        conftest=BROKEN_POLICY,
    )
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*_ test_news _*",
            "E *AssertionError: News has no List-Unsubscribe",
            "E *in pytest_mailtrap_message for <Message #1 'News'*",
            "*Mail of this test*",
            "FAILED *test_news*News has no List-Unsubscribe*",
        ]
    )
    result.stdout.no_fnmatch_line("*_callers.py*")
    result.stdout.no_fnmatch_line("*watch.py*")


def test_the_messages_after_one_that_failed_are_told_too(ends):
    ends(
        """
        from helpers import send

        def test_news(mailserver):
            for subject in ("one", "two"):
                send(mailserver, subject=subject)
        """,
        conftest=BROKEN_POLICY,
        outcomes={"failed": 1},
        lines=[
            "*ExceptionGroup: pytest_mailtrap_message failed for 2 messages*",
            "*one has no List-Unsubscribe*",
            "*two has no List-Unsubscribe*",
        ],
    )


@pytest.mark.parametrize(("call", "outcome"), [("fail", "failed"), ("skip", "skipped")])
def test_outcomes_of_pytest_work_in_it(ends, call, outcome):
    ends(
        """
        from helpers import send

        def test_news(mailserver):
            send(mailserver)
        """,
        "-rs",
        conftest=f"""
import pytest

def pytest_mailtrap_message(message):
    pytest.{call}("not this one")
""",
        outcomes={outcome: 1},
        lines=["*not this one*"],
    )


def test_a_failed_tests_own_failure_comes_first(ends):
    ends(
        """
        from helpers import send

        def test_news(mailserver):
            send(mailserver)
            assert 1 == 2
        """,
        conftest=BROKEN_POLICY,
        outcomes={"failed": 1, "errors": 1},
        lines=["*ERROR at teardown of test_news*", "*no List-Unsubscribe*", "E *assert 1 == 2"],
    )


def test_mail_after_the_call_phase_is_told_at_teardown(run):
    result = run(
        """
        import pytest
        from helpers import send

        @pytest.fixture
        def goodbye(mailserver):
            yield
            send(mailserver, subject="goodbye")

        def test_it(mailserver, goodbye):
            send(mailserver, subject="hello")
        """,
        "-s",
        conftest="""
def pytest_mailtrap_message(message):
    print("\\ntold", message.subject)
""",
    )
    result.assert_outcomes(passed=1)
    assert [line for line in result.outlines if line.startswith("told")] == ["told hello", "told goodbye"]


def test_a_conftest_hears_of_the_tests_below_it_only(run, pytester):
    inner = pytester.mkdir("inner")
    (inner / "conftest.py").write_text("def pytest_mailtrap_message(item):\n    raise LookupError(item.name)\n")
    (inner / "test_inner.py").write_text(
        "import smtplib\n\ndef test_inner(mailserver):\n"
        "    with smtplib.SMTP(mailserver.smtp.host, mailserver.smtp.port, timeout=10) as smtp:\n"
        "        smtp.sendmail('a@example.com', 'b@example.com', b'x: y\\r\\n\\r\\n')\n"
    )
    result = run(
        """
        from helpers import send

        def test_outer(mailserver):
            send(mailserver)
        """
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["E *LookupError: test_inner"])


def test_an_implementation_that_asks_for_another_argument_is_refused(run):
    result = run(
        "def test_it(): pass", conftest="def pytest_mailtrap_message(item, mail): pass", subprocess=True
    )  # fmt: skip
    assert result.ret != 0
    result.stderr.fnmatch_lines(["*pytest_mailtrap_message*mail*"])


def test_under_xdist_hooks_run_in_the_worker(ends):
    pytest.importorskip("xdist")
    ends(
        """
        import pytest
        from helpers import send

        @pytest.mark.parametrize("number", range(4))
        def test_it(mailserver, number):
            assert mailserver.account("bob@example.com").password == "pw"
            send(mailserver, subject=f"mail {number}")
        """,
        "-n2",
        conftest="""
def pytest_mailtrap_configure(server):
    server.add_account("bob@example.com", "pw")

def pytest_mailtrap_message(item, message):
    assert message.subject == "mail 0", f"{message.subject} is not the first"
""",
        subprocess=True,
        outcomes={"passed": 1, "failed": 3},
        lines=["*mail 3 is not the first*"],
    )
