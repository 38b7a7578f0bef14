"""``mailtrap_strict``: mail that no test looked at is a failure."""

import pytest

STRICT = "mailtrap_strict = true"


def test_strays(ends):
    ends(
        """
        import re
        from helpers import send

        def test_one_of_two(mailserver):
            send(mailserver, subject="expected")
            send(mailserver, subject="stray")
            assert mailserver.message(subject=re.compile("^e"))

        def test_none_looked_at(mailserver):
            send(mailserver, subject="a")
            send(mailserver, subject="b")

        def test_next(mailserver):
            pass
        """,
        ini=STRICT,
        outcomes={"failed": 2, "passed": 1},
        lines=[
            "E *UnexpectedMessage: a message came that the test did not look at (mailtrap_strict):",
            "*<Message #2 'stray'*",
            "E *UnexpectedMessage: 2 messages came that the test did not look at (mailtrap_strict):",
        ],
    )


def test_without_it_they_are_none(run):
    run(
        """
        from helpers import send

        def test_it(mailserver):
            send(mailserver)
        """
    ).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    "look",
    [
        "mailserver.message()",
        "mailserver.latest()",
        "mailserver.wait_for(exactly=1)",
        "len(mailserver.messages)",
        "mailserver.mailbox('bob@example.com').messages",
        "mailserver.mailbox('bob@example.com').message(subject='Hello')",
        "expect(mailserver).to_have_count(1)",
        "expect(mailserver.mailbox('bob@example.com')).to_have_count(1)",
        "asyncio.run(async_mailserver.message())",
        "asyncio.run(async_mailserver.list(subject='Hello'))",
        "mailserver.clear()",
        "read(mailserver)",
        "fetch(mailserver)",
    ],
)
def test_what_is_a_look(run, look):
    run(
        f"""
        import asyncio
        import imaplib
        import poplib
        from helpers import send
        from pytest_mailtrap import expect

        def read(server):
            imap = imaplib.IMAP4(server.imap.host, server.imap.port, timeout=10)
            imap.login("bob@example.com", "x")
            imap.select()
            assert imap.fetch("1", "(RFC822)")[0] == "OK"
            imap.logout()

        def fetch(server):
            pop3 = poplib.POP3(server.pop3.host, server.pop3.port, timeout=10)
            pop3.user("bob@example.com")
            pop3.pass_("x")
            pop3.retr(1)
            pop3.dele(1)
            pop3.quit()

        def test_it(mailserver, async_mailserver):
            send(mailserver)
            {look}
        """,
        ini=STRICT,
    ).assert_outcomes(passed=1)


def test_what_is_none(run):
    run(
        """
        import pytest
        from helpers import mail, send

        def test_it(mailserver):
            send(mailserver)
            mailserver.assert_no_message(subject="another")
            with pytest.raises(AssertionError):
                mailserver.message(subject="another", timeout=0)

        def test_placed(mailserver):
            mailserver.deliver(mail(), recipients="bob@example.com")
        """,
        ini=STRICT,
    ).assert_outcomes(failed=1, passed=1)


def test_what_comes_in_teardown(ends):
    ends(
        """
        import pytest
        from helpers import send

        @pytest.fixture
        def app(mailserver):
            yield
            send(mailserver, subject="goodbye")

        def test_it(app):
            pass
        """,
        ini=STRICT,
        outcomes={"passed": 1, "errors": 1},
        lines=["*ERROR at teardown of test_it*", "E *UnexpectedMessage: a message came*"],
    )


def test_the_tests_own_failure_comes_first(run):
    result = run(
        """
        from helpers import send

        def test_it(mailserver):
            send(mailserver)
            assert 1 == 2
        """,
        ini=STRICT,
    )
    result.stdout.fnmatch_lines(["E *assert 1 == 2"])


def test_late_mail(ends):
    ends(
        """
        from helpers import send

        late = []

        def test_first(mailserver):
            late.append(mailserver.address("bob"))

        def test_second(mailserver):
            send(mailserver, to=late[0], subject="too late")
        """,
        ini=STRICT,
        outcomes={"passed": 2, "errors": 1, "warnings": 1},
        lines=[
            "E *UnexpectedMessage: mail came too late (mailtrap_strict):",
            "*'too late'*its test test_it.py::test_first*",
        ],
    )
