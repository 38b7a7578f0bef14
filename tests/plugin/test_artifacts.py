"""The files that are kept of a test's mail."""

import os
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pytest_mailtrap.artifacts import folder_name

SUITE = """
    import pytest
    from helpers import mail, send

    def test_passes(mailserver):
        send(mailserver, subject="Welcome")

    def test_fails(mailserver):
        send(mailserver, subject="Reset: <b>now</b>", text="Hi & bye", html="<p>Hi &amp; bye</p>")
        mailserver.deliver(mail(subject="placed"), recipients="bob@example.com")
        assert mailserver.message(subject="Another", timeout=0)

    def test_fails_without_mail(mailserver):
        assert False

    def test_fails_without_mailserver():
        assert False
"""


class Page(HTMLParser):
    """What a browser would make of a page: tags, links, text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.parts = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_data(self, data):
        self.parts.append(data)

    @property
    def text(self):
        return "".join(self.parts)


def folders(root, name="test-results"):
    return {path.name: path for path in (root / name).iterdir()} if (root / name).exists() else {}


def only(root, name="test-results"):
    (folder,) = folders(root, name).values()
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


class TestWhatIsKept:
    def test_of_a_test_that_fails(self, run, pytester):
        result = run(SUITE)
        result.assert_outcomes(passed=1, failed=3)
        folder = only(pytester.path)
        assert re.fullmatch(r"test-it-py-test-fails-[0-9a-f]{8}", folder.name)
        assert names(folder) == ["001-Reset-b-now-b.eml", "002-placed.eml", "index.html", "transcript.txt"]
        result.stdout.fnmatch_lines(["*Mail of this test*", f"kept in test-results/{folder.name}/index.html"])
        assert b"\r\nSubject: Reset: <b>now</b>\r\n" in (folder / "001-Reset-b-now-b.eml").read_bytes()
        transcript = (folder / "transcript.txt").read_text()
        assert re.search(r"=== \S+ smtp from 127\.0\.0\.1:\d+\nS 220 ", transcript)
        assert "rcpt to:<bob@example.com>" in transcript.lower()

    def test_the_page(self, run, pytester):
        run(SUITE)
        folder = only(pytester.path)
        raw = (folder / "index.html").read_text("utf-8")
        page = Page(raw)
        assert page.links == ["transcript.txt", "001-Reset-b-now-b.eml", "002-placed.eml"]
        assert all((folder / link).is_file() for link in page.links)
        assert not {"script", "img", "link", "iframe", "object", "b"} & {tag for tag, _ in page.tags}
        assert not [attrs for _, attrs in page.tags if "src" in attrs or any(name.startswith("on") for name in attrs)]
        assert "default-src 'none'" in raw
        for shown in (
            "Mail of test_it.py::test_fails", "failed", "MessageNotFound: no message matched within 0 s",
            "#2 Reset: <b>now</b>", "Hi & bye", "<bob@example.com>", "<p>Hi &amp; bye</p>", "#3 placed",
        ):  # fmt: skip
            assert shown in page.text

    def test_of_all_tests(self, run, pytester):
        run(SUITE, "--mailtrap-artifacts=on").assert_outcomes(passed=1, failed=3)
        assert [name.rpartition("-")[0] for name in sorted(folders(pytester.path))] == [
            "test-it-py-test-fails", "test-it-py-test-passes",
        ]  # fmt: skip
        passed = next(path for name, path in folders(pytester.path).items() if "passes" in name)
        assert names(passed) == ["001-Welcome.eml", "index.html", "transcript.txt"]
        assert "passed" in Page((passed / "index.html").read_text("utf-8")).text

    @pytest.mark.parametrize("where", ["option", "ini"])
    def test_of_none(self, run, pytester, where):
        result = run(SUITE, *(["--mailtrap-artifacts=off"] if where == "option" else []),
                     ini="mailtrap_artifacts = off" if where == "ini" else "")  # fmt: skip
        result.assert_outcomes(passed=1, failed=3)
        assert folders(pytester.path) == {}
        result.stdout.no_fnmatch_line("*kept in*")

    def test_the_option_wins_over_the_ini_file(self, run, pytester):
        run(SUITE, "--mailtrap-artifacts=retain-on-failure", ini="mailtrap_artifacts = off")
        assert len(folders(pytester.path)) == 1

    def test_an_ini_value_that_is_none_of_them(self, run):
        result = run("", ini="mailtrap_artifacts = always", subprocess=True)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["*mailtrap_artifacts is one of off, on, retain-on-failure, not 'always'"])

    def test_what_was_refused(self, run, pytester):
        run(
            """
            import smtplib
            import pytest

            @pytest.mark.mailtrap(bare_newlines="reject", routing="strict", accounts=["bob@example.com"])
            def test_it(mailserver):
                with smtplib.SMTP(mailserver.smtp.host, mailserver.smtp.port, timeout=10) as smtp:
                    smtp.ehlo()
                    smtp.mail("a@example.com")
                    smtp.rcpt("nobody@example.com")
                    smtp.rcpt("bob@example.com")
                    smtp.putcmd("DATA")
                    smtp.getreply()
                    smtp.sock.sendall(b"Subject: bare\\n\\r\\n\\r\\n.\\r\\n")
                    assert smtp.getreply()[0] == 250
            """
        ).assert_outcomes(failed=1)
        folder = only(pytester.path)
        assert names(folder) == ["index.html", "refused-002.eml", "transcript.txt"]
        assert (folder / "refused-002.eml").read_bytes() == b"Subject: bare\n\r\n\r\n"
        page = Page((folder / "index.html").read_text("utf-8"))
        assert "Refused at RCPT" in page.text
        assert "550 5.1.1" in page.text
        assert "<nobody@example.com>" in page.text

    def test_an_error_of_the_server(self, run, pytester):
        result = run(
            """
            import smtplib
            import pytest

            def test_it(mailserver):
                with smtplib.SMTP(mailserver.smtp.host, mailserver.smtp.port, timeout=10) as smtp:
                    with pytest.raises(smtplib.SMTPDataError):
                        smtp.sendmail("a@example.com", "bob@example.com", b"Subject: x\\r\\n\\r\\n")
            """,
            conftest="""
import mailtrap, pytest

class Broken:
    @mailtrap.hookimpl
    @mailtrap.fast
    def mailtrap_before_message(self, raw):
        raise ValueError("<it> broke")

@pytest.fixture(scope="session")
def mailtrap_config():
    return {"plugins": [Broken()]}
""",
        )
        result.assert_outcomes(failed=1)
        page = Page((only(pytester.path) / "index.html").read_text("utf-8"))
        assert "ServerError: the mail server failed while it worked for this test: ValueError: <it> broke" in page.text
        assert "Error of the server" in page.text
        assert "ValueError: <it> broke" in (only(pytester.path) / "transcript.txt").read_text()


class TestWhen:
    def test_setup_fails(self, run, pytester):
        run(
            """
            import pytest
            from helpers import send

            @pytest.fixture
            def app(mailserver):
                send(mailserver)
                raise LookupError("no app")

            def test_it(app):
                pass
            """
        ).assert_outcomes(errors=1)
        page = Page((only(pytester.path) / "index.html").read_text("utf-8"))
        assert "failed at setup" in page.text
        assert "LookupError: no app" in page.text

    @pytest.mark.parametrize("own", ["", "@pytest.mark.mailtrap(hostname='own.test')"], ids=["shared", "own"])
    @pytest.mark.parametrize("last", [True, False], ids=["last", "more"])
    def test_teardown_fails(self, run, pytester, own, last):
        result = run(
            f"""
            import pytest
            from helpers import send

            @pytest.fixture
            def app():
                yield
                raise LookupError("no end")

            {own}
            def test_it(app, mailserver):
                send(mailserver, subject="Goodbye")

            {"" if last else "def test_more(mailserver): pass"}
            """
        )
        result.assert_outcomes(passed=1 if last else 2, errors=1)
        folder = only(pytester.path)
        assert names(folder) == ["001-Goodbye.eml", "index.html", "transcript.txt"]
        assert b"Subject: Goodbye" in (folder / "001-Goodbye.eml").read_bytes()
        assert "failed at teardown" in Page((folder / "index.html").read_text("utf-8")).text
        result.stdout.fnmatch_lines(["*Mail of this test*", "1 message", "kept in *"])

    def test_both_fail(self, run, pytester):
        result = run(
            """
            import pytest
            from helpers import send

            @pytest.fixture
            def app(mailserver):
                yield
                send(mailserver, subject="two")
                raise LookupError("no end")

            def test_it(app, mailserver):
                send(mailserver, subject="one")
                assert False, "no middle"
            """
        )
        result.assert_outcomes(failed=1, errors=1)
        folder = only(pytester.path)
        assert names(folder) == ["001-one.eml", "002-two.eml", "index.html", "transcript.txt"]
        text = Page((folder / "index.html").read_text("utf-8")).text
        assert "failed, failed at teardown" in text
        assert "no middle" in text
        assert "LookupError: no end" in text
        assert sum("Mail of this test" in line for line in result.outlines) == 2  # the second: where it is kept

    def test_the_server_was_stopped(self, run, pytester):
        result = run(
            """
            import pytest
            from helpers import send

            @pytest.mark.mailtrap(store="sqlite:///own.db")
            def test_it(mailserver):
                send(mailserver)
                mailserver._parts.stop()
                assert False
            """
        )
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["the server cannot be asked any more: *"])
        assert folders(pytester.path) == {}

    def test_an_expected_failure_is_none(self, run, pytester):
        run(
            """
            import pytest
            from helpers import send

            @pytest.mark.xfail
            def test_it(mailserver):
                send(mailserver)
                assert False
            """
        ).assert_outcomes(xfailed=1)
        assert folders(pytester.path) == {}


class TestWhere:
    @pytest.mark.parametrize("where", ["option", "ini", "absolute"])
    def test_another_folder(self, run, pytester, tmp_path_factory, where):
        other = tmp_path_factory.mktemp("other")
        options = {"option": ["--mailtrap-output=out/mail"], "ini": [], "absolute": [f"--mailtrap-output={other}"]}
        ini = "mailtrap_output = out/mail" if where == "ini" else ""
        run("    import os\n" + SUITE.replace("assert mailserver", "os.mkdir('d'); os.chdir('d'); assert mailserver"),
            *options[where], ini=ini)  # fmt: skip
        os.chdir(pytester.path)
        assert names(only(other, "")) if where == "absolute" else names(only(pytester.path, "out/mail"))
        assert not (pytester.path / "test-results").exists()

    def test_a_folder_that_cannot_be_made(self, run, pytester):
        (pytester.path / "test-results").write_text("a file")
        result = run(SUITE)
        result.assert_outcomes(passed=1, failed=3)
        result.stdout.fnmatch_lines(["its mail could not be kept: *"])

    def test_what_earlier_runs_kept_goes_and_what_others_keep_stays(self, run, pytester):
        run(SUITE)
        folder = only(pytester.path)
        (folder / "trace.zip").write_text("of another tool")
        (folder / "mine.eml").write_text("of somebody")
        other = pytester.path / "test-results/other"
        other.mkdir()
        (other / "index.html").write_text("<p>of another tool")
        (other / "001.eml").write_text("of another tool")
        run(SUITE, "--collect-only")
        assert (folder / "index.html").exists()
        run(SUITE.replace("subject='Another'", ""), "-k", "passes")
        assert names(folder) == ["mine.eml", "trace.zip"]
        assert names(other) == ["001.eml", "index.html"]
        run(SUITE)
        assert len(names(folder)) == 6
        (folder / "mine.eml").unlink()
        (folder / "trace.zip").unlink()
        run(SUITE, "-k", "passes")
        assert not folder.exists()

    def test_names_of_folders(self):
        ids = [
            "test_a.py::test_x", "test_a.py::test_X", "test_a.py::test-x", "test_a.py::test_x[a/b]",
            "test_a.py::test_x[a\\b]", "test_a.py::test_x[\udc80]", "test_a.py::test_x[ü ]", "t" * 500,
            "t" * 501, "../../etc::" + "é" * 900, "",
        ]  # fmt: skip
        found = [folder_name(nodeid) for nodeid in ids]
        assert len({name.lower() for name in found}) == len(ids)
        assert all(re.fullmatch(r"[A-Za-z0-9-]{1,90}", name) for name in found)
        assert folder_name("test_a.py::test_x", "gw1") == f"{folder_name('test_a.py::test_x')}-gw1"

    def test_under_xdist(self, run, pytester):
        pytest.importorskip("xdist")
        run(SUITE, "-n2", subprocess=True).assert_outcomes(passed=1, failed=3)
        assert re.fullmatch(r"test-it-py-test-fails-[0-9a-f]{8}", only(pytester.path).name)

    def test_under_xdist_where_each_worker_runs_each_test(self, run, pytester):
        pytest.importorskip("xdist")
        result = run(SUITE, "--dist=each", "--tx=2*popen", "--mailtrap-output=out", subprocess=True)
        result.assert_outcomes(passed=2, failed=6)
        assert [name.rpartition("-")[2] for name in sorted(folders(pytester.path, "out"))] == ["gw0", "gw1"]


class TestBadMail:
    def test_nothing_of_it_gets_into_the_page_or_the_terminal(self, run, pytester):
        result = run(
            """
            import smtplib

            RAW = (
                b"Subject: </title><script>alert(1)</script>\\x1b[31m\\r\\n"
                b'From: "\\"><img src=x onerror=alert(2)>" <a@example.com>\\r\\n'
                b"Content-Type: text/html; charset=utf-8\\r\\n\\r\\n"
                b"<script>alert(3)</script></pre><a href='javascript:alert(4)'>x</a>"
                b"\\x00\\x1b]0;title\\x07\\xed\\xa0\\x80\\r\\n"
            )

            def test_it(mailserver):
                with smtplib.SMTP(mailserver.smtp.host, mailserver.smtp.port, timeout=10) as smtp:
                    smtp.sendmail("a@example.com", "bob@example.com", RAW)
                assert False, "\\ud800"
            """
        )
        result.assert_outcomes(failed=1)
        assert not [line for line in result.outlines if "\x1b" in line or "\x07" in line]
        folder = only(pytester.path)
        raw = (folder / "index.html").read_bytes().decode("utf-8")
        page = Page(raw)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", raw)
        assert {tag for tag, _ in page.tags} <= {
            "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "strong", "a", "pre", "section", "table",
            "tr", "th", "td", "br", "details", "summary",
        }  # fmt: skip
        assert page.links == ["transcript.txt", "001-title-script-alert-1-script-31m.eml"]
        assert "<script>alert(3)</script>" in page.text

    def test_each_odd_mail_of_the_collection(self, run, pytester):
        data = Path(__file__).parents[1] / "data"
        run(
            f"""
            from pathlib import Path

            def test_it(mailserver):
                for file in sorted(Path({str(data)!r}).glob("*.eml")):
                    mailserver.deliver(file.read_bytes(), recipients="bob@example.com")
                assert False
            """
        ).assert_outcomes(failed=1)
        folder = only(pytester.path)
        stored = {path.read_bytes() for path in folder.glob("*.eml")}
        assert stored == {path.read_bytes() for path in data.glob("*.eml")}
        assert len(Page((folder / "index.html").read_text("utf-8")).links) == len(stored) + 1

    def test_very_much_mail(self, run, pytester):
        run(
            """
            from helpers import mail
            from pytest_mailtrap import artifacts, found

            def test_it(mailserver, monkeypatch):
                artifacts.OCTETS, found.MESSAGES = 3000, 5
                for number in range(7):
                    size = 10 if number == 5 else 5000 if number == 4 else 600
                    content = mail(subject=f"mail {number}", text="x" * size)
                    mailserver.deliver(content, recipients=[f"{n}@example.com" for n in range(200)])
                assert False
            """,
            subprocess=True,
        ).assert_outcomes(failed=1)
        folder = only(pytester.path)
        assert names(folder) == [
            "003-mail-2.eml", "004-mail-3.eml", "006-mail-5.eml", "007-mail-6.eml", "index.html", "transcript.txt",
        ]  # fmt: skip
        text = Page((folder / "index.html").read_text("utf-8")).text
        assert "2 older messages are not kept" in text
        assert "not kept: the messages of a test are kept up to 3000 octets" in text
        assert "and 100 more" in text

    def test_mail_that_was_cleared(self, run, pytester):
        run(
            """
            from helpers import send

            def test_it(mailserver):
                send(mailserver, subject="one")
                mailserver.clear()
                send(mailserver, subject="two")
                assert False
            """
        ).assert_outcomes(failed=1)
        assert names(only(pytester.path)) == ["001-two.eml", "index.html", "transcript.txt"]


class TestOtherReports:
    def properties(self, file):
        return {
            case.get("name"): {entry.get("name"): entry.get("value") for entry in case.iter("property")}
            for case in ET.parse(file).iter("testcase")
        }

    @pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["one process", "xdist"])
    def test_junit_xml(self, run, pytester, arguments):
        run(SUITE, "--junit-xml=junit.xml", *arguments, subprocess=True)
        found = self.properties(pytester.path / "junit.xml")
        folder = f"test-results/{only(pytester.path).name}"
        assert found == {
            "test_passes": {"mailtrap_messages": "1"},
            "test_fails": {"mailtrap_messages": "1", "mailtrap_artifacts": folder},
            "test_fails_without_mail": {"mailtrap_messages": "0"},
            "test_fails_without_mailserver": {},
        }

    def test_properties_of_both_phases_are_one(self, run, pytester):
        run(
            """
            import pytest
            from helpers import send

            @pytest.fixture
            def app(mailserver):
                yield
                send(mailserver, subject="two")

            def test_it(app, mailserver, record_property):
                record_property("mine", "kept")
                send(mailserver, subject="one")
                mailserver.messages.nothing
            """,
            "--junit-xml=junit.xml", "--mailtrap-artifacts=on", "-o", "junit_family=xunit1",
        )  # fmt: skip
        folder = f"test-results/{only(pytester.path).name}"
        expected = {"mine": "kept", "mailtrap_messages": "2", "mailtrap_artifacts": folder}
        assert self.properties(pytester.path / "junit.xml") == {"test_it": expected}

    @pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["one process", "xdist"])
    def test_pytest_html(self, run, pytester, arguments):
        pytest.importorskip("pytest_html")
        run(
            SUITE, "--html=reports/out.html", "-W", "ignore::DeprecationWarning", *arguments,
            plugins=("html", "html_fixtures", "metadata"), subprocess=True,
        )  # fmt: skip
        report = (pytester.path / "reports/out.html").read_text("utf-8")
        assert f"../test-results/{only(pytester.path).name}/index.html" in report

    def test_without_them_there_is_nothing(self, run):
        run(
            """
            import pytest
            from helpers import send

            def test_it(mailserver):
                send(mailserver)

            def test_fails(mailserver):
                assert False
            """,
            conftest="""
def pytest_runtest_logreport(report):
    assert report.user_properties == []
    assert not getattr(report, "extras", [])
""",
            subprocess=True,
        ).assert_outcomes(passed=1, failed=1)
