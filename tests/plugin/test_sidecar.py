"""``--mailtrap-url``: the fixtures over a server that runs elsewhere."""

import socket
import sys
from collections.abc import Iterator

import pytest

from mailtrap import MailServer


@pytest.fixture
def sidecar() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


def test_a_test_sees_the_mail_of_its_domain(run, sidecar):
    run(
        """
        import pytest
        from helpers import send

        @pytest.mark.parametrize("number", range(2))
        def test_it(mailserver, mailtrap_server, number):
            bob = mailserver.address("bob")
            send(mailserver, to=bob, subject=f"mail {number}")
            send(mailserver, to="bob@example.com", subject="of nobody")
            assert mailserver.message().subject == f"mail {number}"
            assert [copy.subject for copy in mailserver.mailbox(bob).messages] == [f"mail {number}"]
            assert mailtrap_server.messages == []

        def test_async(async_mailserver):
            import asyncio
            send(async_mailserver, to=async_mailserver.address("bob"))
            assert asyncio.run(async_mailserver.message()).subject == "Hello"
        """,
        f"--mailtrap-url={sidecar.http.url}",
    ).assert_outcomes(passed=3)
    assert len(sidecar.messages) == 2  # which named no scope
    assert [name for name in sidecar.scopes if name.startswith("run-")]


@pytest.mark.parametrize("how", ["environment", "ini", "an empty option wins"])
def test_where_it_is_said(run, sidecar, how, monkeypatch):
    here = how == "an empty option wins"
    if how == "environment":
        monkeypatch.setenv("MAILTRAP_URL", sidecar.http.url)
    run(
        f"""
        def test_it(mailserver):
            assert (mailserver.smtp.port == {sidecar.smtp.port}) is not {here}
        """,
        *(["--mailtrap-url="] if here else []),
        ini="" if how == "environment" else f"mailtrap_url = {sidecar.http.url}",
    ).assert_outcomes(passed=1)


def test_settings(run, sidecar):
    run(
        """
        import smtplib
        import pytest

        def test_strict(mailserver):
            assert mailserver.smtp.port == 2525
            assert mailserver.account("ann@example.com").password == "pw"
            with pytest.raises(AssertionError, match=r"within 0\\.01 s"):
                mailserver.message()

        @pytest.mark.mailtrap(routing="open", timeout=0.02)
        def test_marker(mailserver):
            assert mailserver.account("new@example.com")
            with pytest.raises(AssertionError, match=r"within 0\\.02 s"):
                mailserver.message()
        """,
        f"--mailtrap-url={sidecar.http.url}",
        "--mailtrap-timeout=0.01",
        conftest="""
import pytest

@pytest.fixture(scope="session")
def mailtrap_config():
    return {"routing": "strict", "smtp_port": 2525, "imap_port": 0, "accounts": ["ann@example.com:pw"]}
""",
    ).assert_outcomes(passed=2)
    assert sidecar.accounts == []  # they are the run's


def test_a_setting_that_is_the_servers_own(run, sidecar):
    result = run(
        "def test_it(mailserver): pass", f"--mailtrap-url={sidecar.http.url}", ini="mailtrap_hostname = x.test"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["E *UsageError: ini option mailtrap_hostname: hostname is fixed when a server starts, and *http://*(--mail*"]
    )


def test_a_boot_setting_in_a_marker(run, sidecar):
    result = run(
        """
        import pytest

        @pytest.mark.mailtrap(hostname="own.test")
        def test_it(mailserver): pass
        """,
        f"--mailtrap-url={sidecar.http.url}",
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *UsageError: pytest.mark.mailtrap: hostname cannot change for one test*"])


def test_exclusive(run, sidecar):
    run(
        """
        import imaplib
        from helpers import send

        def test_any_domain(mailserver):
            send(mailserver, to="bob@example.com")
            assert mailserver.message().to == ["bob@example.com"]
            imap = imaplib.IMAP4(mailserver.imap.host, mailserver.imap.port, timeout=10)
            imap.login("bob@example.com", "x")
            assert imap.select() == ("OK", [b"1"])
            imap.logout()

        def test_another(mailserver):
            mailserver.assert_no_message()
        """,
        f"--mailtrap-url={sidecar.http.url}",
        "--mailtrap-exclusive",
    ).assert_outcomes(passed=2)
    assert sidecar.messages == []
    view = sidecar.view()
    assert view is not None
    assert view.name == ""  # it was left


def test_exclusive_with_workers(run, sidecar):
    result = run(
        "def test_it(mailserver): pass", f"--mailtrap-url={sidecar.http.url}", "--mailtrap-exclusive", "-n2",
        subprocess=True,
    )  # fmt: skip
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --mailtrap-exclusive means that nobody else uses the server, and 2 workers*"])


def test_workers_share_it(run, sidecar):
    run(
        """
        import pytest
        from helpers import send

        @pytest.mark.parametrize("number", range(6))
        def test_it(mailserver, number):
            send(mailserver, to=mailserver.address("bob"), subject=f"mail {number}")
            assert mailserver.message().subject == f"mail {number}"
        """,
        f"--mailtrap-url={sidecar.http.url}",
        "-n2",
        subprocess=True,
    ).assert_outcomes(passed=6)


def test_mail_that_names_no_scope_is_explained(run, sidecar):
    result = run(
        """
        from helpers import send

        def test_it(mailserver):
            send(mailserver, to="bob@example.com")
            mailserver.message(to="bob@example.com", timeout=0.01)
        """,
        f"--mailtrap-url={sidecar.http.url}",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*1 message outside this scope would match*", "*mailserver.address()*"])


def test_what_failed_is_kept(run, sidecar, pytester):
    result = run(
        """
        from helpers import send

        def test_it(mailserver):
            send(mailserver, to=mailserver.address("bob"), subject="kept")
            assert False
        """,
        f"--mailtrap-url={sidecar.http.url}",
    )
    result.stdout.fnmatch_lines(["*Mail of this test*", "  <Message *'kept'*"])
    assert [path.name for path in (pytester.path / "test-results").glob("*/*.eml")] == ["001-kept.eml"]


def test_its_errors_fail_the_test_once(run, sidecar):
    class Broken:
        import mailtrap

        @mailtrap.hookimpl
        def mailtrap_before_message(self, raw):
            raise ValueError("broken")

    with MailServer(plugins=[Broken()]) as server:
        result = run(
            """
            import smtplib
            import pytest
            from helpers import send

            def test_it(mailserver):
                with pytest.raises(smtplib.SMTPException):
                    send(mailserver, to=mailserver.address("bob"))
            """,
            f"--mailtrap-url={server.http.url}",
        )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*ServerError*ValueError: broken*"])


def test_nothing_answers(run):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        result = run("def test_it(mailserver): pass", f"--mailtrap-url=http://127.0.0.1:{port}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"E *UsageError: --mailtrap-url: no server answers at http://127.0.0.1:{port}: *"])
    result.stdout.no_fnmatch_line("*client.py*")


def test_it_is_no_url(run, monkeypatch):
    monkeypatch.setenv("MAILTRAP_URL", "mailtrap:8025")
    result = run("def test_it(mailserver): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *UsageError: environment variable MAILTRAP_URL: 'mailtrap:8025' is no URL*"])


def test_another_version(run, sidecar, monkeypatch):
    monkeypatch.setattr("mailtrap.web.own.API", 99)  # of the server
    result = run("def test_it(mailserver): pass", f"--mailtrap-url={sidecar.http.url}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *UsageError: --mailtrap-url: http://* is mailtrap * and speaks version 99 *"])


RESTARTING = """
import pytest
from mailtrap import MailServer

class Sidecar:
    def __init__(self):
        self.server = MailServer().start()

    def restart(self):
        port = self.server.http.port
        self.server.stop()
        self.server = MailServer(http_port=port).start()

SIDECAR = Sidecar()

def pytest_configure(config):
    config.option.mailtrap_url = SIDECAR.server.http.url

def pytest_unconfigure(config):
    SIDECAR.server.stop()
    import threading
    left = [thread.name for thread in threading.enumerate() if thread is not threading.main_thread()]
    print("left behind:", left)

@pytest.fixture
def restart():
    return SIDECAR.restart
"""


@pytest.mark.parametrize("noticed", ["in a wait", "after the test"])
def test_it_is_restarted_in_the_middle(run, noticed):
    result = run(
        f"""
        from helpers import send

        def test_first(mailserver):
            send(mailserver, to=mailserver.address("bob"))
            mailserver.message()

        def test_in_it(mailserver, restart):
            restart()
            {"mailserver.message(timeout=5)" if noticed == "in a wait" else "pass"}

        def test_after_it(mailserver):
            pass
        """,
        conftest=RESTARTING,
        subprocess=True,
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["E *ServerRestarted: the mail server at http://* was started anew*", "!* the mail server at http://*!",
         "left behind: [[][]]"]
    )  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="no pthread_kill")
def test_ctrl_c_in_a_wait_leaves_nothing(interrupted, sidecar):
    interrupted(f"--mailtrap-url={sidecar.http.url}")
