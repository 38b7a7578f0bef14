"""What the plugin says: errors of the server, late mail, the section of a failed test, comparisons."""

import pytest

PLUGIN = """
import mailtrap

class Broken:
    def __init__(self, *texts):
        self.texts = list(texts)

    @mailtrap.hookimpl
    @mailtrap.fast
    def mailtrap_before_message(self, session, origin, envelope, raw):
        if b"X-Break" in raw:
            raise ValueError(self.texts.pop(0))
"""

CONFTEST = (
    PLUGIN
    + """
import pytest

@pytest.fixture(scope="session")
def mailtrap_config():
    return {"plugins": [Broken("first", "second", "third", "fourth")]}

@pytest.fixture
def send_broken():
    import smtplib
    def send(server):
        with smtplib.SMTP(server.smtp.host, server.smtp.port, timeout=10) as smtp:
            with pytest.raises(smtplib.SMTPDataError, match="4.3.0"):
                smtp.sendmail("a@example.com", "bob@example.com", b"X-Break: yes\\r\\n\\r\\n")
    return send
"""
)


class TestServerErrors:
    def test_they_fail_the_test_that_caused_them_in_its_call_phase(self, run):
        result = run(
            """
            def test_causes(mailserver, send_broken):
                send_broken(mailserver)

            def test_next(mailserver):
                assert mailserver.errors == []
            """,
            conftest=CONFTEST,
        )
        result.assert_outcomes(failed=1, passed=1)
        result.stdout.fnmatch_lines(
            [
                "E *ValueError: first",
                "The above exception was the direct cause of the following exception:",
                "E *ServerError: the mail server failed while it worked for this test: ValueError: first",
                "*Mail of this test*",
                "1 refusal",
                "1 error of the server",
                "*ValueError('first')",
            ]
        )

    def test_several_are_a_group(self, run):
        result = run(
            """
            def test_causes(mailserver, send_broken):
                send_broken(mailserver)
                send_broken(mailserver)
            """,
            conftest=CONFTEST,
        )
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(
            ["*ExceptionGroup: errors of the mail server (2 sub-*", "*ServerError: *first; ValueError: second"]
        )

    def test_clear_accepts_them(self, run):
        run(
            """
            def test_accepted(mailserver, send_broken):
                send_broken(mailserver)
                assert [str(error) for error in mailserver.errors] == ["first"]
                mailserver.clear()
            """,
            conftest=CONFTEST,
        ).assert_outcomes(passed=1)

    def test_the_tests_own_failure_comes_first(self, run):
        result = run(
            """
            def test_both(mailserver, send_broken):
                send_broken(mailserver)
                assert 1 == 2
            """,
            conftest=CONFTEST,
        )
        result.assert_outcomes(failed=1, errors=1)
        result.stdout.fnmatch_lines(["*ERROR at teardown of test_both*", "*ServerError*", "E *assert 1 == 2"])

    def test_after_the_call_phase_they_are_an_error_at_teardown(self, run):
        result = run(
            """
            import pytest

            @pytest.fixture
            def late(mailserver, send_broken):
                yield
                send_broken(mailserver)

            def test_it(mailserver, late):
                pass
            """,
            conftest=CONFTEST,
        )
        result.assert_outcomes(passed=1, errors=1)
        result.stdout.fnmatch_lines(["*ERROR at teardown of test_it*", "*ServerError: *first"])

    def test_outside_all_tests_they_are_an_error_at_the_end(self, run):
        result = run(
            """
            import pytest

            @pytest.fixture(scope="session")
            def early(mailtrap_server):
                import smtplib
                with smtplib.SMTP(mailtrap_server.smtp.host, mailtrap_server.smtp.port, timeout=10) as smtp:
                    with pytest.raises(smtplib.SMTPDataError):
                        smtp.sendmail("a@example.com", "bob@example.com", b"X-Break: yes\\r\\n\\r\\n")

            def test_it(early, mailserver):
                pass
            """,
            conftest=CONFTEST,
        )
        result.assert_outcomes(passed=1, errors=1)
        result.stdout.fnmatch_lines(["*ServerError: *first"])

    def test_without_a_test_scope_too(self, run):
        result = run(
            """
            def test_it(mailtrap_server, send_broken):
                send_broken(mailtrap_server)
            """,
            conftest=CONFTEST,
        )
        result.assert_outcomes(passed=1, errors=1)
        result.stdout.fnmatch_lines(["*ServerError: *first"])

    def test_on_a_server_of_somebodys_own(self, run):
        result = run(
            """
            def test_causes(mailserver, send_broken):
                send_broken(mailserver)
            """,
            conftest=CONFTEST
            + """
@pytest.fixture(scope="session")
def mailtrap_server(mailtrap_config):
    with mailtrap.MailServer(**mailtrap_config) as server:
        yield server
""",
        )
        result.assert_outcomes(failed=1)

    def test_an_expected_failure_counts_as_one(self, run):
        run(
            """
            import pytest

            @pytest.mark.xfail(strict=True)
            def test_it(mailserver, send_broken):
                send_broken(mailserver)
            """,
            conftest=CONFTEST,
        ).assert_outcomes(xfailed=1)


class TestLateMail:
    SUITE = """
        import smtplib
        import pytest
        from helpers import send

        late = []

        def test_first(mailserver):
            late.append(mailserver.address("bob"))
            send(mailserver, to=late[0], subject="in time")
            mailserver.message()

        def test_second(mailserver):
            send(mailserver, to=late[0], subject="too late")
            mailserver.assert_no_message()

        def test_third(mailserver):
            send(mailserver, subject="of the third")
    """

    def test_it_is_told_against_its_own_test(self, run):
        result = run(self.SUITE)
        result.assert_outcomes(passed=3, warnings=1)
        result.stdout.fnmatch_lines(
            ["test_it.py::test_first", "*LateMailWarning: <Message #2 'too late'*its test*::test_first was over*"]
        )

    def test_it_is_told_where_no_further_test_comes(self, run):
        result = run(
            """
            import smtplib
            import pytest

            connections = []

            @pytest.fixture(scope="session", autouse=True)
            def program(mailtrap_server):
                yield
                for smtp in connections:
                    smtp.data(b"Subject: begun in the test\\r\\n\\r\\n")
                    smtp.quit()

            def test_only(mailserver):
                smtp = smtplib.SMTP(mailserver.smtp.host, mailserver.smtp.port, timeout=10)
                smtp.ehlo()
                smtp.mail("a@example.com")
                smtp.rcpt("bob@example.com")
                connections.append(smtp)
            """
        )
        result.assert_outcomes(passed=1, warnings=1)
        result.stdout.fnmatch_lines(["*LateMailWarning: *begun in the test*"])

    def test_it_can_be_silenced(self, run):
        result = run(self.SUITE, "--disable-warnings")
        result.assert_outcomes(passed=3, warnings=1)
        result.stdout.no_fnmatch_line("*LateMailWarning*")


class TestSection:
    def test_what_came(self, run):
        result = run(
            """
            import smtplib
            from helpers import mail, send

            def test_it(mailserver):
                send(mailserver, subject="one", text="\\n".join(f"line {n}" for n in range(9)))
                mailserver.deliver(mail(subject="placed"), recipients="bob@example.com")
                with smtplib.SMTP(mailserver.smtp.host, mailserver.smtp.port, timeout=10) as smtp:
                    smtp.ehlo()
                    smtp.mail("a@example.com")
                    assert smtp.rcpt("all@example.com")[0] == 250
                    assert smtp.rcpt("all")[0] == 550
                    assert False
            """
        )
        result.stdout.fnmatch_lines(
            [
                "*Mail of this test*",
                "2 messages",
                "  <Message #1 'one' from <app@example.com> to bob@example.com> (smtp, * octets)",
                "      line 0",
                "      line 4",
                "      ...",
                "  <Message #2 'placed'* (deliver, * octets)",
                "1 refusal",
                "  <Refusal RCPT *all*550 5.1.1*",
            ]
        )
        result.stdout.no_fnmatch_line("*line 5*")

    def test_it_is_bounded(self, run):
        result = run(
            """
            from helpers import mail

            def test_it(mailserver):
                for number in range(40):
                    mailserver.deliver(mail(subject=f"{number} " + "x" * 900), recipients="bob@example.com")
                assert False
            """
        )
        result.stdout.fnmatch_lines(["40 messages", "  (30 older ones are not shown)", "  <Message #31 '30 xxx*"])
        start = result.outlines.index("40 messages")
        assert all(len(line) < 250 for line in result.outlines[start:])

    def test_a_passed_test_has_none(self, run):
        result = run(
            """
            from helpers import send

            def test_it(mailserver):
                send(mailserver)
            """,
            "-rA",
        )
        result.assert_outcomes(passed=1)
        result.stdout.no_fnmatch_line("*Mail of this test*")

    def test_a_test_without_mailserver_has_none(self, run):
        result = run("def test_it(mailtrap_server): assert False")
        result.assert_outcomes(failed=1)
        result.stdout.no_fnmatch_line("*Mail of this test*")

    def test_cleared_mail_and_a_server_that_was_stopped(self, run):
        result = run(
            """
            import pytest
            from helpers import send

            def test_cleared(mailserver):
                send(mailserver)
                mailserver.clear()
                assert False

            @pytest.mark.mailtrap(hostname="own.test", store="sqlite:///own.db")
            def test_stopped(mailserver, request):
                send(mailserver)
                mailserver._parts.stop()
                assert False
            """
        )
        result.assert_outcomes(failed=2)
        result.stdout.fnmatch_lines(["no message", "the server cannot be asked any more: *"])


class TestComparisons:
    @pytest.mark.parametrize(
        ("assertion", "says"),
        [
            ("message.from_ == 'App <app@example.com>'", "*compared without its display name, which is ''*"),
            ("'App@example.com' == message.from_", "*the case of the local part, which counts*"),
            ("message == other", "*two different messages*"),
        ],
    )
    def test_they_are_explained(self, run, assertion, says):
        result = run(
            f"""
            from helpers import mail

            def test_it(mailserver):
                message = mailserver.deliver(mail(), recipients="bob@example.com")
                other = mailserver.deliver(mail(), recipients="bob@example.com")
                assert {assertion}
            """
        )
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"E {says}"])

    @pytest.mark.parametrize(
        ("assertion", "says"),
        [
            (
                "message.to == ['bob@example.com', 'Ann@example.com', 'x@example.com']",
                [
                    "*addresses differ: 3 on the left, 3 on the right*",
                    "E *only on the left:",
                    "E *'ann@example.com' (Ann)",
                    "E *'carol@example.com'",
                    "E *only on the right:",
                    "E *'Ann@example.com'",
                    "E *'x@example.com'",
                    "E *they differ in the case of the local part*",
                ],
            ),
            (
                "['bob@example.com', 'carol@example.com', 'ann@example.com'] == message.to",
                ["E *the same in another order"],
            ),
            ("message.recipients == []", ["E *only on the left:", "E *'b@example.com'"]),
            (
                "[message] == [other, other]",
                ["*messages differ: 1 on the left, 2 on the right*", "E *#1*", "E *#2*", "E *#2*"],
            ),
            ("mailserver.page() == []", ["*messages differ: 2 on the left, 0 on the right*"]),
        ],
    )
    def test_lists_are_explained(self, run, assertion, says):
        result = run(
            f"""
            from helpers import mail

            def test_it(mailserver):
                raw = mail(to="Ann <ann@example.com>, bob@example.com, carol@example.com")
                message = mailserver.deliver(raw, recipients="b@example.com")
                other = mailserver.deliver(mail(subject="Other"), recipients="bob@example.com")
                assert {assertion}
            """
        )
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(says)

    def test_others_are_left_to_pytest(self, run):
        result = run("def test_it(mailserver): assert [1] == [2]")
        result.stdout.fnmatch_lines(["*At index 0 diff: 1 != 2*"])
