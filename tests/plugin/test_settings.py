"""Options, ini names, environment and marker: what there is, and which wins."""

import pytest

from mailtrap.config import BOOT, LIVE
from pytest_mailtrap.options import INI

SHOW = """
    import pytest

    def test_it(mailserver):
        from mailtrap import MessageNotFound
        with pytest.raises(MessageNotFound, match="within {} s"):
            mailserver.message()
"""
CONFTEST = """
import pytest

@pytest.fixture(scope="session")
def mailtrap_config():
    return {"timeout": 0.03}
"""


def test_the_ini_names_are_the_settings_that_can_be_written():
    meanings = {name: field.metadata["meaning"] for name, field in {**BOOT, **LIVE}.items()}
    for in_process_only in ("smtp_handler", "plugins"):
        del meanings[in_process_only]
    assert {name: meaning for name, (_, meaning) in INI.items()} == meanings


def test_marker_wins(run, monkeypatch):
    monkeypatch.setenv("MAILTRAP_TIMEOUT", "0.02")
    source = "\n    import pytest\n    pytestmark = pytest.mark.mailtrap(timeout=0.005)" + SHOW.replace(
        "    def test_it", "    @pytest.mark.mailtrap(timeout=0)\n    def test_it"
    )
    run(
        source.format("0"), "--mailtrap-timeout=0.01", conftest=CONFTEST, ini="mailtrap_timeout = 0.04"
    ).assert_outcomes(passed=1)


def test_command_line_wins_over_the_rest(run, monkeypatch):
    monkeypatch.setenv("MAILTRAP_TIMEOUT", "0.02")
    run(
        SHOW.format("0.01"), "--mailtrap-timeout=0.01", conftest=CONFTEST, ini="mailtrap_timeout = 0.04"
    ).assert_outcomes(passed=1)


def test_zero_on_the_command_line_is_zero(run):
    run(SHOW.format("0"), "--mailtrap-timeout=0", conftest=CONFTEST).assert_outcomes(passed=1)


def test_environment_wins_over_configuration(run, monkeypatch):
    monkeypatch.setenv("MAILTRAP_TIMEOUT", "0.02")
    run(SHOW.format("0.02"), conftest=CONFTEST, ini="mailtrap_timeout = 0.04").assert_outcomes(passed=1)


def test_fixture_wins_over_ini(run):
    run(SHOW.format("0.03"), conftest=CONFTEST, ini="mailtrap_timeout = 0.04").assert_outcomes(passed=1)


def test_ini_wins_over_the_default(run):
    run(SHOW.format("0.04"), ini="mailtrap_timeout = 0.04").assert_outcomes(passed=1)


def test_only_two_names_are_read_from_the_environment(run, monkeypatch):
    monkeypatch.setenv("MAILTRAP_ROUTING", "nonsense")
    monkeypatch.setenv("MAILTRAP_SMTP_PORT", "nonsense")
    run("def test_it(mailserver): assert mailserver.smtp.port").assert_outcomes(passed=1)


def test_ini_values_of_each_kind(run):
    run(
        """
        import smtplib
        import pytest
        from mailtrap import MailtrapError

        def test_it(mailserver):
            with smtplib.SMTP(mailserver.smtp.host, mailserver.smtp.port, timeout=10) as smtp:
                assert smtp.ehlo()[0] == 250
                assert b"SIZE 1000" in smtp.ehlo_resp
                assert smtp.mail("a@example.com")[0] == 530
            with pytest.raises(MailtrapError):
                mailserver.lmtp
            assert [account.address for account in mailserver.accounts] == ["bob@example.com", "carol@example.com"]
        """,
        ini="mailtrap_max_message_size = 1000\nmailtrap_require_auth = true\nmailtrap_lmtp_port =\n"
        "mailtrap_accounts = bob@example.com:pw carol@example.com",
    ).assert_outcomes(passed=1)


@pytest.mark.skipif(pytest.version_tuple < (9, 2), reason="pytest takes types in its TOML table since 9.2")
def test_typed_values_of_a_toml_table(run, pytester):
    pytester.makefile(
        ".toml",
        pytest="""
        [pytest]
        mailtrap_timeout = 0.05
        mailtrap_require_auth = true
        mailtrap_smtp_port = 0
        mailtrap_accounts = ["bob@example.com"]
        """,
    )
    run(SHOW.format("0.05"), "-c", "pytest.toml").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"ini": "mailtrap_routing = sloppy"}, "ini option mailtrap_routing: routing is one of 'open', 'strict'"),
        ({"ini": "mailtrap_smtp_port = 99999"}, "ini option mailtrap_smtp_port: smtp_port is a port"),
        ({"conftest": CONFTEST.replace("timeout", "timeot")}, "fixture mailtrap_config: *'timeot'; the nearest is*"),
        ({"conftest": CONFTEST.replace("0.03", "'long'")}, "fixture mailtrap_config: timeout is a number of seconds"),
    ],
)  # fmt: skip
def test_a_setting_that_does_not_fit(run, arguments, says):
    result = run("def test_it(mailserver): pass", **arguments)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"*UsageError: {says}*".replace("[", "[[]")])


def test_a_variable_that_does_not_fit(run, monkeypatch):
    monkeypatch.setenv("MAILTRAP_TIMEOUT", "soon")
    result = run("def test_it(mailserver): pass")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*UsageError: environment variable MAILTRAP_TIMEOUT: timeout is a number*'soon'"])


def test_a_negative_option(run):
    result = run("def test_it(mailserver): pass", "--mailtrap-timeout=-1")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*UsageError: --mailtrap-timeout: timeout is not negative*"])


def test_an_unknown_ini_name(run):
    result = run("def test_it(mailserver): pass", "--strict-config", ini="mailtrap_timeot = 1")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*Unknown config option: mailtrap_timeot*"])


class TestMarker:
    def test_live_settings_apply_to_the_tests_scope(self, run):
        run(
            """
            import smtplib
            import pytest

            def refuses(mailserver):
                with smtplib.SMTP(mailserver.smtp.host, mailserver.smtp.port, timeout=10) as smtp:
                    smtp.ehlo()
                    smtp.mail("a@example.com")
                    return smtp.rcpt("nobody@example.com")[0] == 550

            @pytest.mark.mailtrap(routing="strict")
            def test_strict(mailserver, mailtrap_server):
                assert mailserver.smtp.port == mailtrap_server.smtp.port
                assert refuses(mailserver)

            def test_open(mailserver):
                assert not refuses(mailserver)

            @pytest.mark.mailtrap(routing="strict")
            class TestClass:
                @pytest.mark.mailtrap(routing="open")
                def test_nearest(self, mailserver):
                    assert not refuses(mailserver)

                @pytest.mark.mailtrap(timeout=1)
                def test_both(self, mailserver):
                    assert refuses(mailserver)
            """
        ).assert_outcomes(passed=4)

    def test_a_boot_setting_gives_a_server_of_its_own(self, run):
        run(
            """
            import smtplib
            import pytest
            from helpers import send

            ports = []

            @pytest.mark.mailtrap(hostname="mx.example.com", routing="strict", accounts=["bob@example.com"])
            def test_own(mailserver):
                with smtplib.SMTP(mailserver.smtp.host, mailserver.smtp.port, timeout=10) as smtp:
                    assert smtp.ehlo()[1].startswith(b"mx.example.com")
                    smtp.mail("a@example.com")
                    assert [smtp.rcpt(f"{name}@example.com")[0] for name in ("bob", "carol")] == [250, 550]
                send(mailserver)
                assert mailserver.message(timeout=7).subject == "Hello"
                ports.append((mailserver.smtp.host, mailserver.smtp.port))

            def test_it_is_gone():
                with pytest.raises(OSError):
                    smtplib.SMTP(*ports[0], timeout=10)

            def test_shared(mailserver, mailtrap_server):
                assert mailserver.smtp.port == mailtrap_server.smtp.port != ports[0][1]
            """
        ).assert_outcomes(passed=3)

    def test_a_fixed_port_of_the_session_is_not_asked_for_twice(self, run):
        import socket

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        run(
            f"""
            import pytest

            def test_shared(mailserver):
                assert mailserver.smtp.port == {port}

            @pytest.mark.mailtrap(hostname="mx.example.com")
            def test_own(mailserver, mailtrap_server):
                assert mailserver.smtp.port not in (0, {port})
            """,
            ini=f"mailtrap_smtp_port = {port}",
        ).assert_outcomes(passed=2)

    @pytest.mark.parametrize(
        ("marker", "says"),
        [
            ("routin='strict'", "there is no setting 'routin'; the nearest is 'routing'"),
            ("routing='sloppy'", "routing is one of 'open', 'strict', not 'sloppy'"),
            ("smtp_port='x'", "smtp_port is a port, 0 to 65535*not 'x'"),
            ("'strict'", "takes settings by name only, not 'strict'"),
        ],
    )
    @pytest.mark.parametrize("argument", ["mailserver", ""])
    def test_a_marker_that_does_not_fit(self, run, marker, says, argument):
        result = run(
            f"""
            import pytest

            @pytest.mark.mailtrap({marker})
            def test_it({argument}):
                pass
            """
        )
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines([f"E *UsageError: pytest.mark.mailtrap*{says}*"])
        result.stdout.no_fnmatch_line("*config.py*")

    def test_it_is_registered(self, run):
        run(
            """
            import pytest

            @pytest.mark.mailtrap(timeout=1)
            def test_it(mailserver):
                pass
            """,
            "--strict-markers",
        ).assert_outcomes(passed=1)
        run("", "--markers").stdout.fnmatch_lines(["@pytest.mark.mailtrap(?*settings): settings of the mail server*"])


def test_a_port_that_is_taken(run):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = run("def test_it(mailserver): pass", ini=f"mailtrap_imap_port = {port}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"E *PortInUse: *imap*{port}*"])
