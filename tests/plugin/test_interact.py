"""What somebody at a terminal sees: the viewer's address, a pause after a failure; and ``--mailtrap-report``."""

import io

import pytest

SUITE = """
    from helpers import send

    def test_passes(mailserver):
        send(mailserver, subject="of the first")

    def test_fails(mailserver):
        send(mailserver, subject="of the second")
        assert False
"""


def test_viewer(run):
    result = run(
        """
        import urllib.request
        from helpers import send

        def test_it(mailserver):
            send(mailserver)
            with urllib.request.urlopen(mailserver.http.url, timeout=20) as page:
                assert b"Hello" in page.read()
        """,
        "--mailtrap-viewer",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["mailtrap: the viewer is at http://127.0.0.1:*/"])


def test_viewer_at_a_port_of_ones_choice(run):
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    result = run("def test_it(mailserver): pass", "--mailtrap-viewer", "-o", f"mailtrap_http_port={port}", "-s")
    result.stdout.fnmatch_lines([f"mailtrap: the viewer is at http://127.0.0.1:{port}/"])


def test_no_viewer_without_http(run):
    result = run("def test_it(mailserver): pass", "--mailtrap-viewer", ini="mailtrap_http_port =")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *UsageError: there is no viewer: the listener http is off"])


@pytest.mark.parametrize("option", ["--mailtrap-viewer", "--mailtrap-pause-on-failure"])
def test_with_workers(run, option):
    result = run("def test_it(mailserver): pass", option, "-n1", subprocess=True)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {option} *use -n0"])


def test_pause(run, monkeypatch):
    pressed = io.StringIO("\n")
    monkeypatch.setattr("builtins.input", pressed.readline)
    result = run(SUITE, "--mailtrap-pause-on-failure")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["mailtrap: test_it.py::test_fails failed; its mail is at http://127.0.0.1:*/?scope=test-fails. Press Enter*"]
    )
    result.stdout.no_fnmatch_line("*test_passes failed*")
    assert pressed.tell() == 1  # it was waited for once


def test_pause_where_nobody_is(run):
    result = run(SUITE, "--mailtrap-pause-on-failure", subprocess=True)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["mailtrap: there is nobody to press it"])


@pytest.mark.parametrize(("report", "shown"), [("failed", ["second"]), ("always", ["first", "second"]), ("never", [])])
@pytest.mark.parametrize("how", ["option", "ini"])
def test_report(run, report, shown, how):
    arguments = [f"--mailtrap-report={report}"] if how == "option" else []
    result = run(SUITE, "-rA", *arguments, ini=f"mailtrap_report = {report}" if how == "ini" else "")
    result.assert_outcomes(passed=1, failed=1)
    sections = [line for line in result.outlines if "Mail of this test" in line]
    assert len(sections) == len(shown)
    for word in ("first", "second"):
        assert any(f"of the {word}" in line and "octets" in line for line in result.outlines) is (word in shown)


def test_a_report_that_is_none(run):
    result = run("def test_it(): pass", ini="mailtrap_report = sometimes")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: ini option mailtrap_report is one of failed, always, never, not 'sometimes'"])
